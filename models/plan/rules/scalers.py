"""Scalers and transformers of single columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.preprocessing._data import BOUNDS_THRESHOLD

from ..builder import ZERO_OR_ONE, Builder, Table, rule
from ..errors import NotCompiled


@rule(StandardScaler)
def standard_scaler(builder: Builder, estimator: StandardScaler, table: Table) -> Table:
    """(x - mean) / scale."""
    middle = estimator.mean_ if estimator.with_mean else None
    scale = estimator.scale_ if estimator.with_std else None
    return _scaled(builder, table, middle, scale)


@rule(RobustScaler)
def robust_scaler(builder: Builder, estimator: RobustScaler, table: Table) -> Table:
    """(x - center) / scale."""
    middle = estimator.center_ if estimator.with_centering else None
    scale = estimator.scale_ if estimator.with_scaling else None
    return _scaled(builder, table, middle, scale)


@rule(MinMaxScaler)
def min_max_scaler(builder: Builder, estimator: MinMaxScaler, table: Table) -> Table:
    """Multiplied by the scale, and the minimum added."""
    value = builder.do("multiply", builder.checked(table, missing=True), y=estimator.scale_)
    value = builder.do("add", value, y=estimator.min_)
    if estimator.clip:
        low, high = map(float, estimator.feature_range)
        value = builder.do("clip", value, low=low, high=high)
    return builder.columns(value, len(table))


@rule(MaxAbsScaler)
def max_abs_scaler(builder: Builder, estimator: MaxAbsScaler, table: Table) -> Table:
    """Divided by the scale."""
    value = builder.do("divide", builder.checked(table, missing=True), y=estimator.scale_)
    if estimator.clip:
        value = builder.do("clip", value, low=-1.0, high=1.0)
    return builder.columns(value, len(table))


@rule(Normalizer)
def normalizer(builder: Builder, estimator: Normalizer, table: Table) -> Table:
    """Each row divided by its norm."""
    value = builder.do("normalize", builder.checked(table), norm=estimator.norm)
    return builder.columns(value, len(table))


@rule(Binarizer)
def binarizer(builder: Builder, estimator: Binarizer, table: Table) -> Table:
    """1 where a number is above the threshold, else 0."""
    threshold = float(estimator.threshold)
    value = builder.do(
        "choose_above", builder.checked(table), labels=ZERO_OR_ONE, threshold=threshold
    )
    return builder.columns(value, len(table))


@rule(PowerTransformer)
def power_transformer(builder: Builder, estimator: PowerTransformer, table: Table) -> Table:
    """A power for each column, then perhaps a StandardScaler."""
    powers = estimator.lambdas_
    value = builder.checked(table, missing=True)
    if estimator.method == "box-cox":
        # As scipy does it, a power so near to zero is a logarithm.
        value = builder.do("box_cox", value, powers=np.where(np.abs(powers) < 1e-19, 0.0, powers))
    else:
        least = np.finfo(np.float64).eps
        value = builder.do(
            "yeo_johnson",
            value,
            above=np.where(np.abs(powers) < least, 0.0, powers),
            below=np.where(np.abs(powers - 2) > least, 2 - powers, 0.0),
        )
    made = builder.columns(value, len(table))
    return builder.transform(estimator._scaler, made) if estimator.standardize else made  # noqa: SLF001


@rule(QuantileTransformer)
def quantile_transformer(builder: Builder, estimator: QuantileTransformer, table: Table) -> Table:
    """The place of a number among the quantiles, as a probability or a normal deviate."""
    if estimator.n_quantiles_ < 2:
        raise NotCompiled("a QuantileTransformer with one quantile")
    settings: dict[str, Any] = {
        "quantiles": np.ascontiguousarray(estimator.quantiles_.T),
        "references": estimator.references_,
    }
    if estimator.output_distribution == "normal":
        settings["margin"] = BOUNDS_THRESHOLD
    value = builder.do("quantile", builder.checked(table, missing=True), **settings)
    if estimator.output_distribution == "normal":
        least = BOUNDS_THRESHOLD - np.spacing(1)
        low, high = stats.norm.ppf(least), stats.norm.ppf(1 - least)
        value = builder.do("normal_quantile", value, low=float(low), high=float(high))
    return builder.columns(value, len(table))


def _scaled(
    builder: Builder, table: Table, middle: np.ndarray | None, scale: np.ndarray | None
) -> Table:
    """(x - middle) / scale, as far as these are given."""
    value = builder.checked(table, missing=True)
    if middle is not None:
        value = builder.do("subtract", value, y=middle)
    if scale is not None:
        value = builder.do("divide", value, y=scale)
    return builder.columns(value, len(table))
