"""Scalers and functions of single columns, and targets that are transformed back."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.preprocessing._data import BOUNDS_THRESHOLD

from ..builder import ZERO_OR_ONE, Builder, Number, Outputs, Table, Value, rule
from ..errors import NotCompiled
from ..operations.scaling import UFUNCS
from ..registry import one_to_one
from .responses import answer


@rule(StandardScaler, origins=one_to_one)
def standard_scaler(builder: Builder, estimator: StandardScaler, table: Table) -> Table:
    """(x - mean) / scale."""
    middle = estimator.mean_ if estimator.with_mean else None
    scale = estimator.scale_ if estimator.with_std else None
    return _scaled(builder, table, middle, scale)


@rule(RobustScaler, origins=one_to_one)
def robust_scaler(builder: Builder, estimator: RobustScaler, table: Table) -> Table:
    """(x - center) / scale."""
    middle = estimator.center_ if estimator.with_centering else None
    scale = estimator.scale_ if estimator.with_scaling else None
    return _scaled(builder, table, middle, scale)


@rule(MinMaxScaler, origins=one_to_one)
def min_max_scaler(builder: Builder, estimator: MinMaxScaler, table: Table) -> Table:
    """Multiplied by the scale, and the minimum added."""
    value = builder.do("multiply", builder.checked(table, missing=True), y=estimator.scale_)
    value = builder.do("add", value, y=estimator.min_)
    if estimator.clip:
        low, high = map(float, estimator.feature_range)
        value = builder.do("clip", value, low=low, high=high)
    return builder.columns(value, len(table))


@rule(MaxAbsScaler, origins=one_to_one)
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


@rule(Binarizer, origins=one_to_one)
def binarizer(builder: Builder, estimator: Binarizer, table: Table) -> Table:
    """1 where a number is above the threshold, else 0."""
    threshold = float(estimator.threshold)
    value = builder.do(
        "choose_above", builder.checked(table), labels=ZERO_OR_ONE, threshold=threshold
    )
    return builder.columns(value, len(table))


@rule(PowerTransformer, origins=one_to_one)
def power_transformer(builder: Builder, estimator: PowerTransformer, table: Table) -> Table:
    """A power for each column, then perhaps a StandardScaler."""
    powers = estimator.lambdas_
    value = builder.checked(table, missing=True)
    if estimator.method == "box-cox":
        # scipy takes the logarithm for powers so near to zero.
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


@rule(QuantileTransformer, origins=one_to_one)
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
    """(x - middle) / scale, without those that are None."""
    value = builder.checked(table, missing=True)
    if middle is not None:
        value = builder.do("subtract", value, y=middle)
    if scale is not None:
        value = builder.do("divide", value, y=scale)
    return builder.columns(value, len(table))


def function_origins(transformer: FunctionTransformer, columns: np.ndarray) -> np.ndarray | None:
    """One column for each; None if a function is not one of numpy's, and may mix columns."""
    function = transformer.func
    is_elementwise = isinstance(function, np.ufunc) and function.nin == 1
    return columns if function is None or is_elementwise else None


@rule(FunctionTransformer, origins=function_origins)
def function_transformer(builder: Builder, estimator: FunctionTransformer, table: Table) -> Table:
    """A function of each number, or none."""
    if estimator.validate:
        table = builder.columns(builder.checked(table), len(table))
    if estimator.func is None:
        return table
    name = getattr(estimator.func, "__name__", "")
    if estimator.func is not getattr(np, name, None) or name not in UFUNCS:
        raise NotCompiled("a FunctionTransformer of a function that is not one of numpy's")
    if estimator.kw_args:
        raise NotCompiled("a FunctionTransformer with arguments")
    # For other dtypes numpy gives other dtypes, such as float16 for booleans.
    if not all(isinstance(column, Number) and column.dtype == "float64" for column in table):
        raise NotCompiled("a FunctionTransformer of what is no column of float64")
    return builder.columns(builder.do("ufunc", builder.numbers(table), name=name), len(table))


