"""Compile the model to a plan and prove it: `python -m models.bake models/latest.joblib`.

It writes `latest.plan.npz` with the methods that answer as scikit-learn does, and the results into
the card `latest.json`. A plan belongs to the SHA-256 of its joblib file.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import logging
import os
import signal
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from models import bound, logs, threads
from models.bound import Bound
from models.errors import ModelError, brief
from models.settings import ModelSettings, SettingsError

log = logging.getLogger("models")


def table(report: dict[str, Any]) -> str:
    """The report as a table for people."""
    lines: list[tuple[str, ...]] = [
        ("method", "engine", "rows compared", "largest difference", "faster: 1 row", "64", "1,024")
    ]
    for method, facts in report.items():
        if "reason" in facts:
            lines.append((method, "scikit-learn", facts["reason"], "", "", "", ""))
            continue
        times = [f"{value:.1f} x" for value in facts["faster"].values()]
        difference = f"{facts['difference']:.1e}" if facts["difference"] else "none"
        lines.append((method, "plan", f"{facts['rows']:,}", difference, *times))
    widths = [max(len(line[i]) for line in lines if len(line[2]) < 40) for i in range(7)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def run(path: Path, settings: ModelSettings) -> int:
    """Bake one model and print the table, or why there is none; gives the exit status."""
    from models.baking import bake

    logs.configure(settings.log_level)
    try:
        with warnings.catch_warnings():
            # Warnings of thousands of calls say nothing about the plan.
            warnings.simplefilter("ignore")
            report = bake(path, settings.model_sha256, Bound(settings.bake_seconds))
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        reason = f"{error.filename} cannot be written ({error.strerror})"
    except Exception as error:
        log.debug("the bake failed", exc_info=True)
        reason = f"{brief(error)}; LOG_LEVEL=debug says where"
    else:
        print(table(report))
        return 0
    print(f"{path} is served without a plan: {reason}")
    return 0


def main() -> None:
    """Bake the model of the command line within the bounds of the settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_path", nargs="?", type=Path, default="models/latest.joblib")
    path = parser.parse_args().model_path
    try:
        settings = ModelSettings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"error: {error}")
    if settings.engine == "sklearn":
        print(f"ENGINE=sklearn: {path} is served by scikit-learn, and no plan is made")
        return
    # Before numpy is imported: a plan is compared with a scikit-learn that has one thread, as when
    # it serves.
    threads.limit()
    from models.baking import leave

    status = bound.in_child(partial(run, path, settings), settings.bake_seconds)
    if status > 0:
        sys.exit(status)
    if not status:
        return
    reason = f"the process that made it ended with {signal.Signals(-status).name}"
    if -status in bound.TIME_IS_UP:
        reason = f"a plan takes more than {settings.bake_seconds:g} seconds to make (BAKE_SECONDS)"
    leave(path, reason)
    print(f"{path} is served by scikit-learn: {reason}")


if __name__ == "__main__":
    main()
