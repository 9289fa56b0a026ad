"""Make a model's card from its training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from models import answers, fitted
from models import card as cards
from models.files import plan_path, read_card
from models.model import default_of
from models.rows.words import some
from models.signature.types import Signature
from models.training_rows import MAX_ROWS, DataError, columns_of, find, read
from models.unpickle import unpickle


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """The training rows of a model: features by name, known answers, and other columns.

    `answers` are the known answers, from the column `target`, or None; `others` are the columns
    that the model does not take. `frame` has all columns of the file.
    """

    frame: pd.DataFrame
    rows: pd.DataFrame
    target: str
    answers: pd.Series[Any] | None
    others: list[str]


def describe(
    path: Path,
    data: Path,
    answer: str = "",
    background: int = cards.BACKGROUND_ROWS,
    sha256: str = "",
) -> str:
    """Write the card of the model at `path` from the rows of the file `data`, and report on it.

    `answer` is the column of known answers, `background` how many rows go into the card, `sha256`
    the hash of the model's file, if it is pinned. Raises ModelError if the model cannot be loaded,
    DataError if it does not answer the rows as they are or the service would answer otherwise:
    then nothing is written.
    """
    frame = read(data)
    if answer and answer not in frame:
        raise DataError(f"{data} has no column {answer}; it has {some(columns_of(frame))}")
    names = [name for name in columns_of(frame) if name != answer]
    estimator, version = unpickle(path, sha256)
    method = default_of(fitted.methods_of(path, estimator))
    card = read_card(path.with_suffix(".json"), version)
    signature = fitted.signature_of(path, estimator, list(card.get("features") or names))
    classes = fitted.classes_of(path, estimator)
    asked = answers.Asked(estimator, method, signature)
    training = take(data, frame, asked.signature, classes, answer)
    rows, said, places, results = answers.answered(asked, training.rows)
    known = {"sha256": version, "estimator": fitted.kind_of(estimator), "classes": classes}
    card = known | card | _facts(asked, rows, background)
    lines = _report(data, asked, training, rows, said)
    if training.answers is not None:
        found, score = answers.compared(training.answers.iloc[places], results)
        facts = cards.of_answers(training.answers, is_class=bool(classes))
        card |= {"target": training.target, "answers": found, **facts}
        lines.append(f"{training.target}: {score}")
    model = partial(fitted.model_of, path, estimator, version, card)
    answers.check_served(model, rows.iloc[places], results)
    place = cards.save(path, card)
    # A plan that is there already has the signature of the card before.
    plan_path(path).unlink(missing_ok=True)
    held = f"{min(background, len(rows))} of its rows and an example" if background else ""
    held = held or "none of its rows"
    return "\n".join([*lines, f"{place} is written. It holds {held}, and goes into the image"])


def _unused(asked: answers.Asked, rows: pd.DataFrame) -> list[str]:
    """The columns that the model takes and does not use."""
    return [f.name for f in asked.signature.features if f.kind == "unused" and f.name in rows]


def _facts(asked: answers.Asked, rows: pd.DataFrame, background: int) -> dict[str, Any]:
    """The card's part about training rows, without the values of unused columns."""
    unused = _unused(asked, rows)
    facts = cards.of_rows(rows.assign(**dict.fromkeys(unused)), background)
    facts["features"] |= {name: {"dtype": str(rows[name].dtype)} for name in unused}
    return facts


def _report(
    data: Path, asked: answers.Asked, training: Training, rows: pd.DataFrame, said: Sequence[str]
) -> list[str]:
    """Sentences on the columns and their dtypes."""
    unused = _unused(asked, rows)
    first = "The first " if len(rows) == MAX_ROWS else ""
    columns = [name for name in columns_of(rows) if name not in unused]
    lines = [f"{first}{len(rows):,} rows of {data} describe the columns {some(columns)}"]
    if said:
        lines.append(f"Taken {', '.join(said)}: the model refuses them as they were read")
    if others := [*unused, *training.others]:
        lines.append(f"Passed over, since the model does not take them: {some(others)}")
    return lines


def take(
    data: Path,
    frame: pd.DataFrame,
    signature: Signature,
    classes: Sequence[Any] | None,
    answer: str,
    columns: Mapping[str, str] | None = None,
) -> Training:
    """The columns of a file by the features' names, the known answers, and the other columns.

    `columns` are the file's columns by the features' names, where they are known. Raises DataError.
    """
    columns = columns or find(data, frame, signature, answer)
    texts = [
        columns[feature.name]
        for feature in signature.features
        if feature.name in columns and (feature.kind == "string" or _all_text(feature.categories))
    ]
    if answer and _all_text(classes):
        texts.append(answer)
    if texts:
        words = _words(signature, columns) | {answer: list(map(str, classes or ()))}
        frame = read(data, list(columns.values()), texts, words)
    return chosen(frame, columns, classes, answer)


def _words(signature: Signature, columns: Mapping[str, str]) -> dict[str, list[str]]:
    """The texts that are categories of a feature, by the file's columns."""
    return {
        columns[feature.name]: [each for each in feature.categories or () if isinstance(each, str)]
        for feature in signature.features
        if feature.name in columns
    }


def chosen(
    frame: pd.DataFrame, columns: Mapping[str, str], classes: Sequence[Any] | None, answer: str
) -> Training:
    """The training rows in a DataFrame whose `columns` are known by the features' names."""
    rows = frame[list(columns.values())].set_axis(list(columns), axis=1)
    others = [name for name in columns_of(frame) if name not in {*columns.values(), answer}]
    target = answer or _target(frame, others, classes)
    return Training(
        frame=frame,
        rows=rows,
        target=target,
        answers=frame[target] if target else None,
        others=[name for name in others if name != target],
    )


def _all_text(labels: Sequence[Any] | None) -> bool:
    return bool(labels) and all(isinstance(label, str) for label in labels or ())


def _target(frame: pd.DataFrame, others: Sequence[str], classes: Sequence[Any] | None) -> str:
    """The only other column whose values are all classes of the model; empty if there is none."""
    labels = {str(label) for label in classes or ()}
    values = {name: set(frame[name].dropna().map(cards.text)) for name in others}
    fit = [name for name, known in values.items() if known and known <= labels]
    return fit[0] if len(fit) == 1 else ""
