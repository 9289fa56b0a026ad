"""Make a model's card of its training rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from models import answers, fitted
from models import card as cards
from models.engines.choose import plan_path
from models.model import Model
from models.rows.words import some
from models.signature.read import read as read_signature
from models.signature.types import Signature
from models.training_rows import MAX_ROWS, DataError, columns_of, find, read


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """The training rows of a model: their features by name, and what else the file has.

    `answers` are the known answers, from the column `target`, or None; `others` are the columns
    that the model does not take.
    """

    rows: pd.DataFrame
    target: str
    answers: pd.Series[Any] | None
    others: list[str]


def describe(
    path: Path,
    data: Path,
    answer: str = "",
    background: int = cards.BACKGROUND,
    sha256: str = "",
) -> str:
    """Write the card of the model at `path` from the rows of the file `data`; say what was found.

    `answer` is the column of known answers, `background` how many rows go into the card, `sha256`
    what the file must have, if it is given. Raises ModelError if the model cannot be loaded,
    DataError if it does not answer the rows as they are or the service would answer otherwise:
    then nothing is written.
    """
    frame = read(data)
    if answer and answer not in frame:
        raise DataError(f"{data} has no column {answer}; it has {some(columns_of(frame))}")
    names = [name for name in columns_of(frame) if name != answer]
    model = fitted.load(path, sha256, names)
    signature = read_signature(model.estimator, list(model.card.get("features") or names))
    training = take(data, frame, model, signature, answer)
    rows, said, places, results = answers.answered(model, signature, training.rows)
    card = {
        "sha256": model.version,
        "estimator": model.kind,
        "classes": model.classes,
        **model.card,
    }
    # The values of unused columns stay out of the card, but its rows need their places.
    unused = [f.name for f in signature.features if f.kind == "unused" and f.name in rows]
    used = rows.assign(**dict.fromkeys(unused))
    card |= cards.of_rows(used, background)
    card["features"] |= {name: {"dtype": str(rows[name].dtype)} for name in unused}
    first = "The first " if len(rows) == MAX_ROWS else ""
    columns = [name for name in columns_of(rows) if name not in unused]
    lines = [f"{first}{len(rows):,} rows of {data} describe the columns {some(columns)}"]
    if said:
        lines.append(f"Taken {', '.join(said)}: the model refuses them as they were read")
    if others := [*unused, *training.others]:
        lines.append(f"Passed over, since the model does not take them: {some(others)}")
    if training.answers is not None:
        card["target"] = training.target
        card["answers"], score = answers.compared(training.answers.iloc[places], results)
        if model.classes:
            card["class_shares"] = cards.shares(training.answers)
        lines.append(f"{training.target}: {score}")
    answers.check_served(model, card, rows.iloc[places], results)
    place = cards.save(path, card)
    # A plan that is there already has the signature of the card before.
    plan_path(path).unlink(missing_ok=True)
    held = (
        f"{min(background, len(rows))} of its rows and an example"
        if background
        else "none of its rows"
    )
    lines.append(f"{place} is written. It holds {held}, and goes into the image")
    return "\n".join(lines)


def take(
    data: Path, frame: pd.DataFrame, model: Model, signature: Signature, answer: str
) -> Training:
    """The columns of a file that the model takes, under the features' names, and the rest.

    Raises DataError.
    """
    columns = find(data, frame, signature, answer)
    texts = [
        columns[feature.name]
        for feature in signature.features
        if feature.name in columns and (feature.kind == "string" or _all_text(feature.categories))
    ]
    if answer and _all_text(model.classes):
        texts.append(answer)
    if texts:
        frame = read(data, list(columns.values()), texts)
    rows = frame[list(columns.values())].set_axis(list(columns), axis=1)
    others = [name for name in columns_of(frame) if name not in {*columns.values(), answer}]
    target = answer or _target(frame, others, model)
    return Training(
        rows=rows,
        target=target,
        answers=frame[target] if target else None,
        others=[name for name in others if name != target],
    )


def _all_text(labels: Sequence[Any] | None) -> bool:
    return bool(labels) and all(isinstance(label, str) for label in labels or ())


def _target(frame: pd.DataFrame, others: Sequence[str], model: Model) -> str:
    """The only column left over that has nothing but the model's classes, or else nothing."""
    labels = {str(label) for label in model.classes or ()}
    values = {name: set(frame[name].dropna().map(cards.text)) for name in others}
    fit = [name for name, known in values.items() if known and known <= labels]
    return fit[0] if len(fit) == 1 else ""
