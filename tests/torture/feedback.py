"""Tell the truth of predictions while processes are killed: `python -m tests.torture.feedback`.

Each selection that got its 200 has to be in the store afterwards, and to count once.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from api.feedback.store import FeedbackStore
from tests.kept import told_in
from tests.test_serving import Server, free_port
from tests.torture import driver
from tests.torture.embedded import children

CLIENTS = 8
# A client asks for so many predictions before it tells the truth of the first.
AHEAD = 25
RATE = 1_000_000
LABELS = (0, 1, None)
RETRY_SECONDS = 0.05
PATIENCE_SECONDS = 60.0


@dataclasses.dataclass
class Outcome:
    """What came of all selections."""

    selections: int
    kills: int = 0
    restarts: int = 0
    # Predictions that a killed process had not written down: nobody could choose among them.
    vanished: int = 0
    lost: int = 0
    wrong: int = 0
    counted: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether each selection that got its 200 is there, once."""
        return not self.lost and not self.wrong and self.counted == self.selections


class Torture:
    """One run against a service that is killed, in parts and whole."""

    def __init__(self, folder: Path, model: Path, *, selections: int, seed: int = 0) -> None:
        self._folder = folder
        self._model = model
        self._port = free_port()
        self._random = random.Random(seed)
        self._told: dict[str, Any] = {}
        self._left = threading.Semaphore(selections)
        self._lock = threading.Lock()
        self._failed = threading.Event()
        self.outcome = Outcome(selections)

    def run(self, kills: int, restarts: int) -> Outcome:
        """Tell all, with so many kills of a worker and of the whole service meanwhile."""
        began = time.monotonic()
        self._start()
        try:
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(self._be_client) for _ in range(CLIENTS)]
                harms = ["kill"] * kills + ["restart"] * restarts
                self._random.shuffle(harms)
                steps = len(harms) + 1
                for i, harm in enumerate(harms, 1):
                    self._await(self.outcome.selections * i // steps)
                    getattr(self, f"_{harm}")()
                for client in clients:
                    client.result()
        finally:
            self._server.stop()
        self.outcome.seconds = round(time.monotonic() - began, 1)
        self._check()
        return self.outcome

    def _start(self) -> None:
        variables: dict[str, Any] = {
            "MODEL_PATH": self._model,
            "PREDICTION_LOG_RATE": RATE,
            "TASK_WORKERS": 0,
            "LOG_LEVEL": "error",
        }
        self._server = Server(self._folder, PORT=self._port, **variables)
        self._server.port = self._port
        self._server.wait()

    def _await(self, count: int) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while len(self._told) < count and time.monotonic() < end and not self._failed.is_set():
            time.sleep(0.001)

    def _kill(self) -> None:
        """Kill one worker."""
        with contextlib.suppress(IndexError, ProcessLookupError):
            os.kill(self._random.choice(children(self._server.process.pid)), signal.SIGKILL)
            self.outcome.kills += 1

    def _restart(self) -> None:
        """Kill all processes at once, and start the service again."""
        os.killpg(self._server.process.pid, signal.SIGKILL)
        self._server.process.wait()
        self._start()
        self.outcome.restarts += 1

    def _be_client(self) -> None:
        try:
            self._tell()
        except BaseException:
            # So that the other clients end, too.
            self._failed.set()
            raise

    def _tell(self) -> None:
        """Tell the truth of predictions until all is told."""
        generator = random.Random(threading.get_ident())
        predicted: list[str] = []
        while self._left.acquire(blocking=False):
            label = generator.choice(LABELS)
            while True:
                while not predicted:
                    # Another process needs a moment to write them down.
                    predicted = [*filter(None, [self._predict(generator) for _ in range(AHEAD)])]
                if self._select(kept := predicted.pop(0), label):
                    break
            self._told[kept] = label

    def _predict(self, generator: random.Random) -> str:
        """The id of a prediction; "" while the service is away."""
        row = [generator.gauss(0, 1) for _ in range(driver.FEATURES)]
        answer = self._ask("POST", "/predict", [row])
        return answer[1].get("X-Prediction-Id", "") if answer and answer[0] == 200 else ""

    def _select(self, kept: str, label: Any) -> bool:
        """Tell the truth until it gets its 200; False if the prediction has vanished."""
        while True:
            answer = self._ask("PUT", "/inference/select", {"prediction_id": kept, "label": label})
            if answer and answer[0] == 200:
                return True
            if answer and answer[0] == 404:
                with self._lock:
                    self.outcome.vanished += 1
                return False
            assert answer is None or answer[0] == 503, answer

    def _ask(self, verb: str, path: str, body: Any) -> tuple[int, Any] | None:
        """The status and headers of an answer; None where there was none."""
        assert not self._failed.is_set()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            with contextlib.closing(connection):
                headers = {"Content-Type": "application/json"}
                connection.request(verb, path, json.dumps(body), headers)
                with connection.getresponse() as answer:
                    answer.read()
                    return answer.status, answer.headers
        except (OSError, http.client.HTTPException):
            time.sleep(RETRY_SECONDS)
            return None

    def _check(self) -> None:
        """Compare the store with what was told."""
        store = FeedbackStore(self._folder / "data" / "feedback")
        kept = {prediction.id: selection.label for prediction, selection in store.labelled()}
        for prediction_id, label in self._told.items():
            if prediction_id not in kept:
                self.outcome.lost += 1
            elif kept[prediction_id] != label:
                self.outcome.wrong += 1
        self.outcome.counted = sum(each.count for each in told_in(store, 0))


def main() -> None:
    """Run it, and exit with 1 unless nothing was lost or counted twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.feedback", description=__doc__)
    parser.add_argument("--selections", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        model = driver.write_model(Path(folder))
        torture = Torture(Path(folder), model, selections=given.selections, seed=given.seed)
        outcome = torture.run(given.kills, given.restarts)
    print(outcome)
    sys.exit(not outcome.is_good)


if __name__ == "__main__":
    main()
