"""Run a model with scikit-learn itself."""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import joblib
import msgspec
import numpy as np

from api.engines import Engine, Rows, Single, part
from api.engines.trial import TrialError, apart
from api.model import Model, ModelError
from api.signature import Feature, Signature, plain_rows

# Up to this many features it is tried for each one whether it may be missing.
TRIED_FEATURES = 256
# On so many rows it is tried whether they may go into one call: each costs the start a call.
TRIED_ROWS = 3
# What takes longer to try stays unknown.
TRIAL_SECONDS = 60.0

log = logging.getLogger("api")

# Arrays are faster than DataFrames, and as good where no step looks a column up by its name.
warnings.filterwarnings("ignore", message="X does not have valid feature names")


class NoPandas:
    """Says at once, on `sys.meta_path`, that there is no pandas.

    scikit-learn 1.9 tries to import it in every call of an imputer. Where it is not installed,
    Python looks through the whole path each time, which takes a third of a call of a linear model.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG004
        """Find no module; fail for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not installed", name=name)


class ScikitLearnEngine:
    """Runs the estimator's own methods; see `Engine`.

    What only a try can tell is tried in a process apart, or is taken from `known`, the engine that
    leaves methods to this one. Raises ModelError if the rows must be a DataFrame and there is no
    pandas.
    """

    # Nothing says that an estimator may run in two threads at once.
    immediate = ()
    singles: Mapping[str, Single] = MappingProxyType({})
    refusals = (ValueError, TypeError, OverflowError, LookupError)

    def __init__(self, model: Model, known: Engine | None = None) -> None:
        self._estimator = model.estimator
        self._methods = model.methods
        self.signature = model.signature if known is None else known.signature
        self.mergeable = known is not None and known.mergeable
        self._has_pandas = NoPandas not in sys.meta_path and bool(
            importlib.util.find_spec("pandas")
        )
        if not self._has_pandas:
            if self.signature.frame:
                raise ModelError(
                    f"{model.path} looks its columns up in a DataFrame, and pandas is not "
                    "installed: add it to models/requirements.txt and run make again"
                )
            sys.meta_path[:] = [NoPandas, *(f for f in sys.meta_path if f is not NoPandas)]
        if known is None:
            try:
                self.signature, self.mergeable = apart(self._try, TRIAL_SECONDS)
            except TrialError as error:
                log.warning(
                    "the model could not be tried on rows that were made up (%s): a missing value "
                    "is refused, and each request is a call of its own",
                    error,
                )

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method on rows that fit the signature.

        A ValueError or TypeError of the estimator says that it refuses the rows' values.
        """
        # A forest fitted with n_jobs=-1 takes five times as long to start threads for one row
        # as to walk its trees, and every process of the server would start them.
        with joblib.parallel_config(backend="sequential"):
            result = getattr(self._estimator, method)(to_input(self.signature, rows))
        if hasattr(result, "to_numpy"):
            return result.to_numpy()
        # Several outputs are a list of arrays; any other list is of somebody's own estimator.
        if isinstance(result, list) and not hasattr(next(iter(result), None), "shape"):
            return np.asarray(result)
        return result

    def _try(self) -> tuple[Signature, bool]:
        """The signature with what the model is seen to take, and whether it may be given batches.

        It changes this engine, and calls the estimator: `apart` has it done in a child process.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.signature = self._with_missing()
            return self.signature, self._tries_alike()

    def _with_missing(self) -> Signature:
        """The signature, with `missing` true for each feature whose absence the model bears.

        It is tried, for rules differ by estimator, by its parameters and by what it was fitted on.
        """
        row = self._find_row()
        signature = self.signature
        if row is None:
            log.warning("the model takes no row that was made up: the example may be refused")
            return signature
        if signature.form != "table":
            return msgspec.structs.replace(signature, example=row)
        columns = range(len(signature.features))

        def search(columns: Sequence[int]) -> list[int]:
            trial = tuple(None if i in columns else value for i, value in enumerate(row))
            if self._bears([trial]):
                return list(columns)
            half = len(columns) // 2
            if half == 0 or len(signature.features) > TRIED_FEATURES:
                return []
            return search(columns[:half]) + search(columns[half:])

        missing = set(search(columns))
        features = tuple(
            msgspec.structs.replace(feature, missing=i in missing)
            for i, feature in enumerate(signature.features)
        )
        return msgspec.structs.replace(signature, features=features, example=row)

    def _find_row(self) -> Any:
        """A row that the model takes, in the container that it takes, or None.

        Nothing tells of a model fitted in single precision, or of somebody's own step that looks
        columns up by name, but that it refuses everything else.
        """
        given = self.signature
        for change in ({}, {"single": True}, {"frame": True}):
            if "frame" in change and not (given.named and self._has_pandas):
                continue
            self.signature = msgspec.structs.replace(given, **change)
            for row in plain_rows(self.signature):
                if self._bears([row]):
                    return row
        self.signature = given
        return None

    def _bears(self, rows: list[Any]) -> bool:
        try:
            self.run(self._methods[0], _typed(self.signature, rows))
        except Exception:
            return False
        return True

    def _tries_alike(self) -> bool:
        """Whether rows get the same results in one call as each alone, tried on a few.

        It is tried with the method that says the most: a label may hide a difference that its
        probability shows.
        """
        if any(feature.kind == "any" for feature in self.signature.features):
            return False
        rows = plain_rows(self.signature)[:TRIED_ROWS]
        if self.signature.example and any(f.missing for f in self.signature.features):
            values = zip(self.signature.features, self.signature.example, strict=True)
            rows.append(tuple(None if f.missing else value for f, value in values))
        method = "predict_proba" if "predict_proba" in self._methods else self._methods[0]
        try:
            together = self.run(method, _typed(self.signature, rows))
            return all(
                _alike(part(together, i, i + 1), self.run(method, _typed(self.signature, [row])))
                for i, row in enumerate(rows)
            )
        except Exception:
            return False


