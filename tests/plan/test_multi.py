"""Several classes or outputs by estimators of one each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge, RidgeClassifier
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

from tests.plan.conftest import Prove
from tests.plan.samples import (
    FEW_BENIGN,
    FEW_CANCER,
    FEW_IRIS,
    FEW_NAMES,
    FEW_X,
    FEW_Y,
    LOGISTIC,
)

BAYES = GaussianNB()
MARGIN = RidgeClassifier()
LABELS = np.stack([FEW_BENIGN, FEW_CANCER[:, 0] > 14, FEW_CANCER[:, 1] > 18], axis=1).astype(int)
TARGETS = np.stack([FEW_Y, FEW_Y**2 / 100, FEW_X[:, 0]], axis=1)


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier])
@pytest.mark.parametrize(
    "inner", [LOGISTIC, BAYES, MARGIN, Ridge()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("classes", [2, 3])
def test_several_classes_are_compiled(prove: Prove, kind: Any, inner: Any, classes: int) -> None:
    if kind is OutputCodeClassifier and isinstance(inner, Ridge):
        inner = RandomForestClassifier(3, random_state=0)
    table, target = (FEW_CANCER, FEW_BENIGN) if classes == 2 else (FEW_IRIS, FEW_NAMES)
    settings = {"random_state": 0} if kind is OutputCodeClassifier else {}
    prove(kind(inner, **settings).fit(table, target))


def test_pairs_of_precomputed_kernels_are_left(prove: Prove) -> None:
    kernel = FEW_IRIS @ FEW_IRIS.T
    model = OneVsOneClassifier(SVC(kernel="precomputed")).fit(kernel, FEW_NAMES)
    prove(model, left=["predict", "decision_function"])


@pytest.mark.parametrize("inner", [LOGISTIC, BAYES, MARGIN], ids=lambda e: type(e).__name__)
def test_several_labels_are_compiled(prove: Prove, inner: Any) -> None:
    prove(OneVsRestClassifier(inner).fit(FEW_CANCER, LABELS))


@pytest.mark.filterwarnings("ignore:Label")
@pytest.mark.parametrize("value", [0, 1])
def test_a_label_that_all_rows_have_is_compiled(prove: Prove, value: int) -> None:
    same = np.stack([np.full(len(FEW_BENIGN), value), FEW_BENIGN], axis=1)
    prove(OneVsRestClassifier(LOGISTIC).fit(FEW_CANCER, same))


def test_one_class_is_left(prove: Prove) -> None:
    with pytest.warns(UserWarning, match="Label"):
        model = OneVsRestClassifier(BAYES).fit(FEW_CANCER, np.zeros(len(FEW_CANCER)))
    prove(model, left=["predict", "predict_proba", "decision_function"])


@pytest.mark.parametrize("inner", [LOGISTIC, MARGIN], ids=lambda e: type(e).__name__)
def test_several_outputs_of_labels_are_compiled(prove: Prove, inner: Any) -> None:
    prove(MultiOutputClassifier(inner).fit(FEW_CANCER, LABELS))


def test_several_outputs_with_labels_of_several_kinds_are_left(prove: Prove) -> None:
    mixed = np.empty((len(FEW_CANCER), 2), dtype=object)
    mixed[:, 0], mixed[:, 1] = np.where(LABELS[:, 0], "yes", "no"), LABELS[:, 1]
    model = MultiOutputClassifier(BAYES).fit(FEW_CANCER, LABELS[:, :2])
    model.classes_ = [np.array(["no", "yes"]), np.array([0, 1])]
    prove(model, left=["predict", "predict_proba"])


def test_several_outputs_of_numbers_are_compiled(prove: Prove) -> None:
    prove(MultiOutputRegressor(Ridge()).fit(FEW_X, TARGETS))


@pytest.mark.parametrize("order", [None, [2, 0, 1]])
def test_a_chain_of_regressors_is_compiled(prove: Prove, order: Any) -> None:
    prove(RegressorChain(Ridge(), order=order).fit(FEW_X, TARGETS))
    prove(make_pipeline(StandardScaler(), RegressorChain(Ridge())).fit(FEW_X, TARGETS))


@pytest.mark.parametrize("order", [None, [2, 0, 1]])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_a_chain_of_classifiers_is_compiled(prove: Prove, method: str, order: Any) -> None:
    prove(ClassifierChain(LOGISTIC, order=order, chain_method=method).fit(FEW_CANCER, LABELS))


def test_a_chain_with_more_than_two_classes_has_labels_only(prove: Prove) -> None:
    forest = RandomForestClassifier(3, random_state=0)
    many = np.stack([LABELS.sum(axis=1), FEW_BENIGN], axis=1)
    prove(
        ClassifierChain(forest).fit(FEW_CANCER, many), left=["predict_proba", "predict_log_proba"]
    )
