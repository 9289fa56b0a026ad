"""The truth of predictions as somebody tells it, checked against what was predicted."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.feedback.facts import Prediction, Selection, time_of
from api.feedback.recorder import recorder
from models.model import Model

ID = re.compile(r"([0-9a-f]{32})(?:/([0-9]{1,9}))?")
# Another process may write a prediction down so long after its answer.
RECENT_SECONDS = 2.0
LOOK_SECONDS = 0.05
MAX_LISTED = 20

Row = Annotated[int, Meta(ge=0, le=2**53)]
Label = str | bool | int | float | None


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """The truth of one row: of an answer that had an X-Prediction-Id, or of a task.

    `prediction_id` may end with the row, as in ID/3. `label` is a class, a number, or null for none
    of the classes.
    """

    label: Label
    prediction_id: str | UnsetType = UNSET
    task_id: str | UnsetType = UNSET
    row: Row | UnsetType = UNSET


class Predicted(NamedTuple):
    """What was predicted for one row: its id and row, its label, and the model's version."""

    id: str
    row: int
    label: Any
    version: str
    owner: str = ""


class Untold(Exception):
    """The truth cannot be taken as it was told; `name` is the member that is wrong."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(expected)
        self.name = name
        self.expected = expected


class Unknown(Exception):
    """No prediction has this id here."""


class Old(Exception):
    """The prediction is not kept any more."""


def find(choice: Choice, ttl: float) -> Prediction:
    """The prediction that a choice is about.

    Waits for a process that has not written it down yet. Raises Untold where the id or the row is
    wrong, Old, Unknown.
    """
    prediction_id, row = place_of(choice)
    store = recorder.store
    if found := store.prediction(prediction_id, row):
        return found
    made = time_of(prediction_id)
    recorder.fold()
    while True:
        if found := store.prediction(prediction_id, row):
            return found
        if not abs(time.time() - made) < RECENT_SECONDS:
            break
        time.sleep(LOOK_SECONDS)
    if made < time.time() - ttl:
        raise Old
    if rows := store.rows_of(prediction_id):
        raise Untold("row", f"expected a row of this answer, from 0 to {rows - 1}")
    raise Unknown


def place_of(choice: Choice) -> tuple[str, int]:
    """The id of the prediction, and its row. Raises Untold."""
    given = choice.prediction_id
    found = ID.fullmatch(given.strip().lower()) if isinstance(given, str) else None
    if found is None:
        raise Untold(
            "prediction_id",
            "expected the X-Prediction-Id of an answer, 32 hexadecimal digits, and /3 behind them "
            "for its row 3",
        )
    if found[2] is not None and choice.row not in (UNSET, int(found[2])):
        raise Untold("row", f"expected no row, or {int(found[2])} as in the id")
    row = int(found[2]) if found[2] is not None else choice.row
    return found[1], 0 if isinstance(row, UnsetType) else row


def selection_of(choice: Choice, predicted: Predicted, model: Model, owner: str) -> Selection:
    """The selection that a choice makes. Raises Untold if its label is none of the model's."""
    label = label_of(choice.label, predicted, model.classes)
    is_number = model.classes is None and isinstance(predicted.label, float)
    return Selection(
        id=predicted.id,
        row=predicted.row,
        at=time.time(),
        label=label,
        owner=owner,
        predicted=predicted.label,
        version=predicted.version,
        is_number=is_number,
    )


def check_label(choice: Choice, model: Model) -> None:
    """Raise Untold if the label is none of the classes, where the model has classes."""
    if choice.label is not None and model.classes:
        label_of(choice.label, Predicted("", 0, model.classes[0], ""), model.classes)


def label_of(given: Label, predicted: Predicted, classes: list[Any] | None) -> Any:
    """The label in the type that the model has it in. Raises Untold."""
    if given is None:
        return None
    if classes is None:
        return _value(given, predicted.label)
    for label in (*classes, predicted.label):
        if _is_same(given, label):
            return label
    listed = ", ".join(str(label) for label in classes[:MAX_LISTED])
    more = f" and {len(classes) - MAX_LISTED} more" if len(classes) > MAX_LISTED else ""
    raise Untold("label", f"expected one of {listed}{more}, or null for none of them")


def _is_same(given: Label, label: Any) -> bool:
    if isinstance(given, bool) or isinstance(label, bool):
        return given is label
    return bool(given == label)


def _value(given: Label, predicted: Any) -> Any:
    """A value of a model without classes, in the type of its predictions."""
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if isinstance(predicted, float):
        if not number or not math.isfinite(float(given or 0)):
            raise Untold("label", "expected the true number, or null")
        return float(given or 0)
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if type(given) is not type(predicted):
        kind = {int: "a whole number", bool: "true or false"}.get(type(predicted), "a text")
        raise Untold("label", f"expected {kind}, or null")
    return given


def read_label(text: str, model: Model) -> Label:
    """The label that a cell of a CSV names; the text where it names none."""
    readings: list[Callable[[str], Any]] = [int, float]
    for label in model.classes or ():
        if str(label) == text or (isinstance(label, bool) and str(label).lower() == text.lower()):
            return label  # type: ignore[no-any-return]
    if text == "null":
        return None
    for reading in readings:
        try:
            return reading(text)  # type: ignore[no-any-return]
        except ValueError:
            continue
    return text
