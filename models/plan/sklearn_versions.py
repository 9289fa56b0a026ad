"""The differences between versions of scikit-learn, from 1.1.3 on."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import sklearn.utils
from sklearn.base import BaseEstimator


class InputTags(NamedTuple):
    """The tags of an estimator's input, with the names of scikit-learn 1.6 and newer."""

    two_d_array: bool = True
    one_d_array: bool = False
    string: bool = False
    dict: bool = False
    allow_nan: bool = False


def input_tags(estimator: Any) -> InputTags:
    """The tags of an estimator's input; for other libraries' classes those of a numeric table."""
    if not isinstance(estimator, BaseEstimator):
        return InputTags()
    if get_tags := getattr(sklearn.utils, "get_tags", None):
        tags = get_tags(estimator).input_tags
        return InputTags(*(bool(getattr(tags, name)) for name in InputTags._fields))
    return older_tags(find("sklearn.utils._tags", "_safe_tags")(estimator))


def older_tags(tags: Mapping[str, Any]) -> InputTags:
    """The tags in the form of scikit-learn before 1.6, a dict."""
    taken: Collection[str] = tags["X_types"]
    return InputTags(
        two_d_array="2darray" in taken,
        one_d_array="1darray" in taken,
        string="string" in taken,
        dict="dict" in taken,
        allow_nan=bool(tags["allow_nan"]),
    )


def keeps_empty(imputer: Any) -> bool:
    """Whether a SimpleImputer keeps columns without a statistic; before 1.2 none did."""
    return bool(getattr(imputer, "keep_empty_features", False))


def fill_dtype(imputer: Any) -> Any:
    """The dtype of the values that a SimpleImputer fills in; before 1.8 its training dtype."""
    return getattr(imputer, "_fill_dtype", None) or imputer._fit_dtype  # noqa: SLF001


def goes_left(tree: Any) -> Any:
    """Whether missing values go left in each node; before 1.3 no tree took any."""
    return getattr(tree, "missing_go_to_left", np.ones(tree.node_count, dtype=np.uint8))


def calibrated_estimator(part: Any) -> Any:
    """The estimator of one part of a CalibratedClassifierCV."""
    return part.estimator if hasattr(part, "estimator") else part.base_estimator


def find(module: str, name: str) -> Any:
    """A class or function of scikit-learn; in versions without it a class without instances."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return type(name, (), {})


FrozenEstimator = find("sklearn.frozen", "FrozenEstimator")
FixedThresholdClassifier = find("sklearn.model_selection", "FixedThresholdClassifier")
TunedThresholdClassifierCV = find("sklearn.model_selection", "TunedThresholdClassifierCV")
TargetEncoder = find("sklearn.preprocessing", "TargetEncoder")
