"""Nearest neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.preprocessing import normalize

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from .linear import finite_numbers

METRICS = {"l2": "euclidean", "l1": "manhattan", "cityblock": "manhattan"}
# scikit-learn sorts more neighbors by an algorithm that orders equal distances otherwise.
MAX_NEIGHBORS = 15
# With more numbers, or more points of few features, scikit-learn's tree skips so many points that
# it is twice as fast for many rows.
MAX_NUMBERS = 200_000
FEW_FEATURES = 8
MAX_POINTS_OF_FEW_FEATURES = 1_000


def found(builder: Builder, estimator: Any, table: Table) -> tuple[Value, Value]:
    """The nearest points as the tree finds them, and as `kneighbors` gives them."""
    metric, points = estimator.effective_metric_, estimator._fit_X  # noqa: SLF001
    if not isinstance(points, np.ndarray) or points.dtype != np.float64:
        raise NotCompiled("neighbors in single precision or in a sparse matrix")
    count, brute = estimator.n_neighbors, estimator._fit_method == "brute"  # noqa: SLF001
    metric = METRICS.get(metric, metric)
    if brute and metric == "cosine":
        value = finite_numbers(builder, table)
        near = builder.do("nearest_by_angle", value, points=normalize(points), count=count)
        return near, near
    if metric not in ("euclidean", "manhattan", "chebyshev"):
        raise NotCompiled(f"neighbors by the metric {metric}")
    if brute:
        raise NotCompiled("brute force, where the order of equals depends on rows and threads")
    if count > MAX_NEIGHBORS:
        raise NotCompiled(f"more than {MAX_NEIGHBORS} neighbors")
    few = points.shape[1] < FEW_FEATURES
    if points.size > MAX_NUMBERS or (few and len(points) > MAX_POINTS_OF_FEW_FEATURES):
        raise NotCompiled(f"the nearest of {len(points):,} points, where scikit-learn is faster")
    near = builder.do(
        "nearest",
        finite_numbers(builder, table),
        points=np.ascontiguousarray(points.T),
        metric=metric,
        count=count,
        **tree_of(estimator._tree),  # noqa: SLF001
    )
    return near, builder.do("sqrt_distances", near) if metric == "euclidean" else near


def tree_of(tree: Any) -> dict[str, Any]:
    """The nodes of a k-d tree, which are boxes, or of a ball tree."""
    _, order, nodes, bounds = (np.asarray(each) for each in tree.get_arrays())
    boxes = len(bounds) == 2
    return {
        "low": np.ascontiguousarray(bounds[0].T),
        "high": np.ascontiguousarray(bounds[-1].T),
        "radii": np.empty(0) if boxes else nodes["radius"],
        "starts": nodes["idx_start"].tolist(),
        "ends": np.where(nodes["is_leaf"], nodes["idx_end"], nodes["idx_start"]).tolist(),
        "order": order,
    }


@rule(NearestNeighbors, predicts=True)
def nearest_neighbors(builder: Builder, estimator: NearestNeighbors, table: Table) -> Outputs:
    """Distances to the nearest points, and their numbers."""
    return {"kneighbors": found(builder, estimator, table)[1]}


def weights_of(builder: Builder, estimator: Any, distances: Value) -> tuple[Value, ...]:
    """The weights of the neighbors; nothing if they are equal."""
    if callable(estimator.weights):
        raise NotCompiled("weights of neighbors by a function")
    return (builder.do("inverse_distances", distances),) if estimator.weights == "distance" else ()


@rule(KNeighborsClassifier, predicts=True)
def classifier(builder: Builder, estimator: KNeighborsClassifier, table: Table) -> Outputs:
    """The label that most neighbors have."""
    if estimator.outputs_2d_:
        raise NotCompiled("neighbors with several labels")
    near, known = found(builder, estimator, table)
    classes = estimator.classes_
    votes = builder.do(
        "neighbor_votes",
        near,
        *weights_of(builder, estimator, known),
        labels=estimator._y,  # noqa: SLF001
        count=len(classes),
    )
    return {
        "predict": builder.do("most_votes", votes, labels=classes),
        "predict_proba": builder.do("vote_shares", votes),
        "kneighbors": known,
    }


@rule(KNeighborsRegressor, predicts=True)
def regressor(builder: Builder, estimator: KNeighborsRegressor, table: Table) -> Outputs:
    """The mean of the neighbors' numbers."""
    near, known = found(builder, estimator, table)
    targets = estimator._y  # noqa: SLF001
    weights = weights_of(builder, estimator, known)
    if not weights:
        value = builder.do("neighbor_mean", near, targets=targets)
    else:
        both = np.ascontiguousarray(targets.reshape(len(targets), -1).T)
        value = builder.do("weighted_neighbor_mean", near, *weights, targets=both)
        value = builder.do("column", value, index=0) if targets.ndim == 1 else value
    return {"predict": value, "kneighbors": known}
