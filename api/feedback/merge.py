"""The feedback of all instances in one store: each object of the bucket is added once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from api.feedback import choices, schema
from api.feedback.lines import PREDICTIONS, SELECTIONS
from api.feedback.store import FeedbackStore


class MergedStore(FeedbackStore):
    """A store that remembers which objects it has; raises OSError as `FeedbackStore` does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self._database.writing() as db:
            db.execute("CREATE TABLE IF NOT EXISTS merged (uri TEXT PRIMARY KEY) WITHOUT ROWID")

    def new(self, uris: Iterable[str]) -> list[str]:
        """Those of these objects that it does not have."""
        with self._database.reading() as db:
            known = {row["uri"] for row in db.execute("SELECT uri FROM merged")}
        return [uri for uri in uris if uri not in known]

    def merge(self, uri: str, kind: str, records: Sequence[Any]) -> None:
        """Add the records of an object, in one transaction with the note that it has them."""
        with self._database.writing() as db:
            if not db.execute("INSERT OR IGNORE INTO merged VALUES (?)", (uri,)).rowcount:
                return
            if kind == PREDICTIONS:
                choices.add(db, records)
            elif kind == SELECTIONS:
                for selection in records:
                    choices.select(db, selection, is_new=False)
            else:
                for hour in records:
                    schema.add_hour(db, hour)
