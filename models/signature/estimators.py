"""Facts of one estimator, without those of the estimators inside it."""

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

# Packages whose estimators take numbers, or have attributes that tell what they take.
TELLING = ("sklearn", "imblearn", "lightgbm", "xgboost", "catboost")


def width(estimator: Any) -> int | None:
    """The number of features that an estimator takes; None if it does not tell."""
    return libraries.width(estimator) or getattr(estimator, "n_features_in_", None) or None


def takes_text(estimator: Any) -> bool:
    """Whether an estimator takes one string a row, as a CountVectorizer does."""
    tags = input_tags(estimator)
    # An imputer takes a table with strings, a FeatureHasher many strings a row.
    return tags.string and not tags.two_d_array and not hasattr(estimator, "input_type")


def is_own_code(estimator: Any) -> bool:
    """Whether an estimator is the user's own code: then nothing tells what its columns may hold."""
    if isinstance(estimator, FunctionTransformer):
        function = getattr(estimator.func, "func", estimator.func)  # of a functools.partial
        module = getattr(function, "__module__", None) or "numpy"
        # A ufunc takes numbers.
        if function is None or isinstance(function, np.ufunc):
            return False
        return not module.startswith("sklearn.")
    return type(estimator).__module__.partition(".")[0] not in TELLING


def is_wrapper(estimator: Any) -> bool:
    """Whether an estimator may be the user's own class around another that predicts."""
    return (
        is_own_code(estimator)
        and hasattr(estimator, "predict")
        and not isinstance(estimator, (Pipeline, FunctionTransformer))
    )


def is_estimator(value: Any) -> bool:
    """Whether a value is an estimator; those of CatBoost do not derive from BaseEstimator."""
    return not isinstance(value, type) and (
        isinstance(value, BaseEstimator) or libraries.library(value) is not None
    )


def is_fitted(estimator: Any) -> bool:
    """Whether an estimator is fitted, as far as it tells."""
    if width(estimator) is not None:
        return True
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError):
        return False
    return True


def keeps_values(step: Any) -> bool:
    """Whether a transformer changes nothing but missing values."""
    # A MissingIndicator has no values, only indicators.
    indicator = getattr(step, "indicator_", step)
    if not type(step).__module__.startswith("sklearn.impute") or indicator is not None:
        return False
    return bool(len(step.get_feature_names_out()) == step.n_features_in_)
