"""Scalers, and functions of numpy."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.impute import MissingIndicator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
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

from models.engines.plan import PlanEngine
from models.plan.operations.scaling import ufunc
from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
CENTRED = X - X.mean(axis=0)
TIED = np.round(X)
TIED[:, 3] = np.round(CENTRED[:, 3])


@pytest.mark.parametrize(
    "estimator",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        RobustScaler(),
        RobustScaler(with_centering=False, quantile_range=(10, 90)),
        RobustScaler(with_scaling=False, unit_variance=True),
        MinMaxScaler(),
        MinMaxScaler(feature_range=(-1, 2), clip=True),
        MaxAbsScaler(),
        MaxAbsScaler(clip=True),
        Normalizer(),
        Normalizer(norm="l1"),
        Normalizer(norm="max"),
        Binarizer(threshold=3),
        PowerTransformer(),
        PowerTransformer(standardize=False),
        PowerTransformer(method="box-cox"),
        PowerTransformer(method="box-cox", standardize=False),
        QuantileTransformer(n_quantiles=50),
        QuantileTransformer(n_quantiles=7, output_distribution="normal"),
        QuantileTransformer(n_quantiles=150, output_distribution="normal"),
    ],
    ids=str,
)
@pytest.mark.parametrize("rows", [X, CENTRED, TIED], ids=["positive", "centred", "tied"])
def test_a_scaler_is_compiled(prove: Prove, estimator: Any, rows: np.ndarray) -> None:
    if getattr(estimator, "method", "") == "box-cox":
        rows = np.abs(rows) + 0.1
    engine = PlanEngine(prove(estimator.fit(rows)))
    compare(engine.run("transform", rows), estimator.transform(rows))


def compare(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    assert given == pytest.approx(expected, rel=1e-12, abs=1e-14, nan_ok=True)


@pytest.mark.parametrize("power", [0.0, 2.0, 1e-20, -1.0, 1.5])
@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
def test_every_power_is_that_of_scipy(prove: Prove, method: str, power: float) -> None:
    estimator = PowerTransformer(method=method, standardize=False).fit(np.abs(X))
    estimator.lambdas_[:2] = power
    engine = PlanEngine(prove(estimator))
    rows = np.geomspace(1e-300, 1e300, 1000).reshape(250, 4)
    with np.errstate(all="ignore"):
        expected = estimator.transform(rows)
    compare(engine.run("transform", rows), expected)


def test_one_quantile_is_left_to_scikit_learn(prove: Prove) -> None:
    prove(QuantileTransformer(n_quantiles=1).fit(X), left={"transform"})


def test_a_number_that_overflows_on_the_way_is_refused(prove: Prove) -> None:
    tiny = X * 1e-9
    estimators = [StandardScaler(), MinMaxScaler(), RobustScaler(), Normalizer()]
    for estimator in estimators:
        prove(make_pipeline(MaxAbsScaler(), estimator, LogisticRegression()).fit(tiny, Y))


@pytest.mark.parametrize(
    "estimator",
    [
        FunctionTransformer(),
        FunctionTransformer(validate=True),
        FunctionTransformer(np.log1p),
        FunctionTransformer(np.log, np.exp, check_inverse=False),
        FunctionTransformer(np.sqrt, validate=True),
        FunctionTransformer(np.abs),
        FunctionTransformer(np.exp),
    ],
    ids=lambda estimator: getattr(estimator.func, "__name__", "none"),
)
def test_a_function_of_numpy_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.fit(X))
    prove(make_pipeline(estimator, StandardScaler(), LogisticRegression()).fit(np.abs(X) + 0.1, Y))


@pytest.mark.parametrize(
    "function", [np.nan_to_num, np.isnan, functools.partial(np.power, 2), functools.partial(np.log)]
)
def test_another_function_is_not(prove: Prove, function: Any) -> None:
    prove(FunctionTransformer(function).fit(X), left={"transform"})


def test_a_function_with_arguments_is_not(prove: Prove) -> None:
    estimator = FunctionTransformer(np.sqrt, kw_args={"dtype": np.float32}).fit(X)
    prove(estimator, left={"transform"})
    model = make_pipeline(MissingIndicator(features="all"), FunctionTransformer(np.sqrt))
    prove(model.fit(X), left={"transform"})


def test_a_plan_calls_no_other_function() -> None:
    with pytest.raises(ValueError, match="not a function of a plan"):
        ufunc(X, name="load")
