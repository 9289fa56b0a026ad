"""Several classes or outputs by estimators of one each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tests.compiler.conftest import Prove

X, Y = load_iris(return_X_y=True)
X, Y = X[:, :3], np.array(["one", "two", "three"])[Y]
A, B = load_breast_cancer(return_X_y=True)
A, B = A[:200, :3], B[:200]
C, D = load_diabetes(return_X_y=True)
C, D = C[:200, :3], D[:200]
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())
BAYES = GaussianNB()
MARGIN = RidgeClassifier()
LABELS = np.stack([B, A[:, 0] > 14, A[:, 1] > 18], axis=1).astype(int)
TARGETS = np.stack([D, D**2 / 100, C[:, 0]], axis=1)


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier])
@pytest.mark.parametrize(
    "inner", [LOGISTIC, BAYES, MARGIN, Ridge()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("classes", [2, 3])
def test_several_classes_are_compiled(prove: Prove, kind: Any, inner: Any, classes: int) -> None:
    if kind is OutputCodeClassifier and isinstance(inner, Ridge):
        inner = RandomForestClassifier(3, random_state=0)
    table, target = (A, B) if classes == 2 else (X, Y)
    settings = {"random_state": 0} if kind is OutputCodeClassifier else {}
    prove(kind(inner, **settings).fit(table, target))


def test_pairs_of_precomputed_kernels_are_left(prove: Prove) -> None:
    kernel = X @ X.T
    model = OneVsOneClassifier(SVC(kernel="precomputed")).fit(kernel, Y)
    prove(model, left=["predict", "decision_function"])


@pytest.mark.parametrize("inner", [LOGISTIC, BAYES, MARGIN], ids=lambda e: type(e).__name__)
def test_several_labels_are_compiled(prove: Prove, inner: Any) -> None:
    prove(OneVsRestClassifier(inner).fit(A, LABELS))


@pytest.mark.filterwarnings("ignore:Label")
@pytest.mark.parametrize("value", [0, 1])
def test_a_label_that_all_rows_have_is_compiled(prove: Prove, value: int) -> None:
    same = np.stack([np.full(len(B), value), B], axis=1)
    prove(OneVsRestClassifier(LOGISTIC).fit(A, same))


def test_one_class_is_left(prove: Prove) -> None:
    with pytest.warns(UserWarning, match="Label"):
        model = OneVsRestClassifier(BAYES).fit(A, np.zeros(len(A)))
    prove(model, left=["predict", "predict_proba", "decision_function"])


@pytest.mark.parametrize("inner", [LOGISTIC, MARGIN], ids=lambda e: type(e).__name__)
def test_several_outputs_of_labels_are_compiled(prove: Prove, inner: Any) -> None:
    prove(MultiOutputClassifier(inner).fit(A, LABELS))


def test_several_outputs_with_labels_of_several_kinds_are_left(prove: Prove) -> None:
    mixed = np.empty((len(A), 2), dtype=object)
    mixed[:, 0], mixed[:, 1] = np.where(LABELS[:, 0], "yes", "no"), LABELS[:, 1]
    model = MultiOutputClassifier(BAYES).fit(A, LABELS[:, :2])
    model.classes_ = [np.array(["no", "yes"]), np.array([0, 1])]
    prove(model, left=["predict", "predict_proba"])


def test_several_outputs_of_numbers_are_compiled(prove: Prove) -> None:
    prove(MultiOutputRegressor(Ridge()).fit(C, TARGETS))


@pytest.mark.parametrize("order", [None, [2, 0, 1]])
def test_a_chain_of_regressors_is_compiled(prove: Prove, order: Any) -> None:
    prove(RegressorChain(Ridge(), order=order).fit(C, TARGETS))
    prove(make_pipeline(StandardScaler(), RegressorChain(Ridge())).fit(C, TARGETS))


@pytest.mark.parametrize("order", [None, [2, 0, 1]])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_a_chain_of_classifiers_is_compiled(prove: Prove, method: str, order: Any) -> None:
    prove(ClassifierChain(LOGISTIC, order=order, chain_method=method).fit(A, LABELS))


def test_a_chain_with_more_than_two_classes_has_labels_only(prove: Prove) -> None:
    forest = RandomForestClassifier(3, random_state=0)
    many = np.stack([LABELS.sum(axis=1), B], axis=1)
    prove(ClassifierChain(forest).fit(A, many), left=["predict_proba", "predict_log_proba"])
