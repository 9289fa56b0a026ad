"""What a fitted estimator says of itself, without looking inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from models import libraries
from models.plan.sklearn_versions import input_tags

# Packages whose estimators tell what they take, or take numbers.
TELLING = ("sklearn", "imblearn", "lightgbm", "xgboost", "catboost")


def width(estimator: Any) -> int | None:
    """How many features it says it takes."""
    return libraries.width(estimator) or getattr(estimator, "n_features_in_", None) or None


def takes_text(estimator: Any) -> bool:
    """Whether its input is one string a row, as that of a CountVectorizer; an imputer's is not."""
    tags = input_tags(estimator)
    # A FeatureHasher's is many strings a row.
    return tags.string and not tags.two_d_array and not hasattr(estimator, "input_type")


def is_own_code(estimator: Any) -> bool:
    """Whether an estimator is somebody's own code, and nothing tells what its columns may hold."""
    if isinstance(estimator, FunctionTransformer):
        function = getattr(estimator.func, "func", estimator.func)  # of a functools.partial
        module = getattr(function, "__module__", None) or "numpy"
        # A ufunc takes numbers.
        if function is None or isinstance(function, np.ufunc):
            return False
        return not module.startswith("sklearn.")
    return type(estimator).__module__.partition(".")[0] not in TELLING


def is_wrapper(estimator: Any) -> bool:
    """Whether it may be somebody's own class around an estimator, which does the predicting."""
    return (
        is_own_code(estimator)
        and hasattr(estimator, "predict")
        and not isinstance(estimator, (Pipeline, FunctionTransformer))
    )


def is_estimator(value: Any) -> bool:
    """Whether it is an estimator of scikit-learn's, or of CatBoost's, which derives from none."""
    return not isinstance(value, type) and (
        isinstance(value, BaseEstimator) or libraries.library(value) is not None
    )


def is_fitted(estimator: Any) -> bool:
    """Whether it is fitted, as far as it tells."""
    if width(estimator) is not None:
        return True
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError):
        return False
    return True


def keeps_values(step: Any) -> bool:
    """Whether a transformer hands on its columns as they are, but for missing values."""
    # A MissingIndicator is nothing but an indicator.
    indicator = getattr(step, "indicator_", step)
    if not type(step).__module__.startswith("sklearn.impute") or indicator is not None:
        return False
    return bool(len(step.get_feature_names_out()) == step.n_features_in_)
