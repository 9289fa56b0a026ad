"""Linear models: sums of weighted features, and the labels that they choose."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import linear_model
from sklearn._loss.link import IdentityLink, LogLink
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PassiveAggressiveClassifier,
    Perceptron,
    PoissonRegressor,
    RANSACRegressor,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
    SGDOneClassSVM,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from ..format import INPUT

# The estimators whose only rule is a sum.
SUMS = (
    "ARDRegression BayesianRidge ElasticNet ElasticNetCV HuberRegressor Lars LarsCV Lasso "
    "LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression MultiTaskElasticNet "
    "MultiTaskElasticNetCV MultiTaskLasso MultiTaskLassoCV OrthogonalMatchingPursuit "
    "OrthogonalMatchingPursuitCV PassiveAggressiveRegressor QuantileRegressor Ridge RidgeCV "
    "SGDRegressor TheilSenRegressor"
)
LINKS = {IdentityLink: None, LogLink: "exp"}


def finite_numbers(builder: Builder, table: Table) -> Value:
    """The columns as one array; NaN and infinities that earlier steps make are refused."""
    value = builder.numbers(table)
    return value if value == INPUT else builder.do("require_finite", value)


def weighable(builder: Builder, table: Table) -> Value:
    """The columns for a step that only multiplies them by weights: as one array, or sparse."""
    return builder.sparse(table) if builder.is_sparse(table) else finite_numbers(builder, table)


def scores(builder: Builder, estimator: Any, table: Table) -> Value:
    """X @ coef_.T + intercept_."""
    if issparse(estimator.coef_):
        raise NotCompiled("sparse coefficients: call densify before joblib.dump")
    return builder.do(
        "affine",
        weighable(builder, table),
        coef=np.asarray(estimator.coef_, dtype=np.float64),
        intercept=np.asarray(estimator.intercept_, dtype=np.float64),
    )


@rule(*(getattr(linear_model, name) for name in SUMS.split()), LinearSVR, predicts=True)
def regression(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """A number a row, or one for each output."""
    return {"predict": scores(builder, estimator, table)}


@rule(RANSACRegressor, predicts=True)
def ransac(builder: Builder, estimator: RANSACRegressor, table: Table) -> Outputs:
    """The prediction of the estimator that was fitted to the inliers."""
    return {"predict": builder.predict(estimator.estimator_, table)["predict"]}


@rule(LinearSVC, PassiveAggressiveClassifier, Perceptron, predicts=True)
def classification(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The sign of one score for two classes, or the highest of several."""
    decision = scores(builder, estimator, table)
    shape = np.atleast_2d(estimator.coef_).shape
    if estimator.coef_.shape == (1, *shape[1:]):
        decision = builder.do("column", decision, index=0)
    choose = "choose_above" if shape[0] == 1 else "choose"
    label = builder.do(choose, decision, labels=estimator.classes_)
    return {"predict": label, "decision_function": decision}


@rule(RidgeClassifier, RidgeClassifierCV, predicts=True)
def ridge_classifier(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """A label by the sign of a score or the highest score; for multilabel each score's sign."""
    if not estimator._label_binarizer.y_type_.startswith("multilabel"):  # noqa: SLF001
        return classification(builder, estimator, table)
    if estimator._label_binarizer.sparse_input_:  # noqa: SLF001
        raise NotCompiled("labels in a sparse matrix")
    decision = scores(builder, estimator, table)
    label = builder.do("choose_above", decision, labels=np.array([0, 1]))
    return {"predict": label, "decision_function": decision}


@rule(LogisticRegression, LogisticRegressionCV, predicts=True)
def logistic_regression(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The logistic function of a score, or the softmax of several."""
    outputs = classification(builder, estimator, table)
    curve = "logistic" if len(estimator.classes_) == 2 else "softmax"
    probabilities = builder.do(curve, outputs["decision_function"])
    return {**outputs, **probability(builder, probabilities)}


@rule(SGDClassifier, predicts=True)
def sgd_classifier(builder: Builder, estimator: SGDClassifier, table: Table) -> Outputs:
    """A probability for each class alone, divided by their sum, if the loss has probabilities."""
    outputs = classification(builder, estimator, table)
    curves = {"log_loss": "expit", "modified_huber": "ramp"}
    if estimator.loss not in curves:
        return outputs
    alone = builder.do(curves[estimator.loss], outputs["decision_function"])
    joint = "pair" if len(estimator.classes_) == 2 else "one_versus_rest"
    return {**outputs, **probability(builder, builder.do(joint, alone))}


def probability(builder: Builder, probabilities: Value) -> Outputs:
    """Probabilities and their logarithms."""
    return {
        "predict_proba": probabilities,
        "predict_log_proba": builder.do("log", probabilities),
    }


@rule(SGDOneClassSVM, predicts=True)
def sgd_one_class(builder: Builder, estimator: SGDOneClassSVM, table: Table) -> Outputs:
    """1 on one side of a plane, -1 on the other."""
    decision = builder.do(
        "affine", weighable(builder, table), coef=estimator.coef_, intercept=-estimator.offset_
    )
    labels = np.array([-1, 1], dtype=np.int32)
    return {
        "predict": builder.do("choose_from", decision, labels=labels),
        "decision_function": decision,
        "score_samples": builder.do("add", decision, y=estimator.offset_),
    }


@rule(PoissonRegressor, GammaRegressor, TweedieRegressor, predicts=True)
def generalised(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The inverse link of the sum of weighted features."""
    inverse = LINKS[type(estimator._base_loss.link)]  # noqa: SLF001
    value = scores(builder, estimator, table)
    return {"predict": builder.do(inverse, value) if inverse else value}
