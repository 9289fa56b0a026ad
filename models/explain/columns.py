"""The features from which the columns behind a pipeline's transformers come.

Only transformers that are known to work column by column are followed. They are thread-safe, since
`transform` does not change them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import joblib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)

from models.engines import Rows
from models.engines.inputs import to_input
from models.plan.sklearn_versions import TargetEncoder, keeps_empty
from models.signature.types import Signature, is_missing


class Mixed(Exception):
    """A transformer mixes its columns, or may do so."""


class Columns:
    """The transformers ahead of a pipeline's last estimator.

    `last` is that estimator, `origins` the number of the feature from which each of its columns
    comes. Raises Mixed.
    """

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._signature = signature
        self._steps, self.last = unfold(estimator)
        origins: Sequence[int] = range(len(signature.features))
        for step in self._steps:
            origins = follow(step, origins)
        self.origins = np.asarray(origins, dtype=int)

    def of(self, rows: Rows) -> np.ndarray:
        """The columns that the last estimator gets for these rows."""
        columns = to_input(self._signature, rows)
        with joblib.parallel_config(backend="sequential"):
            for step in self._steps:
                columns = step.transform(columns)
        if hasattr(columns, "toarray"):
            columns = columns.toarray()
        return np.asarray(columns, dtype=np.float64)

    def by_feature(self, values: np.ndarray) -> np.ndarray:
        """Add up values for columns, shape (n_samples, n_columns, n_outputs), by feature."""
        shape = (len(values), len(self._signature.features), values.shape[2])
        found = np.zeros(shape)
        np.add.at(found.swapaxes(0, 1), self.origins, values.swapaxes(0, 1))
        return found


def unfold(estimator: Any) -> tuple[list[Any], Any]:
    """The transformers of a pipeline, and of one inside it, and its last estimator."""
    if hasattr(estimator, "best_estimator_"):
        return unfold(estimator.best_estimator_)
    if not isinstance(estimator, Pipeline):
        return [], estimator
    *steps, last = [step for _, step in estimator.steps]
    inner, last = unfold(last)
    return [*(step for step in steps if not _passes(step)), *inner], last


def follow(transformer: Any, given: Sequence[int]) -> list[int]:
    """The feature from which each output column of a transformer comes.

    `given` are the features of its input columns. Raises Mixed.
    """
    if _passes(transformer):
        return list(given)
    if isinstance(transformer, Pipeline):
        for _, step in transformer.steps:
            given = follow(step, given)
        return list(given)
    if isinstance(transformer, FeatureUnion):
        parts = [part for _, part in transformer.transformer_list if part != "drop"]
        return [origin for part in parts for origin in follow(part, given)]
    if isinstance(transformer, ColumnTransformer):
        positions = transformer._transformer_to_input_indices  # noqa: SLF001
        return [
            origin
            for name, part, _ in transformer.transformers_
            if part != "drop" and len(positions[name])
            for origin in follow(part, [given[i] for i in positions[name]])
        ]
    if isinstance(transformer, SelectorMixin):
        places = transformer.get_support(indices=True)
    elif type(transformer) in LEAVES:
        places = LEAVES[type(transformer)](transformer, np.arange(len(given)))
    else:
        raise Mixed(f"a {type(transformer).__name__} may mix columns")
    return [given[i] for i in places]


def _passes(step: Any) -> bool:
    """Whether a step does nothing."""
    return step is None or step == "passthrough"


def _same(_: Any, columns: np.ndarray) -> np.ndarray:
    return columns


def _function(transformer: FunctionTransformer, columns: np.ndarray) -> np.ndarray:
    function = transformer.func
    if function is not None and not (isinstance(function, np.ufunc) and function.nin == 1):
        raise Mixed("somebody's own function may mix columns")
    return columns


def _imputed(imputer: SimpleImputer, columns: np.ndarray) -> np.ndarray:
    """The columns that had a value in training, followed by missing-value indicators."""
    keep_empty = keeps_empty(imputer)
    kept = [keep_empty or not is_missing(value) for value in imputer.statistics_]
    if imputer.indicator_ is None:
        return columns[kept]
    return np.concatenate([columns[kept], columns[imputer.indicator_.features_]])


def _equally_many(transformer: Any, columns: np.ndarray) -> np.ndarray:
    return np.repeat(columns, len(transformer.get_feature_names_out()) // len(columns))


# For each transformer, the input column of each output column.
LEAVES: dict[type, Callable[[Any, np.ndarray], np.ndarray]] = {
    Binarizer: _same,
    MaxAbsScaler: _same,
    MinMaxScaler: _same,
    OrdinalEncoder: _same,
    PowerTransformer: _same,
    QuantileTransformer: _same,
    RobustScaler: _same,
    StandardScaler: _same,
    FunctionTransformer: _function,
    SimpleImputer: _imputed,
    MissingIndicator: lambda indicator, columns: columns[indicator.features_],
    OneHotEncoder: lambda encoder, columns: np.repeat(columns, encoder._n_features_outs),  # noqa: SLF001
    KBinsDiscretizer: lambda bins, columns: np.repeat(
        columns, 1 if bins.encode == "ordinal" else bins.n_bins_
    ),
    SplineTransformer: _equally_many,
    TargetEncoder: _equally_many,
}
