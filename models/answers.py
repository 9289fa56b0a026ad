"""A model's answers for its training rows, compared with known answers and with the service's."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from models import card as cards
from models.engines import slice_results
from models.engines.call import as_arrays
from models.engines.trial import TrialError, apart
from models.errors import InvalidRows, brief
from models.model import Model
from models.plan.compare import distance
from models.plan.errors import Difference
from models.rows.batch import row_pointer
from models.rows.check import check
from models.rows.words import some
from models.signature.types import Signature
from models.training_rows import DataError, columns_of, is_text, readings

log = logging.getLogger("models")

# Random rows that the model answers, and how many of these the service answers.
MAX_ROWS_ASKED = 10_000
MAX_ROWS_SERVED = 1_000
MAX_SECONDS = 600.0
# A known number equals the model's up to this relative difference.
TOLERANCE = 1e-9


class Asked(NamedTuple):
    """A fitted estimator, the method that is called, and its signature as it was read."""

    estimator: Any
    method: str
    signature: Signature

    def answer(self, rows: pd.DataFrame) -> Any:
        """The estimator's own answers for a DataFrame, as where it was fitted."""
        given: Any = rows if self.signature.named else rows.to_numpy()
        if self.signature.form == "text":
            given = rows.iloc[:, 0].tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return as_arrays(getattr(self.estimator, self.method)(given))

    def fault(self, rows: pd.DataFrame) -> Exception | None:
        """The exception that these rows raise; None if the model answers them."""
        try:
            self.answer(rows)
        except Exception as error:
            return error
        return None


def answered(asked: Asked, rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str], np.ndarray, Any]:
    """The rows in the dtypes that the model takes, the changes, places of rows, and their answers.

    The model is called in a child process. Raises DataError with the column that it rejects.
    """
    count = len(rows)
    places = np.arange(count)
    if count > MAX_ROWS_ASKED:
        places = np.sort(np.random.default_rng(0).permutation(count)[:MAX_ROWS_ASKED])
    tried = list(readings(rows, asked.signature))

    def first() -> tuple[int, Any]:
        for i, (read, _) in enumerate(tried):
            with contextlib.suppress(Exception):
                return i, asked.answer(read.iloc[places])
        return -1, refusal(asked, rows.iloc[places])

    try:
        chosen, results = apart(first, MAX_SECONDS)
    except TrialError as error:
        raise DataError(f"the model gave no answer for these rows: {error}") from None
    if chosen < 0:
        raise DataError(results)
    return *tried[chosen], places, results


def refusal(asked: Asked, rows: pd.DataFrame) -> str:
    """The row that the model rejects, its column and the reason; rows are tried one by one."""
    good, bad, reason = None, None, None
    for i in range(len(rows)):
        row = rows.iloc[[i]]
        error = asked.fault(row)
        if error is None:
            good = row
        elif bad is None:
            bad, reason = row, error
        if good is not None and bad is not None:
            break
    if bad is None or reason is None:
        return "the model answers each of these rows alone, and not together"
    said = f"the model does not answer these rows: {_sentence(reason)}"
    if good is None:
        features = asked.signature.features
        expected = {f.name for f in features if f.kind == "number" and not f.categories}
        wrong = [name for name in columns_of(rows) if is_text(rows[name]) and name in expected]
        return said + (f"; it expects numbers in {some(wrong)}, which has text" if wrong else "")
    for name in columns_of(rows):
        error = asked.fault(good.assign(**{name: bad[name].array}))
        if error is not None:
            return (
                f"the model refuses {bad[name].iloc[0]!r} in the column {name}, "
                f"row {bad.index[0] + 1}: {_sentence(error)}"
            )
    return f"{said}; row {bad.index[0] + 1} is the first"


def _sentence(error: Exception) -> str:
    """The first line of an exception's message, with the type unless it is a ValueError."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, ValueError) and text else brief(error)


def compared(answers: pd.Series[Any], results: Any) -> tuple[dict[str, Any], str]:
    """The model's answers compared with known ones, for the card and in words.

    Raises DataError if they cannot be compared.
    """
    given = np.asarray(results)
    known = answers.notna().to_numpy()
    if given.ndim != 1:
        raise DataError(
            "the model answers with several values a row: leave TARGET out, which names one column"
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


def check_served(load: Callable[[], Model], rows: pd.DataFrame, results: Any) -> None:
    """Raise DataError if the service would not answer as the model does.

    `load` gives the model with its new card.
    """
    rows = rows.iloc[:MAX_ROWS_SERVED]
    types = f"its columns are {some([f'{name}: {dtype}' for name, dtype in rows.dtypes.items()])}"
    try:
        model = load()
        samples = [dict(zip(columns_of(rows), row, strict=True)) for row in cards.values(rows)]
        batch = check(model.signature, samples, row_pointer)
        served = model.engine.run(model.default_method, batch.rows)
    except InvalidRows as error:
        place = error.places[0]
        _, row, name = place.pointer.split("/", 2)
        raise DataError(
            f"the service would refuse the row {rows.index[int(row)] + 1}, which the model takes: "
            f"{name}: {place.detail}; {types}"
        ) from None
    except Exception as error:
        log.debug("the service does not answer these rows", exc_info=True)
        raise DataError(
            f"the service would not answer these rows: {_sentence(error)}; {types}"
        ) from None
    for i in range(len(rows)):
        try:
            distance(slice_results(results, i, i + 1), slice_results(served, i, i + 1))
        except Difference as difference:
            raise DataError(
                f"the service would answer the row {rows.index[i] + 1} otherwise than the model: "
                f"{difference}; {types}"
            ) from None
