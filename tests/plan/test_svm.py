"""Support vector machines with a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from models.plan.rules import svm
from tests.plan.conftest import Prove
from tests.plan.samples import BENIGN, CANCER, IRIS, NAMES, X, Y

METHODS = ["predict", "decision_function"]
FEW = slice(0, None, 4)


def own_kernel(one: Any, other: Any) -> Any:
    return np.asarray(one @ other.T)


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid"])
def test_a_kernel_machine_is_compiled(prove: Prove, kernel: str) -> None:
    prove(SVC(kernel=kernel).fit(IRIS, NAMES))
    prove(SVC(kernel=kernel, degree=4, coef0=0.5).fit(CANCER[FEW], BENIGN[FEW] > 0))


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(decision_function_shape="ovo"),
        SVC(break_ties=True),
        NuSVC(nu=0.1),
    ],
)
def test_classes_are_compared_in_pairs(prove: Prove, estimator: Any) -> None:
    prove(estimator.fit(IRIS, NAMES))


@pytest.mark.parametrize("estimator", [SVR(), NuSVR(kernel="poly"), SVR(kernel="linear")])
def test_a_regression_with_kernels_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.fit(X[FEW], Y[FEW]))


def test_a_one_class_machine_is_compiled(prove: Prove) -> None:
    prove(OneClassSVM(nu=0.1).fit(CANCER))


def test_probabilities_are_left(prove: Prove) -> None:
    model = SVC().fit(IRIS, NAMES)
    model.probability = True
    prove(model, left=["predict_proba", "predict_log_proba"])


@pytest.mark.parametrize(
    ("estimator", "x"),
    [
        (SVC(), csr_array(IRIS)),
        (SVC(break_ties=True, decision_function_shape="ovo"), IRIS),
    ],
    ids=["sparse", "ties of pairs"],
)
def test_what_is_not_of_libsvm_itself_is_left(prove: Prove, estimator: Any, x: Any) -> None:
    prove(estimator.fit(x, NAMES), left=METHODS)


def test_a_kernel_of_somebody_s_own_is_left(prove: Prove) -> None:
    model = SVC().fit(IRIS, NAMES)
    model.kernel = own_kernel
    model._BaseLibSVM__Xfit = IRIS
    prove(model, left=METHODS)


def test_a_machine_without_support_vectors_is_left(prove: Prove) -> None:
    prove(SVR(epsilon=1e9).fit(X, Y), left=["predict"])


def test_pairs_of_very_many_vectors_are_left(prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svm, "MAX_WEIGHTS", 3)
    prove(SVC().fit(IRIS, NAMES), left=METHODS)
