"""How a model answers its training rows: itself, compared with known answers, and when served."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from models import card as cards
from models.engines import part
from models.engines.scikit_learn import ScikitLearnEngine, as_arrays
from models.engines.trial import TrialError, apart
from models.errors import InvalidRows, brief
from models.model import Model
from models.plan.compare import distance
from models.plan.errors import Difference
from models.rows.batch import row_pointer
from models.rows.check import check
from models.rows.words import some
from models.signature.read import read as read_signature
from models.signature.types import Signature
from models.training_rows import DataError, columns_of, is_text, readings

log = logging.getLogger("models")

# The model answers at most so many rows, drawn at random; the service the first of these.
MAX_ROWS_ASKED = 10_000
MAX_ROWS_SERVED = 1_000
MAX_SECONDS = 600.0
# A known number is equal to the model's if they differ by at most this part of it.
TOLERANCE = 1e-9


def answered(
    model: Model, signature: Signature, training: pd.DataFrame
) -> tuple[pd.DataFrame, list[str], np.ndarray, Any]:
    """The rows in the types that the model takes, what was changed, some places, and the answers.

    The model is called in a process apart. Raises DataError with the column that it refuses.
    """
    count = len(training)
    places = np.arange(count)
    if count > MAX_ROWS_ASKED:
        places = np.sort(np.random.default_rng(0).permutation(count)[:MAX_ROWS_ASKED])
    tried = list(readings(training, signature))

    def first() -> tuple[int, Any]:
        for i, (rows, _) in enumerate(tried):
            with contextlib.suppress(Exception):
                return i, ask(model, signature, rows.iloc[places])
        return -1, refusal(model, signature, training.iloc[places])

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
        batch = check(engine.signature, samples, row_pointer)
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