@rule(TransformedTargetRegressor, predicts=True)
def transformed_target(
    builder: Builder, estimator: TransformedTargetRegressor, table: Table
) -> Outputs:
    """The regressor's answer, transformed back."""
    value = answer(builder, estimator.regressor_, table, "predict")
    inverse = inverse_of(builder, estimator.transformer_, value)
    if estimator._training_dim == 2:  # noqa: SLF001
        inverse = builder.do("as_columns", inverse)
    return {"predict": inverse}


def inverse_of(builder: Builder, transformer: Any, value: Value) -> Value:
    """The inverse of a transformer, of one number a row or of several."""
    kind = type(transformer)
    if kind is FunctionTransformer:
        if transformer.validate:
            value = builder.do("require_finite", value)
        return inverse_function(builder, transformer, value)
    value = builder.do("require_no_inf", value)
    match transformer:
        case StandardScaler() if kind is StandardScaler:
            mean = transformer.mean_ if transformer.with_mean else None
            return unscaled(builder, value, transformer.scale_, mean)
        case RobustScaler() if kind is RobustScaler:
            scale = transformer.scale_ if transformer.with_scaling else None
            center = transformer.center_ if transformer.with_centering else None
            return unscaled(builder, value, scale, center)
        case MaxAbsScaler() if kind is MaxAbsScaler:
            return unscaled(builder, value, transformer.scale_, None)
        case MinMaxScaler() if kind is MinMaxScaler:
            shifted = builder.do("subtract", value, y=transformer.min_)
            return builder.do("divide", shifted, y=transformer.scale_)
        case PowerTransformer() if kind is PowerTransformer:
            return inverse_power(builder, transformer, value)
        case QuantileTransformer() if kind is QuantileTransformer:
            return inverse_quantiles(builder, transformer, value)
    raise NotCompiled(f"there is no rule for inverse_transform of {kind.__name__}")


def inverse_function(builder: Builder, transformer: FunctionTransformer, value: Value) -> Value:
    """The inverse function, if it is one of numpy's."""
    function = transformer.inverse_func
    if function is None:
        return value
    name = getattr(function, "__name__", "")
    if getattr(np, name, None) is not function or name not in UFUNCS or transformer.inv_kw_args:
        raise NotCompiled("a target with a function of its own")
    return builder.do("ufunc", value, name=name)


def unscaled(
    builder: Builder, value: Value, scale: np.ndarray | None, center: np.ndarray | None
) -> Value:
    """Times the scale, plus the center."""
    if scale is not None:
        value = builder.do("multiply", value, y=scale)
    if center is not None:
        value = builder.do("add", value, y=center)
    return value


def inverse_power(builder: Builder, transformer: PowerTransformer, value: Value) -> Value:
    """The inverse of the Box-Cox or the Yeo-Johnson transformation."""
    if len(transformer.lambdas_) > 1:
        raise NotCompiled("a PowerTransformer of several targets")
    if transformer.standardize:
        scaler = transformer._scaler  # noqa: SLF001
        value = unscaled(builder, value, scaler.scale_, scaler.mean_)
    names = {"box-cox": "inverse_box_cox", "yeo-johnson": "inverse_yeo_johnson"}
    return builder.do(names[transformer.method], value, power=float(transformer.lambdas_[0]))


def inverse_quantiles(builder: Builder, transformer: QuantileTransformer, value: Value) -> Value:
    """The training quantile of each number between 0 and 1."""
    if transformer.output_distribution != "uniform" or transformer.quantiles_.shape[1] > 1:
        raise NotCompiled("a QuantileTransformer of several targets, or to a normal distribution")
    return builder.do(
        "interpolate",
        value,
        thresholds=transformer.references_,
        values=transformer.quantiles_[:, 0].copy(),
        ends="clip",
    )
