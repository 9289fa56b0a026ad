"""The answers of a model for the rows of a chunk."""

from __future__ import annotations

from typing import Any

from models.engines import concat_results
from models.engines.reject import rejection
from models.errors import InvalidRows, Place, RowRejected
from models.model import Model
from models.rows.batch import Batch

# The most rows of one call of the model, which bounds its memory.
CALL_ROWS = 8192


def answered(model: Model, method: str, batch: Batch) -> Any:
    """The results of one method for the rows of a batch, in as many calls as its memory needs.

    Raises InvalidRows with the row that the model refuses, and whatever else its engine raises.
    """
    engine, rows = model.engine, batch.rows
    size = CALL_ROWS if engine.batchable else max(batch.count, 1)
    parts = []
    for start in range(0, batch.count, size):
        piece = rows[start : start + size]
        try:
            parts.append(engine.run(method, piece))
        except Exception as error:
            found = rejection(engine, method, piece, error)
            if isinstance(found, RowRejected):
                detail = f"the model refuses this row: {found.reason}{model.hint}"
                place = Place(batch.pointers(start + found.row), detail)
                raise InvalidRows([place]) from None
            raise found from None
    return parts[0] if len(parts) == 1 else concat_results(parts)
