"""Regressors of a transformed target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from tests.plan.conftest import Prove
from tests.plan.samples import named

X, Y = load_diabetes(return_X_y=True)
X = X[:, :3]
SEVERAL = np.stack([Y, np.sqrt(Y)], axis=1)


@pytest.mark.parametrize(
    ("func", "inverse"),
    [(np.log1p, np.expm1), (np.log, np.exp), (np.sqrt, np.square), (None, None)],
)
@pytest.mark.parametrize("target", [Y, Y[:, None], SEVERAL], ids=["flat", "one", "two"])
def test_functions_of_numpy_are_compiled(
    prove: Prove, func: Any, inverse: Any, target: np.ndarray
) -> None:
    model = TransformedTargetRegressor(Ridge(), func=func, inverse_func=inverse)
    prove(model.fit(X, target))


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False, with_scaling=False),
        PowerTransformer(),
        PowerTransformer(method="box-cox", standardize=False),
        QuantileTransformer(n_quantiles=20),
        FunctionTransformer(np.log, np.exp),
    ],
    ids=named,
)
def test_transformers_of_the_target_are_compiled(prove: Prove, transformer: Any) -> None:
    prove(TransformedTargetRegressor(Ridge(0.01), transformer=transformer).fit(X, Y))


@pytest.mark.parametrize(
    "transformer", [StandardScaler(), MinMaxScaler(), RobustScaler()], ids=named
)
def test_several_targets_are_compiled(prove: Prove, transformer: Any) -> None:
    prove(TransformedTargetRegressor(Ridge(), transformer=transformer).fit(X, SEVERAL))


@pytest.mark.parametrize(
    ("method", "power"), [("box-cox", 0), ("yeo-johnson", 0), ("yeo-johnson", 2)]
)
def test_a_power_of_zero_or_two_is_compiled(prove: Prove, method: str, power: float) -> None:
    transformer = PowerTransformer(method=method, standardize=False)
    model = TransformedTargetRegressor(Ridge(), transformer=transformer).fit(X, (Y + 1) / 400)
    model.transformer_.lambdas_ = np.array([float(power)])
    prove(model)


def own_function(x: np.ndarray) -> np.ndarray:
    return x + 1


def own_inverse(x: np.ndarray) -> np.ndarray:
    return x - 1


@pytest.mark.parametrize(
    ("transformer", "target"),
    [
        (FunctionTransformer(own_function, own_inverse), Y),
        (FunctionTransformer(np.log, np.exp, inv_kw_args={"casting": "same_kind"}), Y),
        (PowerTransformer(), SEVERAL),
        (QuantileTransformer(n_quantiles=20), SEVERAL),
        (QuantileTransformer(n_quantiles=20, output_distribution="normal"), Y),
        (KBinsDiscretizer(9, encode="ordinal", quantile_method="averaged_inverted_cdf"), Y),
    ],
    ids=named,
)
def test_other_transformers_of_the_target_are_left(
    prove: Prove, transformer: Any, target: np.ndarray
) -> None:
    model = TransformedTargetRegressor(Ridge(), transformer=transformer, check_inverse=False)
    prove(model.fit(X, target), left=["predict"])
