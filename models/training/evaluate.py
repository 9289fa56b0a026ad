"""Metrics of a new model on rows that were held out, and its comparison with the active version."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier, is_regressor

from models.errors import brief
from models.evaluation.answers import predicted
from models.evaluation.bootstrap import RESAMPLES, SEED
from models.evaluation.facts import Answers, Kind, Unmeasurable
from models.evaluation.intervals import interval_of_difference
from models.evaluation.metrics import metric_of
from models.evaluation.statistic import Resampled, Statistic
from models.evaluation.truth import as_truth
from models.model import Model
from models.training.comparison import Comparison
from models.training.facts import Unusable
from models.training.scoring import score

# The names in a card, each with its scoring name of scikit-learn and a sign.
CLASSIFIER = {"accuracy": ("accuracy", 1), "f1_macro": ("f1_macro", 1)}
PROBABILITIES = {"log_loss": ("neg_log_loss", -1)}
REGRESSOR = {"r2": ("r2", 1), "mean_absolute_error": ("neg_mean_absolute_error", -1)}
SCORED = ("predict", "predict_proba", "decision_function")
# The most held-out rows that both versions answer, drawn with a fixed seed.
MAX_ROWS = 20_000
# The scoring names of scikit-learn that are metrics of ours, and a sign.
OURS = {
    scoring: (name, sign)
    for name, (scoring, sign) in (CLASSIFIER | PROBABILITIES | REGRESSOR).items()
} | {
    "balanced_accuracy": ("balanced_accuracy", 1),
    "roc_auc": ("roc_auc", 1),
    "neg_brier_score": ("brier", -1),
    "neg_root_mean_squared_error": ("root_mean_squared_error", -1),
}


def default_metric(estimator: Any) -> str:
    """The metric that decides where the function of TRAIN names none; "" if there is none."""
    if is_classifier(estimator):
        return "accuracy"
    return "r2" if is_regressor(estimator) else ""


def measure(estimator: Any, rows: Any, answers: Any, metric: str) -> dict[str, float]:
    """The usual metrics of an estimator, and `metric` under its own name.

    Raises Unusable if there is no such metric, or it cannot be had of this estimator.
    """
    asked = dict(REGRESSOR) if is_regressor(estimator) else {}
    if is_classifier(estimator):
        asked = CLASSIFIER | (PROBABILITIES if hasattr(estimator, "predict_proba") else {})
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if asked:
            _try(estimator, rows)
        for name, (scoring, sign) in asked.items():
            try:
                found_score = score(scoring, estimator, rows, answers)
            except (ValueError, Unmeasurable):
                # As the log loss, where a label of these rows is no class of the model.
                continue
            if math.isfinite(found_score):
                found[name] = sign * found_score
        if metric not in ("", *asked):
            found[metric] = _score_of(metric, estimator, rows, answers)
    return found


def no_better(metrics: Mapping[str, float], answers: Any, target: str) -> list[str]:
    """A sentence on a model that is no better than one answer for all n rows held out.

    `answers` are their known answers, shape (n,).
    """
    if "accuracy" in metrics and np.ndim(answers) == 1:
        labels, counts = np.unique(np.asarray(answers).astype(str), return_counts=True)
        most, rows = counts.max(), len(answers)
        if round(metrics["accuracy"] * rows) <= most:
            same = f"the answer {labels[counts.argmax()]} for each row held out"
            return [f"{same} is right on {most:,} of {rows:,}: the model is no better"]
    if metrics.get("r2", 1) <= 0:
        same = f"the mean of {target or 'the answers'} for each row held out"
        return [f"{same} has no larger squared errors: the model is no better"]
    return []


def _try(estimator: Any, rows: Any) -> None:
    try:
        estimator.predict(rows)
    except Exception as error:
        raise Unusable(f"the model does not answer test_rows: {brief(error)}") from None


def _score_of(metric: str, estimator: Any, rows: Any, answers: Any) -> float:
    try:
        return score(metric, estimator, rows, answers)
    except Exception as error:
        raise Unusable(
            f"the metric {metric!r} cannot be had ({brief(error)}): name one of scikit-learn's "
            "scoring names, as accuracy, roc_auc, neg_log_loss or r2"
        ) from None


class _Known:
    """A version that has answered rows already, as an estimator that scorers can ask.

    It takes the places of rows.
    """

    def __init__(self, answers: Mapping[str, np.ndarray]) -> None:
        for method, known in answers.items():
            setattr(self, method, _answering(method, known))


def _answering(name: str, known: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    def answer(places: np.ndarray) -> np.ndarray:
        return known[places]  # type: ignore[no-any-return]

    # Scorers go by the name of the method.
    answer.__name__ = name
    return answer


class _Classifier(_Known, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    pass


class _Regressor(_Known, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    pass


def compare(new: Model, active: Model, rows: Any, answers: Any, metric: str) -> Comparison:
    """Compare two versions on held-out rows, as the service would answer these.

    `rows` are a DataFrame. Raises Unusable if there is no row that both answer, or no score.
    """
    places = np.random.default_rng(0).permutation(len(rows))[:MAX_ROWS]
    asked = len(places)
    try:
        for model in (new, active):
            places, _, _ = predicted(model, rows, places)
    except Unmeasurable as error:
        raise Unusable(str(error)) from None
    if not len(places):
        raise Unusable("there is no held-out row that both versions answer")
    truth = np.asarray(answers)[places]
    known = [_known(model, rows.iloc[places]) for model in (new, active)]
    every = np.arange(len(places))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            new_score, active_score = (score(metric, each, every, truth) for each in known)
        except Exception as error:
            raise Unusable(f"{metric} cannot be had of both versions: {brief(error)}") from None
        interval = _interval(metric, (new, active), known, truth)
    closer = _closer(
        known[0].predict(every), known[1].predict(every), truth, labels=new.classes is not None
    )
    return Comparison(
        metric=metric,
        new_score=new_score,
        active_score=active_score,
        difference=new_score - active_score,
        interval=interval,
        rows=len(places),
        left_out=asked - len(places),
        new_closer=closer and closer[0],
        active_closer=closer and closer[1],
    )


def _known(model: Model, rows: Any) -> Any:
    methods = [method for method in SCORED if method in model.methods]
    answers = {method: np.asarray(model.answer(method, rows)) for method in methods}
    if model.classes is None:
        return _Regressor(answers)
    known = _Classifier(answers)
    known.classes_ = np.asarray(model.classes)
    return known


def _interval(
    metric: str, models: Sequence[Model], known: Sequence[Any], truth: np.ndarray
) -> tuple[float, float] | None:
    """The interval of the difference of two versions' scores; None if these rows do not tell it."""
    name, sign = OURS.get(metric, ("", 1))
    pair: list[Statistic]
    try:
        answers = [_answers(*each, truth) for each in zip(models, known, strict=True)]
        pair = [metric_of(each.kind, name).statistic(each) for each in answers]
    except Unmeasurable:
        pair, sign = [_resampled(each, metric, truth) for each in known], 1
    first, second = pair[::sign]
    return interval_of_difference(first, second, RESAMPLES, SEED)


