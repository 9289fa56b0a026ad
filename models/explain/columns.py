"""The features from which the columns behind a pipeline's transformers come.

Only transformers whose rule says so are followed, since they work column by column. They are
thread-safe: `transform` does not change them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import FeatureUnion, Pipeline

from models.engines import Rows
from models.engines.inputs import to_input
from models.plan import rules  # noqa: F401  (they say where columns come from)
from models.plan.registry import ORIGINS
from models.signature.types import Signature


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
    elif own := ORIGINS.get(type(transformer)):
        places = own(transformer, np.arange(len(given)))
    else:
        places = None
    if places is None:
        raise Mixed(f"a {type(transformer).__name__} may mix columns")
    return [given[i] for i in places]


def _passes(step: Any) -> bool:
    """Whether a step does nothing."""
    return step is None or step == "passthrough"
