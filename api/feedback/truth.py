"""The truth of predictions as somebody tells it, checked against what was predicted."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.feedback.facts import Prediction, Selection, as_known, is_number, time_of
from api.feedback.recorder import recorder
from models.model import Model

if TYPE_CHECKING:
    from api.http.route import Site

ID = re.compile(r"([0-9a-f]{32})(?:/([0-9]{1,9}))?")
# Another process may write a prediction down so long after its answer.
RECENT_SECONDS = 2.0
LOOK_SECONDS = 0.05
MAX_LISTED = 20
NO_TRUTH = "expected the truth, or null for none of the classes; leave out rows without it"
# The squares of larger errors could not be summed.
MAX_NUMBER = 1e140
NUMBER = re.compile(r"[-+]?(\d{1,200}\.?\d*|\.\d+)([eE][-+]?\d{1,4})?")
DECIMAL_COMMA = re.compile(r"^([-+]?\d*),(\d+([eE][-+]?\d+)?)$")
THOUSANDS = re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d*)?")

Row = Annotated[int, Meta(ge=0, le=2**53)]
Label = str | bool | int | float | None
# The classes of a version of the model; None where it has none.
Classes = Callable[[str], list[Any] | None]


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


def selection_of(
    choice: Choice, predicted: Predicted, classes: list[Any] | None, owner: str
) -> Selection:
    """The selection that a choice makes; `classes` are those of the version that predicted.

    Raises Untold if its label is none of these.
    """
    label = label_of(choice.label, predicted, classes)
    return Selection(
        id=predicted.id,
        row=predicted.row,
        at=time.time(),
        label=_as_class(label, classes),
        owner=owner,
        predicted=_as_class(predicted.label, classes),
        version=predicted.version,
        # Of a prediction that another instance has made, nothing is known yet.
        is_number=classes is None and is_number(predicted.label),
    )


def classes_of(site: Site, version: str) -> list[Any] | None:
    """The classes of a version: whoever tells the truth late tells that of an old one.

    They are those of the version that serves where the version or its card is not kept.
    """
    model = site.service.model
    if site.swap is not None and version not in ("", model.version):
        for kept in site.swap.store.versions():
            if kept.version == version and "classes" in kept.card:
                return kept.card["classes"] or None
    return model.classes


def _as_class(label: Any, classes: list[Any] | None) -> Any:
    """The class that equals a label: code of somebody's own may answer 1.0 or True for the class 1.

    As in scikit-learn's metrics, such answers are correct.
    """
    return as_known(label, classes or ())


def check_label(choice: Choice, model: Model) -> None:
    """Raise Untold if the label is none of the classes, where the model has classes."""
    if choice.label is not None and model.classes:
        label_of(choice.label, Predicted("", 0, model.classes[0], ""), model.classes)


def label_of(given: Label, predicted: Predicted, classes: list[Any] | None) -> Any:
    """The label in the type that the model has it in. Raises Untold."""
    if given is None:
        return None
    if given != given:  # noqa: PLR0124  (NaN)
        raise Untold("label", NO_TRUTH)
    if classes is None:
        return _value(given, predicted.label)
    labels = [*classes, predicted.label]
    for is_same in (_is_equal, _reads_equal):
        for label in labels:
            if is_same(given, label):
                return label
    listed = ", ".join(msgspec.json.encode(label).decode() for label in classes[:MAX_LISTED])
    more = f" and {len(classes) - MAX_LISTED} more" if len(classes) > MAX_LISTED else ""
    raise Untold("label", f"expected one of {listed}{more}, or null for none of them")


def _is_equal(given: Label, label: Any) -> bool:
    if isinstance(given, bool) or isinstance(label, bool):
        return given is label
    return bool(given == label)


def _reads_equal(given: Label, label: Any) -> bool:
    """Whether two texts look the same to a reader, as names of features do."""
    if not (isinstance(given, str) and isinstance(label, str)):
        return False
    return unicodedata.normalize("NFC", given.strip()) == unicodedata.normalize(
        "NFC", label.strip()
    )


def _value(given: Label, predicted: Any) -> Any:
    """A value of a model without classes, in the type of its predictions."""
    if is_number(predicted):
        # Not with `float`: an integer may be too large for one.
        is_told = isinstance(given, (int, float)) and not isinstance(given, bool)
        if not is_told or not abs(given) < MAX_NUMBER:  # type: ignore[arg-type]
            raise Untold("label", f"expected the true number, below {MAX_NUMBER:g}, or null")
        return float(given)  # type: ignore[arg-type]
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if type(given) is not type(predicted):
        kind = {int: "a whole number", bool: "true or false"}.get(type(predicted), "a text")
        raise Untold("label", f"expected {kind}, or null")
    return given


def read_label(text: str, model: Model, *, commas: bool) -> Label:
    """The label that a cell of a CSV names; the text where it names none.

    With `commas` numbers may have a decimal comma. Raises Untold where a number is not clear.
    """
    stripped = text.strip()
    for label in model.classes or ():
        if str(label) in (text, stripped):
            return label  # type: ignore[no-any-return]
        if isinstance(label, bool) and str(label).lower() == stripped.lower():
            return label
    if stripped == "null":
        return None
    if commas:
        if THOUSANDS.fullmatch(stripped):
            raise Untold(
                "label",
                "expected a number without a point that could separate thousands, as 450000 or 0,5",
            )
        stripped = DECIMAL_COMMA.sub(r"\1.\2", stripped)
    if not NUMBER.fullmatch(stripped):
        return text
    return int(stripped) if stripped.lstrip("+-").isdigit() else float(stripped)
