"""Classifiers with calibrated probabilities, or with a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from ..sklearn_versions import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    calibrated_estimator,
)
from .responses import first_method, response

METHODS = ("decision_function", "predict_proba")


@rule(CalibratedClassifierCV, predicts=True)
def calibrated_classifier(
    builder: Builder, estimator: CalibratedClassifierCV, table: Table
) -> Outputs:
    """The mean of the probabilities of the calibrated classifiers."""
    parts = [
        calibrated(builder, part, table, len(estimator.classes_))
        for part in estimator.calibrated_classifiers_
    ]
    mean = builder.do("mean", *parts)
    return {
        "predict": builder.do("choose", mean, labels=estimator.classes_),
        "predict_proba": mean,
    }


def calibrated(builder: Builder, part: Any, table: Table, count: int) -> Value:
    """The probabilities of one calibrated classifier."""
    inner = calibrated_estimator(part)
    own = inner.classes_
    scores = response(builder, inner, table, METHODS)
    if part.method == "temperature":
        return builder.do(
            "temperature",
            builder.do("require_finite", scores),
            beta=float(part.calibrators[0].beta_),
            probabilities=first_method(inner, METHODS) == "predict_proba",
        )
    places = np.searchsorted(part.classes, own)
    calibrators = part.calibrators[: 1 if len(own) == 2 else len(own)]
    if part.method == "sigmoid":
        each = builder.do(
            "sigmoid",
            scores,
            slopes=np.array([calibrator.a_ for calibrator in calibrators]),
            intercepts=np.array([calibrator.b_ for calibrator in calibrators]),
        )
    else:
        x = [calibrator.X_thresholds_ for calibrator in calibrators]
        if any(points.dtype != np.float64 for points in x):
            raise NotCompiled("an isotonic calibration in single precision")
        each = builder.do(
            "isotonic",
            builder.do("require_finite", scores),
            x=np.concatenate(x),
            y=np.concatenate([calibrator.y_thresholds_ for calibrator in calibrators]),
            starts=np.cumsum([0, *map(len, x[:-1])]).tolist(),
        )
    return builder.do("calibrated", each, places=places[: len(calibrators)], count=count)


@rule(FixedThresholdClassifier, predicts=True)
def fixed_threshold(builder: Builder, estimator: FixedThresholdClassifier, table: Table) -> Outputs:
    """The second label where its score reaches the threshold."""
    inner = getattr(estimator, "estimator_", estimator.estimator)
    methods = asked(estimator)
    threshold = estimator.threshold
    if threshold == "auto":
        threshold = 0.5 if first_method(inner, methods) == "predict_proba" else 0.0
    return thresholded(builder, estimator, inner, table, threshold, estimator.pos_label)


@rule(TunedThresholdClassifierCV, predicts=True)
def tuned_threshold(
    builder: Builder, estimator: TunedThresholdClassifierCV, table: Table
) -> Outputs:
    """The second label where its score reaches the threshold that was found in training."""
    label = estimator._curve_scorer._get_pos_label()  # noqa: SLF001
    threshold = estimator.best_threshold_
    return thresholded(builder, estimator, estimator.estimator_, table, threshold, label)


def asked(estimator: Any) -> list[str]:
    """The candidates for the method whose answers are compared with the threshold."""
    methods = estimator._get_response_method()  # noqa: SLF001
    return [methods] if isinstance(methods, str) else methods


def thresholded(
    builder: Builder, estimator: Any, inner: Any, table: Table, threshold: float, label: Any
) -> Outputs:
    """The inner estimator's results, with the labels by the threshold."""
    labels = estimator.classes_
    score = response(builder, inner, table, asked(estimator), label)
    if label is not None and labels[0] == label:
        labels = labels[::-1]
    predicted = builder.do("choose_from", score, labels=labels, threshold=float(threshold))
    return {**builder.predict(inner, table), "predict": predicted}
