"""The selections of a service, as a file for a training."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

from api.feedback import learning
from api.feedback.store import FeedbackStore
from api.settings import Settings
from models.candidate.facts import Served
from models.errors import ModelError
from models.training.facts import Feedback, Labelled, seen_until
from models.versions import Store


def write(path: Path, settings: Settings, versions: Store, served: Served) -> Feedback:
    """Write the rows that have a label, in the order of their times.

    Raises ModelError where they are not here, OSError where they cannot be read.
    """
    names = [column.name for column in served.columns]

    @functools.cache
    def fits(version: str) -> bool:
        try:
            features = versions.find(version).card.get("features")
        except ModelError:
            return True
        return not features or [*features] == names

    folder = settings.data_folder and settings.data_folder / "feedback"
    if folder is None or not (folder / "feedback.db").exists():
        raise ModelError(
            "this worker does not have the selections of the service: set DATA_DIR to one folder "
            "that both share, or train where the service runs"
        )
    store = FeedbackStore(folder)
    learning.note(store)
    encode = msgspec.json.encode
    with path.open("wb") as file:
        for prediction, selection in store.labelled():
            if selection.label is not None:
                # Values of a version with other columns mean something else.
                inputs = prediction.inputs if fits(prediction.version) else []
                row = Labelled(at=prediction.at, label=selection.label, inputs=inputs)
                file.write(encode(row) + b"\n")
    return Feedback(path=str(path), until=seen_until(versions.find(served.version).card))
