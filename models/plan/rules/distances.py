"""Clusters around centers, and the nearest centroid."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.neighbors import NearestCentroid
from sklearn.utils.extmath import row_norms

from ..builder import Builder, Outputs, Table, rule
from ..errors import NotCompiled
from .gaussian import from_scores
from .linear import finite_numbers


def centers_of(estimator: Any) -> np.ndarray:
    """The centers in float64. Raises NotCompiled for float32."""
    if estimator.cluster_centers_.dtype != np.float64:
        raise NotCompiled("centers in single precision")
    return np.asarray(estimator.cluster_centers_)


@rule(KMeans, MiniBatchKMeans, predicts=True)
def k_means(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The nearest center."""
    centers = centers_of(estimator)
    norms = row_norms(centers, squared=True)
    value = finite_numbers(builder, table)
    return {"predict": builder.do("nearest_center", value, centers=centers, norms=norms)}


@rule(KMeans, MiniBatchKMeans, BisectingKMeans)
def k_means_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """The distance to each center."""
    centers = centers_of(estimator)
    norms = row_norms(centers, squared=True)
    found = builder.do("euclidean", finite_numbers(builder, table), points=centers, norms=norms)
    return builder.columns(found, len(centers))


@rule(BisectingKMeans, predicts=True)
def bisecting_k_means(builder: Builder, estimator: BisectingKMeans, table: Table) -> Outputs:
    """The cluster reached by going to the nearer of two centers, level by level down a tree."""
    centers_of(estimator)
    root = estimator._bisecting_tree  # noqa: SLF001
    inner = [root] if root.left else []
    for node in inner:
        inner += [child for child in (node.left, node.right) if child.left]
    if not inner:
        raise NotCompiled("a BisectingKMeans with one cluster")
    numbers = {id(node): number for number, node in enumerate(inner)}
    both = [child for node in inner for child in (node.left, node.right)]
    centers = np.array([child.center for child in both]) + getattr(estimator, "_X_mean", 0)
    reached = builder.do(
        "nearest_leaf",
        finite_numbers(builder, table),
        centers=centers,
        norms=row_norms(centers, squared=True),
        children=np.array([numbers[id(c)] if c.left else -1 - c.label for c in both]),
        depth=height(root),
    )
    return {"predict": reached}


def height(node: Any) -> int:
    """The number of steps down to the lowest leaf."""
    return 1 + max(height(node.left), height(node.right)) if node.left else 0


@rule(NearestCentroid, predicts=True)
def nearest_centroid(builder: Builder, estimator: NearestCentroid, table: Table) -> Outputs:
    """The class of the nearest centroid; scores use scaled features and the priors."""
    if estimator.metric != "euclidean" or estimator.centroids_.dtype != np.float64:
        raise NotCompiled("a NearestCentroid that is not Euclidean, or in single precision")
    classes, priors, centroids = estimator.classes_, estimator.class_prior_, estimator.centroids_
    value = finite_numbers(builder, table)
    spread = np.where(estimator.within_class_std_dev_ == 0, 1, estimator.within_class_std_dev_)
    scaled = centroids / spread
    scores = builder.do(
        "centroid_scores",
        builder.do("require_finite", builder.do("divide", value, y=spread)),
        points=scaled,
        norms=row_norms(scaled, squared=True),
        priors=2.0 * np.log(priors),
    )
    outputs = dict(from_scores(builder, scores, classes))
    if np.isclose(priors, 1 / len(classes)).all():
        norms = row_norms(centroids, squared=True)
        place = builder.do("nearest_point", value, points=centroids, norms=norms)
        outputs["predict"] = builder.do("lookup", place, table=classes)
    return outputs
