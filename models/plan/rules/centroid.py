"""The nearest of the classes' centroids."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestCentroid
from sklearn.utils.extmath import row_norms

from ..builder import Builder, Outputs, Table, rule
from ..errors import NotCompiled
from .discriminant import from_scores
from .linear import finite_numbers


@rule(NearestCentroid, predicts=True)
def nearest_centroid(builder: Builder, estimator: NearestCentroid, table: Table) -> Outputs:
    """The class of the nearest centroid; scores are of scaled features, and count the priors."""
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
