"""Regressors of a transformed target: what they say is transformed back."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from ..operations.scaling import UFUNCS
from .responses import answer


@rule(TransformedTargetRegressor, predicts=True)
def transformed_target(
    builder: Builder, estimator: TransformedTargetRegressor, table: Table
) -> Outputs:
    """What the regressor says, transformed back."""
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
    """One of numpy's own functions of one number."""
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
    """The quantile of training that a number between 0 and 1 stands for."""
    if transformer.output_distribution != "uniform" or transformer.quantiles_.shape[1] > 1:
        raise NotCompiled("a QuantileTransformer of several targets, or to a normal distribution")
    return builder.do(
        "interpolate",
        value,
        thresholds=transformer.references_,
        values=transformer.quantiles_[:, 0].copy(),
        ends="clip",
    )
