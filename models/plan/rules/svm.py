"""Support vector machines with a kernel."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from .linear import finite_numbers

KERNELS = ("linear", "poly", "rbf", "sigmoid")
# With more weights in all pairs of classes, libsvm is twice as fast for many rows.
MAX_WEIGHTS = 20_000


def kernels(builder: Builder, estimator: Any, table: Table) -> Value:
    """The kernel of the row and each support vector."""
    if estimator.kernel not in KERNELS:
        raise NotCompiled("a kernel that is not one of libsvm's own")
    if estimator._sparse or not estimator.support_vectors_.size:  # noqa: SLF001
        raise NotCompiled("support vectors in a sparse matrix, or none at all")
    return builder.do(
        "kernel",
        finite_numbers(builder, table),
        vectors=estimator.support_vectors_,
        kind=estimator.kernel,
        degree=int(estimator.degree),
        gamma=float(estimator._gamma),  # noqa: SLF001
        coef0=float(estimator.coef0),
    )


@rule(SVR, NuSVR, predicts=True)
def regressor(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """A weighted sum of kernels."""
    return {"predict": total(builder, estimator, table)}


@rule(OneClassSVM, predicts=True)
def one_class(builder: Builder, estimator: OneClassSVM, table: Table) -> Outputs:
    """1 where the sum is above zero, else -1."""
    decision = total(builder, estimator, table)
    return {
        "predict": builder.do("choose_above", decision, labels=np.array([-1, 1])),
        "decision_function": decision,
        "score_samples": builder.do("add", decision, y=np.asarray(estimator.offset_)),
    }


def total(builder: Builder, estimator: Any, table: Table) -> Value:
    """A weighted sum over all support vectors."""
    return builder.do(
        "weigh",
        kernels(builder, estimator, table),
        weights=estimator._dual_coef_[0],
        intercept=float(estimator._intercept_[0]),
    )


@rule(SVC, NuSVC, predicts=True)
def classifier(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The class that wins most pairs."""
    classes, ovr = estimator.classes_, estimator.decision_function_shape == "ovr"
    if estimator.break_ties and not ovr:
        raise NotCompiled("break_ties with decision_function_shape='ovo'")
    if len(classes) == 2:
        value = total(builder, estimator, table)
        label = builder.do("choose_above", value, labels=classes[::-1])
        return {"predict": label, "decision_function": builder.do("ufunc", value, name="negative")}
    pairs = list(combinations(range(len(classes)), 2))
    scores = by_pairs(builder, estimator, pairs, kernels(builder, estimator, table))
    decision = won = scores
    if ovr:
        decision = won = builder.do("confidences", scores, pairs=pairs, count=len(classes))
    if not estimator.break_ties:
        sides = np.eye(len(classes), dtype=np.intp)[np.array(pairs).T]
        won = builder.do("pair_votes", scores, first=sides[0], second=sides[1])
    label = builder.do("choose", won, labels=classes)
    return {"predict": label, "decision_function": decision}


def by_pairs(builder: Builder, estimator: Any, pairs: list[tuple[int, int]], value: Value) -> Value:
    """A weighted sum for each pair of classes, over the support vectors of both."""
    coef, counts = estimator._dual_coef_, estimator.n_support_
    starts = np.cumsum(counts) - counts
    own = [np.arange(start, start + n) for start, n in zip(starts, counts, strict=True)]
    length = max(counts[i] + counts[j] for i, j in pairs)
    if length * len(pairs) > MAX_WEIGHTS:
        raise NotCompiled(f"pairs of classes with {length:,} vectors, where libsvm is faster")
    # Shorter columns are padded with the place after the last vector, whose kernel is zero.
    places = np.full((length, len(pairs)), len(estimator.support_vectors_))
    weights = np.zeros(places.shape)
    for k, (i, j) in enumerate(pairs):
        places[: counts[i] + counts[j], k] = [*own[i], *own[j]]
        weights[: counts[i] + counts[j], k] = [*coef[j - 1, own[i]], *coef[i, own[j]]]
    return builder.do(
        "weigh_pairs",
        value,
        places=places,
        weights=weights,
        intercepts=estimator._intercept_,
    )