def to_input(signature: Signature, rows: Rows) -> Any:
    """Put rows into the container that the estimator was fitted on.

    Rows are an array of float64 of shape (n_samples, n_features), or a list of tuples in the
    order of the features, or of dicts where the signature's form is `mapping`.
    """
    if signature.form == "mapping":
        return rows
    if signature.form == "text":
        return [row[0] for row in rows]
    if signature.form == "labels":
        return np.array([row[0] for row in rows])
    if not signature.frame:
        array = rows if isinstance(rows, np.ndarray) else _array(signature, rows)
        return array.astype(np.float32) if signature.single else array
    import pandas as pd

    if isinstance(rows, np.ndarray):
        return pd.DataFrame(rows, columns=[f.name for f in signature.features])
    columns = zip(signature.features, zip(*rows, strict=True), strict=True)
    # As Series: a DataFrame made of arrays of objects turns None among strings into NaN.
    return pd.DataFrame(
        {
            feature.name: pd.Series(column, dtype=column.dtype)
            for feature, column in ((f, _column(f, values)) for f, values in columns)
        }
    )


def _array(signature: Signature, rows: list[Any]) -> np.ndarray:
    """Rows of mixed kinds as an array of numbers if they are, else of objects."""
    columns = [
        _column(feature, values)
        for feature, values in zip(signature.features, zip(*rows, strict=True), strict=True)
    ]
    if all(column.dtype != object for column in columns):
        return np.column_stack(columns)
    array = np.empty((len(rows), len(columns)), dtype=object)
    for i, column in enumerate(columns):
        array[:, i] = column
    return array


def _column(feature: Feature, values: Sequence[Any]) -> np.ndarray:
    """One column: numbers and booleans with their own dtype, all else as objects."""
    if feature.kind == "number" and feature.categories is None:
        return np.array(values, dtype=np.float64)
    kinds = set(map(type, values))
    if feature.kind == "any" and kinds <= {int, float}:
        # As in every other format, and as the model was most likely fitted.
        return np.array(values, dtype=np.float64)
    if feature.kind != "unused" and (kinds <= {int, float} or kinds == {bool}):
        return np.array(values)
    if None in values:
        values = [feature.null if value is None else value for value in values]
    if feature.kind == "number" and feature.null is not None:
        return np.array(values, dtype=np.float64)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _typed(signature: Signature, rows: list[Any]) -> Rows:
    return np.array(rows, dtype=np.float64) if signature.numeric else rows


def _alike(one: Any, other: Any) -> bool:
    """Whether two results are equal, numbers to the last few bits."""
    if isinstance(one, (tuple, list)):
        return all(map(_alike, one, other))
    if hasattr(one, "toarray"):
        one, other = one.toarray(), other.toarray()
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-9, atol=0, equal_nan=True))
    return bool(np.array_equal(one, other))
