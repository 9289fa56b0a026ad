"""The truth changes while a service learns by itself: `python -m tests.torture.learning`.

The real server answers row after row, is told the truth of each third answer, trains after each 200
selections, compares, and swaps. Rows that come within days come within a minute here: they wait for
a training that is under way. Another client asks all the time, and waits for nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import http.client
import json
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from models.training.train import train
from tests.test_serving import Server, serving

KEY = "the-key-of-the-simulation"
FEATURES = ["weight", "age", "price", "distance"]
CLASSES = np.array(["keep", "repair", "return"])
ANSWER = "wish"
# The answers of a model of any rows of one concept are right for about nine of ten.
SCALE = 4.0
TEST_ROWS = 10_000
FUNCTION = "wishes:build"
OWN = f"""
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
DATA, TARGET = "rows.csv", "{ANSWER}"
def build(rows, answers):
    return make_pipeline(StandardScaler(), LogisticRegression())
"""
LEARNS = re.compile(r"training ([0-9a-f]{32}) learns from")
END_SECONDS = 240.0
POLL_SECONDS, PULSE_SECONDS = 0.2, 0.01
ENDED = ("SUCCESS", "FAILURE", "REVOKED")


class World:
    """Rows with their truth, which changes after `change` rows."""

    def __init__(self, change: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._change = change
        shape = (len(FEATURES), len(CLASSES))
        self._weights = [self._random.normal(scale=SCALE, size=shape) for _ in range(2)]

    def rows(self, count: int, *, new: bool) -> tuple[pd.DataFrame, np.ndarray]:
        """Rows and their truth, before the change or, if `new`, behind it."""
        values = self._random.normal(size=(count, len(FEATURES))).round(4)
        scores = values @ self._weights[new]
        truth = (scores + self._random.gumbel(size=scores.shape)).argmax(axis=1)
        return pd.DataFrame(values, columns=FEATURES), CLASSES[truth]

    def stream(self, count: int) -> Iterator[tuple[dict[str, float], str]]:
        """One row after another, with its truth."""
        for new, size in ((False, self._change), (True, count - self._change)):
            rows, truth = self.rows(size, new=new)
            yield from zip(rows.to_dict("records"), truth.tolist(), strict=True)


@dataclasses.dataclass
class Training:
    """One training, the number of rows before it, its last state, and its report."""

    id: str
    row: int
    state: str
    report: dict[str, Any]


@dataclasses.dataclass
class Outcome:
    """What came of the rows: whether each answer was right, by which version, and the trainings.

    `final` is the accuracy of the version that serves at the end, `best` that of a model of 10,000
    rows of the new truth, both on as many other rows of it. `seen` is what the service itself says
    of its versions in /content/accuracy.
    """

    change: int
    right: list[bool] = dataclasses.field(default_factory=list)
    versions: list[str] = dataclasses.field(default_factory=list)
    trainings: list[Training] = dataclasses.field(default_factory=list)
    requests: int = 0
    lost: int = 0
    final: float = 0.0
    best: float = 0.0
    seen: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def accuracy(self, start: int, stop: int) -> float:
        """The share of right answers to these rows."""
        return float(np.mean(self.right[start:stop]))

    @property
    def swaps(self) -> list[int]:
        """The number of the first row that each new version answered."""
        pairs = zip(self.versions, self.versions[1:], strict=False)
        return [i for i, (before, after) in enumerate(pairs, 1) if before != after]

    @property
    def is_good(self) -> bool:
        """Whether the service learnt of the change by itself, and no request was lost."""
        swapped = any(swap > self.change for swap in self.swaps)
        return swapped and not self.lost and self.final > self.best - 0.02

    def __str__(self) -> str:
        """The figures in lines."""
        behind = [swap for swap in self.swaps if swap > self.change]
        fallen = slice(self.change, behind[0] if behind else None)
        lines = [
            f"accuracy before the change: {self.accuracy(0, self.change):.3f}",
            f"from the change to the swap: {np.mean(self.right[fallen]):.3f}",
            f"swaps at the rows {self.swaps}, {len(self.trainings)} trainings",
            f"from the swap on: {self.accuracy(behind[0], len(self.right)):.3f}" if behind else "",
            f"at the end {self.final:.3f}, a model of 10,000 new rows {self.best:.3f}",
            f"{self.lost} of {self.requests} requests lost",
        ]
        lines += [
            f"version {each['version'][:12]} in /content/accuracy: {each['accuracy']:.3f} "
            f"({each['low']:.3f} to {each['high']:.3f}) of {each['selected']}, {each['verdict']}"
            for each in self.seen
        ]
        for each in self.trainings:
            report = each.report
            compared = report.get("comparison") or {}
            how = "takes over" if report.get("activated") else report.get("not_activated", "")
            chosen = (report.get("feedback") or {}).get("chosen", each.state)
            lines.append(
                f"training at row {each.row}: {chosen}; "
                f"{compared.get('new_score', 0):.3f} against {compared.get('active_score', 0):.3f} "
                f"on {compared.get('rows', 0)} rows; {how}"
            )
        return "\n".join(filter(None, lines))


class Client:
    """One connection, which counts requests, and those without an answer of 200."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.requests = 0
        self.lost = 0

    def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> tuple[Any, Any]:
        """The JSON and the headers of an answer; None if there is none."""
        self.requests += 1
        sent = {"Content-Type": "application/json", "X-Api-Key": KEY, **headers}
        try:
            content = None if body is None else json.dumps(body)
            self._connection.request(verb, path, content, sent)
            answer = self._connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            self.lost += 1
            return None, {}
        if answer.status != 200:
            self.lost += 1
        return found, answer.headers

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Loop:
    """A service that learns by itself, and what asks it."""

    def __init__(self, server: Server, world: World, outcome: Outcome) -> None:
        self._server = server
        self._world = world
        self._outcome = outcome
        self._client = Client(server.port)
        self._stop = threading.Event()

    def run(self, rows: int, *, told: int, every: int) -> None:
        """Ask `rows` rows, and tell the truth of one of `told`; `every` is LEARN_EVERY."""
        pulse = threading.Thread(target=self._pulse)
        pulse.start()
        try:
            self._stream(rows, told, every)
        finally:
            self._stop.set()
            pulse.join()
        self._measure()
        self._outcome.requests += self._client.requests
        self._outcome.lost += self._client.lost
        self._client.close()

    def _stream(self, rows: int, told: int, every: int) -> None:
        waiting: list[dict[str, str]] = []
        for i, (row, truth) in enumerate(self._world.stream(rows)):
            answer, headers = self._client.ask("POST", "/predict", row)
            self._outcome.right.append(bool(answer) and answer["predictions"] == [truth])
            self._outcome.versions.append(headers.get("X-Model-Version", ""))
            if i % told == 0:
                waiting.append({"prediction_id": headers["X-Prediction-Id"], "label": truth})
            if len(waiting) == every:
                for choice in waiting:
                    self._client.ask("PUT", "/inference/select", choice)
                waiting.clear()
                self._await()

    def _await(self) -> None:
        """Wait until the service has begun a training, and until that has ended."""
        trainings, end = self._outcome.trainings, time.monotonic() + END_SECONDS
        while time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            begun = LEARNS.findall(self._server.log.read_text())
            if len(begun) == len(trainings):
                continue
            state, _ = self._client.ask("GET", f"/train/status/{begun[-1]}")
            if state["status"] in ENDED:
                report: dict[str, Any] = {}
                if state["status"] == "SUCCESS":
                    report, _ = self._client.ask("GET", f"/train/results/{begun[-1]}")
                row = len(self._outcome.right)
                trainings.append(Training(begun[-1], row, state["status"], report))
                return
        raise TimeoutError(self._server.log.read_text())

    def _pulse(self) -> None:
        """Ask all the time, and count."""
        client = Client(self._server.port)
        row = dict.fromkeys(FEATURES, 0.5)
        while not self._stop.is_set():
            client.ask("POST", "/predict", row, **{"X-Prediction-Log": "off"})
            time.sleep(PULSE_SECONDS)
        self._outcome.requests += client.requests
        self._outcome.lost += client.lost
        client.close()

    def _measure(self) -> None:
        """The accuracy of the version that serves now, and of a model of many rows."""
        rows, truth = self._world.rows(TEST_ROWS, new=True)
        test, expected = self._world.rows(TEST_ROWS, new=True)
        body = test.to_dict("records")
        answer, _ = self._client.ask("POST", "/predict", body, **{"X-Prediction-Log": "off"})
        self._outcome.final = float(np.mean(np.array(answer["predictions"]) == expected))
        told, _ = self._client.ask("GET", "/content/accuracy?hours=24")
        self._outcome.seen = told["versions"]
        best = LogisticRegression(max_iter=1000).fit(rows, truth)
        self._outcome.best = float(best.score(test, expected))


