"""Hand in tasks of mixed size by HTTP while a stage is hurt, and compare all results."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier

FEATURES = 6
# One request of /predict has at most MAX_ROWS rows.
PREDICT_ROWS = 10_000
CLIENTS = 4
RETRY_SECONDS = 0.2
END_SECONDS = 240.0
# Shares of tasks by their rows: at most so many.
SIZES = ((0.6, 20), (0.9, 1_000), (0.99, 8_000), (1.0, 20_000))
ENDED = ("SUCCESS", "FAILURE", "REVOKED")


class Stage(Protocol):
    """A service with workers, in processes of its own, that can be hurt."""

    port: int

    def start(self) -> None:
        """Start everything; returns once the service answers."""

    def stop(self) -> None:
        """End everything, so that no process is left."""

    def worker_pids(self) -> list[int]:
        """The processes that do chunks now, or wait for one."""

    def mend(self) -> None:
        """Start a worker again where one was killed, unless somebody else does so."""


@dataclasses.dataclass
class Outcome:
    """What came of all tasks: each must be SUCCESS, with the rows that /predict gives."""

    tasks: int
    kills: int = 0
    states: dict[str, int] = dataclasses.field(default_factory=dict)
    lost: int = 0
    wrong: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, and nothing answered twice, out of order, or otherwise."""
        return self.states == {"SUCCESS": self.tasks} and not self.lost and not self.wrong


class Work(NamedTuple):
    """Rows, as lines of CSV below their header, and the probabilities that /predict gives."""

    header: str
    lines: list[str]
    expected: np.ndarray

    def body(self, start: int, stop: int) -> bytes:
        """These rows as CSV."""
        return "\n".join([self.header, *self.lines[start:stop], ""]).encode()


def write_model(folder: Path) -> Path:
    """A forest that takes about 10 ms a call: workers are at work when they are killed."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(600, FEATURES))
    y = (X[:, :3].sum(axis=1) > X[:, 3] ** 2).astype(int)
    path = folder / "latest.joblib"
    joblib.dump(RandomForestClassifier(100, random_state=0).fit(X, y), path)
    return path


def work_of(port: int, rows: int) -> Work:
    """Rows that all differ, with the answers of /predict."""
    values = np.random.default_rng(1).normal(size=(rows, FEATURES))
    lines = [",".join(repr(float(value)) for value in row) for row in values]
    found = Work(",".join(f"x{i}" for i in range(FEATURES)), lines, np.empty(0))
    parts = [
        _predicted(port, found.body(start, start + PREDICT_ROWS))
        for start in range(0, rows, PREDICT_ROWS)
    ]
    return found._replace(expected=np.concatenate(parts))


def _predicted(port: int, body: bytes) -> np.ndarray:
    status, answer = ask(port, "POST", "/predict_proba", body)
    assert status == 200, answer
    return np.asarray(answer["predictions"])


def ask(
    port: int, verb: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any]:
    """The status and the JSON of an answer; raises OSError, HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        sent = {"Content-Type": "text/csv", **headers}
        connection.request(verb, path, body, sent)
        with connection.getresponse() as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content else None


class Torture:
    """One run on a stage that has started."""

    def __init__(self, stage: Stage, work: Work, *, tasks: int, seed: int = 0) -> None:
        self.stage = stage
        self.outcome = Outcome(tasks)
        self._work = work
        self._random = random.Random(seed)
        self._slices = [self._slice() for _ in range(tasks)]
        self._ids: list[str] = [""] * tasks
        self._gate = threading.Semaphore(0)

    def run(self, kills: int, pause: float, others: Sequence[Callable[[], None]] = ()) -> Outcome:
        """Kill a random worker so often, each after about `pause` seconds, and do the other harms."""
        began = time.monotonic()
        tasks = self.outcome.tasks
        steps = max(kills, 1)
        harms = {(i + 1) * steps // (len(others) + 1): harm for i, harm in enumerate(others)}
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            handed = [pool.submit(self._hand_in, number) for number in range(tasks)]
            for step in range(steps):
                # So that there is work at each kill.
                self._gate.release(tasks // steps)
                time.sleep(self._random.uniform(0, 2 * pause))
                if step in harms:
                    harms[step]()
                if kills:
                    self._kill()
                self.stage.mend()
            self._gate.release(tasks)
            for each in handed:
                each.result()
            deadline = time.monotonic() + END_SECONDS
            for state, is_wrong in pool.map(lambda n: self._check(n, deadline), range(tasks)):
                self.outcome.states[state] = self.outcome.states.get(state, 0) + 1
                self.outcome.wrong += is_wrong
                self.outcome.lost += state not in ENDED
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _slice(self) -> tuple[int, int]:
        draw = self._random.random()
        most = next(rows for share, rows in SIZES if draw <= share)
        rows = self._random.randint(1, min(most, len(self._work.lines)))
        start = self._random.randint(0, len(self._work.lines) - rows)
        return start, start + rows

    def _kill(self) -> None:
        for _ in _tries(END_SECONDS):
            # One that begins does no work yet.
            if pids := self.stage.worker_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._random.choice(pids), signal.SIGKILL)
                    self.outcome.kills += 1
                    return

    def _hand_in(self, number: int) -> None:
        """Hand in a task; again with its Idempotency-Key where the service cannot take it now."""
        self._gate.acquire()
        body = self._work.body(*self._slices[number])
        for _ in _tries(END_SECONDS):
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, answer = ask(
                    self.stage.port,
                    "POST",
                    "/inference/start?method=predict_proba",
                    body,
                    **{"Idempotency-Key": f"task-{number}"},
                )
                if status == 202:
                    self._ids[number] = answer["task_id"]
                    return
                assert status == 503, answer
                self.outcome.refused += 1
        raise TimeoutError(f"task {number} was never accepted")

    def _check(self, number: int, deadline: float) -> tuple[str, bool]:
        """The last state of a task, and whether its results are wrong."""
        task_id, state = self._ids[number], "PENDING"
        for _ in _tries(max(deadline - time.monotonic(), 1)):
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, answer = ask(self.stage.port, "GET", f"/inference/status/{task_id}")
                state = answer["status"] if status == 200 else f"status {status}"
                if state in ENDED:
                    break
        if state != "SUCCESS":
            return state, False
        _, answer = ask(self.stage.port, "GET", f"/inference/results/{task_id}")
        start, stop = self._slices[number]
        expected, found = self._work.expected[start:stop], np.asarray(answer["predictions"])
        fits = found.shape == expected.shape and np.allclose(found, expected, rtol=1e-12)
        return state, not fits


def _tries(seconds: float) -> Iterator[None]:
    """A try each 0.2 seconds, until so many seconds have passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(RETRY_SECONDS)
