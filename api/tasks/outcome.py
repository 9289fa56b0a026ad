"""The results of a chunk's rows, and how long they took."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from api.feedback.notes import Answered
from api.formats import results
from api.service import Service
from api.tasks.inputs import Input
from api.tasks.task import Outcome, Task
from models.rows.batch import Batch
from models.text.answers import answered
from models.text.cut import Chunk

# A chunk should take so long: what a death undoes is little, and small tasks pass in between.
CHUNK_SECONDS = 0.25
# The next chunk has at most so many times the rows.
GROWTH = 8


def outcome_of(service: Service, task: Task, chunk: Chunk, source: Input) -> Outcome:
    """Answer the rows of a chunk.

    Raises InvalidRows where a row does not fit the model, or the model refuses it.
    """
    started = time.perf_counter()
    batch = source.batch(chunk)
    found = {
        method: answered(service.model, method, batch) for method in methods(service, task.method)
    }
    lists = [_encoded(result, batch) for result in found.values()]
    if service.notes is not None:
        rows = Answered(task.method, batch.rows, found[task.method])
        service.notes.take_chunk(task, chunk.row, rows)
    took = max(time.perf_counter() - started, 1e-6)
    factor = min(CHUNK_SECONDS / took, GROWTH)
    return Outcome(
        rows=batch.count,
        results=b"\n".join(lists),
        chunk_rows=max(1, int(chunk.rows * factor)),
        notes=_notes(batch, source.decimals(chunk)),
    )


def methods(service: Service, method: str) -> tuple[str, ...]:
    """The methods whose results a task has: probabilities stand beside predicted classes."""
    return (method, "predict_proba") if ranks(service, method) else (method,)


def ranks(service: Service, method: str) -> bool:
    """Whether classes are ranked by their probabilities beside the results of a method."""
    classes = service.model.classes
    is_one = bool(classes and not isinstance(classes[0], list))
    return is_one and method == "predict" and "predict_proba" in service.model.methods


def _encoded(result: Any, batch: Batch) -> bytes:
    """The results of one method as a JSON list."""
    return results.joined(results.encoded(result, msgspec.json.encode, batch.count, 2**63))


def _notes(batch: Batch, decimals: list[str]) -> dict[str, Any]:
    notes: dict[str, Any] = {"decimals": decimals} if decimals else {}
    if batch.unknown:
        notes["unknown"] = dict(batch.unknown)
    if batch.ignored:
        notes["ignored"] = list(batch.ignored)
    return notes
