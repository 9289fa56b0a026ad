"""What a process notes of its answers, half a microsecond each, until a thread writes it down."""

from __future__ import annotations

import itertools
import math
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from api.feedback.facts import id_of_task, new_id

if TYPE_CHECKING:
    from api.http.request import Request
    from api.tasks.task import Task
    from models.model import Model
    from models.rows.batch import Batch

# In each second the statistics take the first answers of one row, and so many rows of batches.
MAX_ONES = 256
MAX_BATCH_ROWS = 1024
# Batches of more rows are counted, and not kept; and so many kept rows wait to be written.
MAX_KEPT_ROWS = 1000
MAX_WAITING_ROWS = 2000
# More answers a second find no room among these.
MAX_RATE = 4 * MAX_WAITING_ROWS
# Methods whose results name a label.
LABELLED = ("predict", "predict_proba")
# A client sends this header with one of these words for a request that is no real prediction.
HEADER = "HTTP_X_PREDICTION_LOG"
OFF = frozenset({"off", "false", "no", "none", "0"})


class Answered(NamedTuple):
    """Rows and their results, in their order: an array each, a list of rows, or a tuple of one."""

    method: str
    rows: Any
    result: Any


class Kept(NamedTuple):
    """An answer whose rows are kept; the first of them has the number `first`."""

    id: str
    at: float
    owner: str
    answered: Answered
    first: int = 0


class Purse:
    """The answers that a process may still keep in this second, for all versions of the model."""

    def __init__(self, rate: int) -> None:
        self._rate = min(rate, MAX_RATE)
        self.coins: list[None] = []
        self.fill()

    def fill(self) -> None:
        """Begin another second."""
        self.coins.extend([None] * (self._rate - len(self.coins)))

    def spend(self) -> bool:
        """Take a coin, if there is one."""
        try:
            self.coins.pop()
        except IndexError:
            return False
        return True


class Notes:
    """The notes on the answers of one version of the model.

    `purse` says how many answers are kept; None where no rows are.
    """

    def __init__(self, model: Model, purse: Purse | None) -> None:
        self.model = model
        # Whether answers of one row are only counted for the rest of this second.
        self.is_full = False
        # When no request began with this version any more, in monotonic seconds.
        self.closed = math.inf
        # A model of several outputs has no label that somebody could choose.
        self._purse = purse if has_labels(model) else None
        self._coins = self._purse.coins if self._purse else []
        # The method, the row and the result of each: a record would take five times as long.
        self._ones: list[tuple[str, Any, Any]] = []
        # Counts without a lock: a thread may stop between the two halves of +=.
        self.count = itertools.count().__next__
        self._seen = 0
        self._lock = threading.Lock()
        self._batches: list[Answered] = []
        self._kept: list[Kept] = []
        self._room = MAX_BATCH_ROWS
        self._waiting = MAX_WAITING_ROWS
        self._rows = 0

    def take_one(self, request: Request, method: str, row: tuple[Any, ...], result: Any) -> None:
        """Note the only row of a request, and its result as JSON has it."""
        if HEADER in request.environ and _is_off(request):
            return
        self.count()
        # A row that is kept in memory for long costs a request more than its note.
        if len(self._ones) < MAX_ONES:
            self._ones.append((method, row, result))
        else:
            self.is_full = not self._coins
        if self._coins and method in LABELLED:
            self._keep(request, Answered(method, (row,), (result,)))

    def take(self, request: Request, method: str, batch: Batch, result: Any) -> None:
        """Note the rows of a request and their results."""
        if HEADER in request.environ and _is_off(request):
            return
        answered = Answered(method, (batch.only_row,) if batch.only_row else batch.rows, result)
        self.take_rows(answered)
        if self._coins and method in LABELLED and batch.count <= MAX_KEPT_ROWS:
            self._keep(request, answered)

    def take_chunk(self, task: Task, first: int, answered: Answered) -> None:
        """Note rows of a task, the first of which has this number."""
        self.take_rows(answered)
        if not self._coins or answered.method not in LABELLED or first >= MAX_KEPT_ROWS:
            return
        few = slice(0, MAX_KEPT_ROWS - first)
        some = Answered(answered.method, answered.rows[few], answered.result[few])
        if _has_several(some):
            return
        if first or (self._purse and self._purse.spend()):
            kept_as = id_of_task(task.id, task.created)
            self.keep_rows(Kept(kept_as, task.created, task.owner, some, first))

    def take_rows(self, answered: Answered) -> None:
        """Note rows that are counted; of many rows those that there is room for."""
        rows = len(answered.rows)
        with self._lock:
            self._rows += rows
            room, self._room = self._room, max(0, self._room - rows)
            if room:
                self._batches.append(answered if rows <= room else _some(answered, room))

    def keep_rows(self, kept: Kept) -> bool:
        """Note rows that are kept, unless too many wait to be written down."""
        rows = len(kept.answered.rows)
        with self._lock:
            if self._waiting < rows:
                return False
            self._waiting -= rows
            self._kept.append(kept)
        return True

    def _keep(self, request: Request, answered: Answered) -> None:
        if _has_several(answered) or not (self._purse and self._purse.spend()):
            return
        at = time.time()
        kept = Kept(new_id(at), at, request.key or "", answered)
        if self.keep_rows(kept):
            request.prediction = kept.id

    def kept(self) -> list[Kept]:
        """The answers to keep since the last call."""
        with self._lock:
            kept, self._kept = self._kept, []
            self._waiting = MAX_WAITING_ROWS
        return kept

    def counted(self) -> tuple[list[Answered], int]:
        """The answers to count since the last call, and the number of the rows of all answers."""
        ones, self._ones = self._ones, []
        with self._lock:
            batches, self._batches = self._batches, []
            rows, self._rows = self._rows, 0
            self._room = MAX_BATCH_ROWS
        self.is_full = False
        seen = self.count()
        # Asking is itself counted.
        rows += seen - self._seen
        self._seen = seen + 1
        return _joined(ones) + batches, rows


def _has_several(answered: Answered) -> bool:
    """Whether a row has several predictions, as of a regression with several targets."""
    if answered.method != "predict":
        return False
    result = answered.result
    if isinstance(result, np.ndarray):
        return result.ndim > 1 and result.shape[1:] != (1,)
    return isinstance(result[0], list) and len(result[0]) != 1


def has_labels(model: Model) -> bool:
    """Whether somebody can tell the truth of one prediction by one of the classes, if any.

    What a regression predicts is seen in its answers only.
    """
    classes = model.classes or []
    return "predict" in model.methods and not any(isinstance(each, list) for each in classes)


def _is_off(request: Request) -> bool:
    return request.environ[HEADER].strip().lower() in OFF


def _joined(ones: list[tuple[str, Any, Any]]) -> list[Answered]:
    """Answers of one row as one for each method."""
    methods: dict[str, tuple[list[Any], list[Any]]] = {}
    for method, row, result in ones:
        rows, results = methods.setdefault(method, ([], []))
        rows.append(row)
        results.append(result)
    return [Answered(method, rows, results) for method, (rows, results) in methods.items()]


def _some(answered: Answered, most: int) -> Answered:
    """Some of many rows, from all over them, and their results where these have one place each."""
    step = -(-len(answered.rows) // most)
    rows, result = answered.rows[::step], answered.result
    # A copy: a view would hold all rows.
    rows = rows.copy() if isinstance(rows, np.ndarray) else rows
    return Answered(
        answered.method, rows, result[::step].copy() if isinstance(result, np.ndarray) else None
    )
