"""Imputers, and indicators of missing values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer

from .. import sklearn_versions
from ..builder import UNKNOWN, Builder, Category, Column, Number, Table, Value, rule
from ..errors import NotCompiled
from ..signature import is_missing


def imputer_origins(imputer: SimpleImputer, columns: np.ndarray) -> np.ndarray:
    """The columns that had a value in training, followed by missing-value indicators."""
    keep_empty = sklearn_versions.keeps_empty(imputer)
    kept = [keep_empty or not is_missing(value) for value in imputer.statistics_]
    if imputer.indicator_ is None:
        return columns[kept]
    return np.concatenate([columns[kept], columns[imputer.indicator_.features_]])


@rule(SimpleImputer, origins=imputer_origins)
def simple_imputer(builder: Builder, estimator: SimpleImputer, table: Table) -> Table:
    """Missing values get the statistic of their column."""
    marker = estimator.missing_values
    table = marked(builder, table, marker)
    statistics = estimator.statistics_.tolist()
    keep_empty = sklearn_versions.keeps_empty(estimator)
    kept = [i for i, each in enumerate(statistics) if keep_empty or each == each]  # noqa: PLR0124
    # scikit-learn casts to the dtype of the training data.
    own = estimator.statistics_[kept].astype(sklearn_versions.fill_dtype(estimator)).tolist()
    made = filled(builder, [table[i] for i in kept], own, marker)
    if estimator.indicator_ is not None:
        made += indicators(builder, [table[i] for i in estimator.indicator_.features_], marker)
    return tuple(made)


@rule(MissingIndicator, origins=lambda indicator, columns: columns[indicator.features_])
def missing_indicator(builder: Builder, estimator: MissingIndicator, table: Table) -> Table:
    """A column for each that had missing values in training, or for all."""
    marker = estimator.missing_values
    table = marked(builder, table, marker)
    own = estimator.features_.tolist()
    others = tuple(column for i, column in enumerate(table) if i not in own)
    strict = estimator.features == "missing-only" and estimator.error_on_new and others
    # Missing values there are refused by the signature, unless an earlier step makes them.
    if strict and not (
        is_missing(marker)
        and all(isinstance(column, Number) for column in others)
        and builder.checked(others) == builder.numbers(others)
    ):
        raise NotCompiled("a MissingIndicator that refuses new missing values")
    return tuple(indicators(builder, [table[i] for i in own], marker))


def marked(builder: Builder, table: Table, marker: Any) -> Table:
    """The columns, with validated numbers. Raises NotCompiled for texts."""
    made: list[Column] = []
    for column in validated(builder, table, missing=is_missing(marker)):
        if isinstance(column, Number):
            if isinstance(marker, str) or marker is None:
                raise NotCompiled("missing values of numbers that are no numbers")
            made.append(column)
        elif isinstance(column, Category):
            made.append(column)
        else:
            raise NotCompiled("an imputer of texts without categories")
    return tuple(made)


def validated(builder: Builder, table: Table, *, missing: bool) -> Table:
    """The columns; infinite numbers are refused, and missing ones unless they may be `missing`."""
    if builder.is_sparse(table):
        return table
    return tuple(
        of_numbers(builder, table, lambda numbers: builder.checked(numbers, missing=missing))
    )


def of_numbers(
    builder: Builder,
    table: Sequence[Column],
    work: Callable[[Table], Value],
    dtype: str = "float64",
) -> list[Column]:
    """The columns, with the numbers among them replaced by the result of `work` for all of them."""
    numbers = tuple(column for column in table if isinstance(column, Number))
    if not numbers:
        return list(table)
    made = iter(builder.columns(work(numbers), len(numbers), dtype=dtype))
    return [next(made) if isinstance(column, Number) else column for column in table]


def filled(
    builder: Builder, table: Sequence[Column], statistics: Sequence[Any], marker: Any
) -> list[Column]:
    """The columns with a statistic in place of each missing value."""
    of_number = [s for s, c in zip(statistics, table, strict=True) if isinstance(c, Number)]
    if any(isinstance(statistic, str) for statistic in of_number):
        raise NotCompiled("text in place of missing numbers")

    def fill(numbers: Table) -> Value:
        values = np.array(of_number, dtype=np.float64)
        if is_missing(marker):
            return builder.do("fill", builder.numbers(numbers), values=values)
        return builder.do("replace", builder.numbers(numbers), value=float(marker), values=values)

    made = of_numbers(builder, table, fill)
    for i, column in enumerate(table):
        if isinstance(column, Category):
            meanings = [statistics[i] if is_marker(m, marker) else m for m in column.meanings]
            made[i] = Category(column.value, tuple(meanings))
    return made


def indicators(builder: Builder, table: Sequence[Column], marker: Any) -> list[Column]:
    """A column of booleans for each, true where a value is missing."""

    def mark(numbers: Table) -> Value:
        if is_missing(marker):
            return builder.do("isnan", builder.numbers(numbers))
        return builder.do("equal", builder.numbers(numbers), value=float(marker))

    return [
        Category(column.value, tuple(is_marker(meaning, marker) for meaning in column.meanings))
        if isinstance(column, Category)
        else column
        for column in of_numbers(builder, table, mark, dtype="bool")
    ]


def is_marker(meaning: Any, marker: Any) -> bool:
    """Whether this is the marker of missing values; None is not NaN."""
    if meaning is UNKNOWN:
        return False
    if is_missing(marker) and marker is not None:
        return bool(meaning != meaning)  # noqa: PLR0124
    return bool(meaning == marker) if marker is not None else meaning is None
