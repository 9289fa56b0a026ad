"""Small real data, and estimators fitted to it."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, Y = load_diabetes(return_X_y=True)
# Few columns and rows, for estimators that are made of many others.
FEW_X, FEW_Y = X[:200, :3], Y[:200]
X = X * 20
SEVERAL = np.column_stack([Y, X[:, 0] * 3 + Y / 7, np.sqrt(Y)])
IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"], dtype=object)[SPECIES]
FEW_IRIS, FEW_NAMES = IRIS[:, :3], np.array(["one", "two", "three"])[SPECIES]
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
FEW_CANCER, FEW_BENIGN = CANCER[:200, :3], BENIGN[:200]
CANCER = StandardScaler().fit_transform(CANCER[:, :8])
LABELS = np.column_stack([SPECIES == 0, SPECIES == 2, SPECIES > 0]).astype(int)
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


def quietly_fitted(estimator: Any, x: Any, y: Any = None) -> Any:
    """An estimator, or a new one of a class, that was fitted however few steps it may take."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = estimator() if isinstance(estimator, type) else estimator
        return estimator.fit(x, y)


def named(value: Any) -> str:
    """The name of a test's case, the same in every process: without addresses, and not long."""
    if isinstance(value, np.ndarray):
        return "rows"
    return re.sub(r" at 0x[0-9a-f]+|\s+", " ", str(value))[:80]
