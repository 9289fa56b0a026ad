"""Write a model's card from its training rows: `python -m models.describe MODEL train.csv`.

`make card` runs this. The card `latest.json` holds the type of each column, statistics, an example
and a background. It is written only if the model answers the rows, and the service answers them as
the model does.
"""

from __future__ import annotations

# Before numpy: it has libraries start no threads of their own, which would not outlive a fork.
import api  # noqa: F401  # isort: skip

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from api.formats import Reader
from api.settings import Settings, SettingsError
from models import card as cards
from models import fitted
from models.engines import part
from models.engines.choose import plan_path
from models.engines.scikit_learn import ScikitLearnEngine, as_arrays
from models.engines.trial import TrialError, apart
from models.errors import InvalidRows, ModelError, brief
from models.model import Model
from models.plan.verify import Difference, distance
from models.rows.check import some
from models.signature.read import read as read_signature
from models.signature.types import Signature
from models.training_rows import (
    MAX_ROWS,
    DataError,
    columns_of,
    find,
    is_text,
    read,
    readings,
)

log = logging.getLogger("api")

# The model answers at most so many rows, drawn at random; the service the first of these.
MAX_ROWS_ASKED = 10_000
MAX_ROWS_SERVED = 1_000
MAX_SECONDS = 600.0
# A known number is equal to the model's if they differ by at most this part of it.
TOLERANCE = 1e-9


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
    rows, said, places, results = answered(model, signature, training)
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
        card["answers"], score = compared(training.answers.iloc[places], results)
        if model.classes:
            card["class_shares"] = cards.shares(training.answers)
        lines.append(f"{training.target}: {score}")
    check_served(model, card, rows.iloc[places], results)
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


def answered(
    model: Model, signature: Signature, training: Training
) -> tuple[pd.DataFrame, list[str], np.ndarray, Any]:
    """The rows in the types that the model takes, what was changed, some places, and the answers.

    The model is called in a process apart. Raises DataError with the column that it refuses.
    """
    count = len(training.rows)
    places = np.arange(count)
    if count > MAX_ROWS_ASKED:
        places = np.sort(np.random.default_rng(0).permutation(count)[:MAX_ROWS_ASKED])
    tried = list(readings(training.rows, signature))

    def first() -> tuple[int, Any]:
        for i, (rows, _) in enumerate(tried):
            with contextlib.suppress(Exception):
                return i, ask(model, signature, rows.iloc[places])
        return -1, refusal(model, signature, training.rows.iloc[places])

    try:
        chosen, results = apart(first, MAX_SECONDS)
    except TrialError as error:
        raise DataError(f"the model gave no answer for these rows: {error}") from None
    if chosen < 0:
        raise DataError(results)
    return *tried[chosen], places, results


def ask(model: Model, signature: Signature, rows: pd.DataFrame) -> Any:
    """The model's own answers, as on the machine of whoever fitted it."""
    given: Any = rows if signature.named else rows.to_numpy()
    if signature.form == "text":
        given = rows.iloc[:, 0].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return as_arrays(getattr(model.estimator, model.default_method)(given))


def refusal(model: Model, signature: Signature, rows: pd.DataFrame) -> str:
    """Which row the model refuses, in which column, and why: rows are tried one by one."""

    def why(row: pd.DataFrame) -> Exception | None:
        try:
            ask(model, signature, row)
        except Exception as error:
            return error
        return None

    good, bad, reason = None, None, None
    for i in range(len(rows)):
        row = rows.iloc[[i]]
        error = why(row)
        if error is None:
            good = row
        elif bad is None:
            bad, reason = row, error
        if good is not None and bad is not None:
            break
    said = f"the model does not answer these rows: {_sentence(reason)}" if reason else ""
    if bad is None:
        return "the model answers each of these rows alone, and not together"
    if good is None:
        texts = [name for name in columns_of(rows) if is_text(rows[name])]
        expected = {f.name for f in signature.features if f.kind == "number" and not f.categories}
        wrong = [name for name in texts if name in expected]
        return said + (f"; it expects numbers in {some(wrong)}, which has text" if wrong else "")
    for name in columns_of(rows):
        error = why(good.assign(**{name: bad[name].array}))
        if error is not None:
            value = bad[name].iloc[0]
            return (
                f"the model refuses {value!r} in the column {name}, row {bad.index[0] + 1}: "
                f"{_sentence(error)}"
            )
    return f"{said}; row {bad.index[0] + 1} is the first"