def _answers(model: Model, known: Any, truth: np.ndarray) -> Answers:
    """The answers of a version as they are evaluated; raises Unmeasurable."""
    if truth.ndim != 1:
        raise Unmeasurable("several values a row")
    places = np.arange(len(truth))
    kind: Kind = "regressor" if model.classes is None else "classifier"
    found = {name: getattr(known, name)(places) for name in SCORED if hasattr(known, name)}
    return Answers(
        kind=kind,
        truth=as_truth(kind, model.classes, truth),
        predictions=found["predict"],
        probabilities=found.get("predict_proba"),
        scores=found.get("decision_function"),
        classes=tuple(model.classes or ()),
        places=places,
    )


def _resampled(known: Any, metric: str, truth: np.ndarray) -> Resampled:
    """A score of scikit-learn that is none of ours, for resamples of the rows."""

    def at(places: np.ndarray) -> float:
        try:
            return score(metric, known, places, truth[places])
        except ValueError:
            # As where all rows have one class.
            return math.nan

    return Resampled(at(np.arange(len(truth))), len(truth), len(truth), at)


def _closer(
    new: np.ndarray, active: np.ndarray, truth: np.ndarray, *, labels: bool
) -> tuple[int, int] | None:
    """On how many rows only one version is right, or closer to the number: the new, the active."""
    if truth.ndim != 1 or new.shape != truth.shape or active.shape != truth.shape:
        return None
    if truth.dtype.kind in "iuf" and not labels:
        far_new, far_active = np.abs(new - truth), np.abs(active - truth)
    else:
        far_new, far_active = new != truth, active != truth
    return int((far_new < far_active).sum()), int((far_active < far_new).sum())
