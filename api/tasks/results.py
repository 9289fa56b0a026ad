"""The results of a task in order: as JSON, CSV or NDJSON, whole or from one row to another.

Chunks are read one by one, so that the memory for a million rows is that for one chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from api.formats.writers import JSON
from api.tasks.task import Store, Task
from models.text.cut import Chunk
from models.text.results import csv_lines

# Ranked classes take a hundred times their bytes as objects.
PIECE_ROWS = 2048
CSV, NDJSON = "text/csv", "application/x-ndjson"
Lists = list[list[Any]]


class Part(NamedTuple):
    """Results of rows of one task, from the row `offset` on, `limit` of them; None for all."""

    store: Store
    task: Task
    chunks: list[Chunk]
    offset: int = 0
    limit: int | None = None

    @property
    def ranks(self) -> bool:
        """Whether probabilities of classes stand beside the predictions."""
        return self.task.method == "predict" and self.task.classes is not None

    def raw(self, which: int) -> Iterator[bytes]:
        """The results of one method in pieces of JSON, each a list without its brackets."""
        for number, start, stop, rows in self._pieces():
            line = self.store.results(self.task.id, number).split(b"\n")[which]
            if (start, stop) != (0, rows):
                line = msgspec.json.encode(
                    msgspec.json.decode(line, type=list[msgspec.Raw])[start:stop]
                )
            yield line[1:-1]

    def lists(self) -> Iterator[Lists]:
        """The results of each method, some rows at a time."""
        for number, start, stop, _ in self._pieces():
            lines = self.store.results(self.task.id, number).split(b"\n")
            whole = [msgspec.json.decode(line) for line in lines]
            for i in range(start, stop, PIECE_ROWS):
                yield [values[i : min(i + PIECE_ROWS, stop)] for values in whole]

    def _pieces(self) -> Iterator[tuple[int, int, int, int]]:
        """Each chunk with rows that are asked for: its number, the first and last, and all."""
        above = 0
        end = self.task.rows_done if self.limit is None else self.offset + self.limit
        for chunk in self.chunks:
            start = max(self.offset - above, 0)
            stop = min(end - above, chunk.rows)
            if start < stop:
                yield chunk.number, start, stop, chunk.rows
            above += chunk.rows


def as_json(part: Part) -> Iterator[bytes]:
    """One document, `TaskResults`; its lists come one after the other."""
    task = part.task
    facts: dict[str, Any] = {
        "task_id": task.id,
        "method": task.method,
        "model_version": task.version,
        "rows": task.rows_done,
        "offset": part.offset,
    }
    if task.classes is not None:
        facts["classes"] = task.classes
    yield msgspec.json.encode(facts)[:-1]
    yield b',"predictions":['
    yield from _joined(part.raw(0))
    if part.ranks:
        yield b'],"ranked":['
        for i, (_, probabilities) in enumerate(part.lists()):
            ranked = [rank(task.classes or [], row) for row in probabilities]
            yield (b"," if i else b"") + msgspec.json.encode(ranked)[1:-1]
    yield b"]}"


def as_csv(part: Part) -> Iterator[bytes]:
    """A header row and one line a row: the prediction, and the probability of each class."""
    columns = list(part.task.columns)
    if part.ranks:
        columns += [str(label) for label in part.task.classes or []]
    header = True
    for lists in part.lists():
        rows = lists[0]
        if part.ranks:
            rows = [[value, *row] for value, row in zip(*lists, strict=True)]
        yield csv_lines(rows, columns, header=header)
        header = False


def as_ndjson(part: Part) -> Iterator[bytes]:
    """An object a line: the prediction, and the ranked classes."""
    encoder = msgspec.json.Encoder()
    for lists in part.lists():
        if part.ranks:
            labels = part.task.classes or []
            rows = [
                {"prediction": value, "ranked": rank(labels, row)}
                for value, row in zip(*lists, strict=True)
            ]
        else:
            rows = [{"prediction": value} for value in lists[0]]
        yield encoder.encode_lines(rows)


WRITERS: dict[str, Callable[[Part], Iterator[bytes]]] = {
    JSON: as_json,
    CSV: as_csv,
    NDJSON: as_ndjson,
}


def rank(classes: list[Any], probabilities: list[float]) -> list[dict[str, Any]]:
    """The classes and their probabilities, the likeliest first."""
    # NaN is null in JSON.
    pairs = zip(classes, probabilities, strict=True)
    ranked = sorted(pairs, key=lambda pair: pair[1] if pair[1] is not None else -1.0, reverse=True)
    return [{"label": label, "probability": probability} for label, probability in ranked]


def _joined(parts: Iterator[bytes]) -> Iterator[bytes]:
    first = True
    for part in parts:
        yield part if first else b"," + part
        first = False
