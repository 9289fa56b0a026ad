"""Have a running service learn from selections: `python -m api.learn`, as `make learn` does.

The service's address is in URL, and the key of an administrator in API_KEY, as `api.client` has
them. Only the standard library is used.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from api.client import SHOWN_DIGITS, Refusal, address, ask, key

POLL_SECONDS = 0.2
ASKED = {"feedback": True, "activate": "if-better"}
ENDED = ("SUCCESS", "FAILURE", "REVOKED")


def learn(environ: Mapping[str, str]) -> Iterator[str]:
    """Start a training on selections, and give each of its steps, and the verdict.

    Raises Refusal if the service refuses it, the training fails, or the service cannot be reached.
    """
    url, headers = address(environ), key(environ)
    body, more = json.dumps(ASKED).encode(), {"Content-Type": "application/json"}
    begun, where = ask(url, "POST", "/train/start", headers | more, body)
    said = ""
    while True:
        state, _ = ask(url, "GET", where, headers)
        step = state.get("step", "")
        if step not in ("", said):
            said = step
            yield said
        if state["status"] in ENDED:
            break
        time.sleep(POLL_SECONDS)
    if state["status"] != "SUCCESS":
        error = state["error"] or {"detail": "The training was cancelled."}
        raise Refusal(error["detail"])
    report, _ = ask(url, "GET", f"/train/results/{begun['task_id']}", headers)
    yield verdict(report)


def verdict(report: Mapping[str, Any]) -> str:
    """The report of a training on selections in two sentences."""
    learnt, compared = report["feedback"], report["comparison"]
    version, active = (report[name][:SHOWN_DIGITS] for name in ("version", "active_version"))
    rows = [f"{learnt['selections']:,} selections"]
    without = learnt.get("without_data", "")
    if learnt["data_rows"]:
        rows.insert(0, f"{learnt['data_rows']:,} rows of the data")
    learnt_from = f"It learnt from {' and '.join(rows)}{without and f' alone: {without}'}."
    if not report["activated"]:
        reason = report["not_activated"]
        return f"Version {version} is kept and does not serve: {reason}. {learnt_from}"
    if version == active:
        return f"The training gave version {version}, which serves already. {learnt_from}"
    new, old = (f"{compared[name]:.4g}" for name in ("new_score", "active_score"))
    return (
        f"Version {version} serves now: its {compared['metric']} is {new}, that of {active} {old}, "
        f"on the newest {compared['rows']:,} selections, which neither has seen. {learnt_from}"
    )


def main() -> None:
    """Have the service learn, and print each step and the verdict."""
    try:
        for said in learn(os.environ):
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()
    except Refusal as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