def simulate(
    folder: Path,
    *,
    rows: int = 6_000,
    change: int = 2_000,
    told: int = 3,
    every: int = 200,
    seed: int = 0,
) -> Outcome:
    """Have a service learn by itself in an empty folder."""
    models = folder / "models"
    models.mkdir()
    world = World(change, seed)
    data, truth = world.rows(500, new=False)
    data.assign(**{ANSWER: truth}).to_csv(models / "rows.csv", index=False)
    (models / "wishes.py").write_text(OWN)
    with contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
        trained = train(FUNCTION, data="models/rows.csv", target=ANSWER, folds=0)
        del sys.modules["wishes"]
    admin = f"simulation:{hashlib.sha256(KEY.encode()).hexdigest()}"
    variables: dict[str, Any] = {"MODEL_PATH": folder / trained.path, "TRAIN": FUNCTION}
    variables |= {"ADMIN_KEYS": admin, "LEARN_EVERY": every, "PREDICTION_LOG_RATE": 1_000}
    outcome = Outcome(change)
    with serving(folder, **variables) as server:
        Loop(server, world, outcome).run(rows, told=told, every=every)
    return outcome


def main() -> None:
    """Simulate, print the figures, and exit with 1 unless the service has learnt of the change."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.learning", description=__doc__)
    parser.add_argument("--draw", type=Path, help="the picture, as docs/learning.svg")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    # So that no process is left where somebody ends this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        outcome = simulate(Path(folder), seed=given.seed)
    print(outcome)
    if given.draw:
        from tests.torture.picture import svg

        given.draw.write_text(svg(outcome))
    sys.exit(not outcome.is_good)


if __name__ == "__main__":
    main()