def _sentence(error: Exception) -> str:
    """The first line of an exception's message, with its type where that is all it says."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, ValueError) and text else brief(error)


def compared(answers: pd.Series[Any], results: Any) -> tuple[dict[str, Any], str]:
    """How the model's answers compare with known ones, for the card and in words.

    Raises DataError where they cannot be compared.
    """
    given = np.asarray(results)
    known = answers.notna().to_numpy()
    if given.ndim != 1:
        raise DataError(
            "the model answers with several values a row: leave ANSWER out, which names one column"
        )
    if not known.any():
        raise DataError(f"the column {answers.name} has no known answer")
    given, expected = given[known], answers[known].to_numpy()
    facts: dict[str, Any] = {"rows": len(given)}
    if given.dtype.kind == "f" and pd.api.types.is_numeric_dtype(answers):
        expected = expected.astype(np.float64)
        same = np.isclose(given, expected, rtol=TOLERANCE, atol=0)
        if len(given) > 1:
            facts["r2"] = float(r2_score(expected, given))
        score = f"R² {facts['r2']:.4f}, " if "r2" in facts else ""
    else:
        same = given.astype(object) == expected.astype(object)
        facts["accuracy"] = float(same.mean())
        score = f"accuracy {facts['accuracy']:.4f}, "
    facts["equal"] = int(same.sum())
    every = "all of" if facts["equal"] == len(given) else f"{facts['equal']:,} of"
    return facts, f"{score}{every} {len(given):,} known answers are equal to the model's"


def check_served(model: Model, card: dict[str, Any], rows: pd.DataFrame, results: Any) -> None:
    """Raise DataError where the service, with this card, would not answer as the model does."""
    rows = rows.iloc[:MAX_ROWS_SERVED]
    types = f"its columns are {some([f'{name}: {dtype}' for name, dtype in rows.dtypes.items()])}"
    try:
        signature = read_signature(model.estimator, card["features"])
        engine = ScikitLearnEngine(msgspec.structs.replace(model, signature=signature, card=card))
        samples = [dict(zip(columns_of(rows), row, strict=True)) for row in cards.values(rows)]
        body = msgspec.json.encode(samples)
        batch = Reader(engine.signature, MAX_ROWS_SERVED, len(body)).read(body)
        served = engine.run(model.default_method, batch.rows)
    except InvalidRows as error:
        place = error.places[0]
        row = place.pointer.split("/")[1]
        raise DataError(
            f"the service would refuse the row {rows.index[int(row)] + 1}, which the model takes: "
            f"{place.pointer.split('/', 2)[-1]}: {place.detail}; {types}"
        ) from None
    except Exception as error:
        log.debug("the service does not answer these rows", exc_info=True)
        raise DataError(
            f"the service would not answer these rows: {_sentence(error)}; {types}"
        ) from None
    for i in range(len(rows)):
        try:
            distance(part(results, i, i + 1), part(served, i, i + 1))
        except Difference as difference:
            raise DataError(
                f"the service would answer the row {rows.index[i] + 1} otherwise than the model: "
                f"{difference}; {types}"
            ) from None


def main() -> None:
    """Write the card, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_path", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--answer", default="", help="the column of the known answers")
    parser.add_argument("--background", default=str(cards.BACKGROUND), help="rows for explanations")
    given = parser.parse_args()
    if not given.background.isdecimal():
        sys.exit(f"error: BACKGROUND={given.background}: expected a number of rows, as 50, or 0")
    try:
        sha256 = Settings.from_env(os.environ).model_sha256
        background = int(given.background)
        print(describe(given.model_path, given.data, given.answer, background, sha256))
    except (ModelError, DataError, SettingsError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename} cannot be written ({error.strerror})")


if __name__ == "__main__":
    main()
