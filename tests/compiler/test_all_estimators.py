"""How many of scikit-learn's estimators compile, with which methods, and why the others do not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compiler.conftest import Prove
from tests.test_all_estimators import ESTIMATORS, fitted

# Their own warnings, as of a logarithm of zero, are not what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore")

NO_RULE = [
    "AdditiveChi2Sampler",
    "AffinityPropagation",
    "BernoulliRBM",
    "Birch",
    "DictionaryLearning",
    "EllipticEnvelope",
    "EmpiricalCovariance",
    "FactorAnalysis",
    "FastICA",
    "FeatureAgglomeration",
    "FeatureHasher",
    "GaussianProcessClassifier",
    "GaussianProcessRegressor",
    "GaussianRandomProjection",
    "GraphicalLasso",
    "GraphicalLassoCV",
    "HashingVectorizer",
    "Isomap",
    "KNNImputer",
    "KNeighborsTransformer",
    "KernelCenterer",
    "KernelDensity",
    "KernelPCA",
    "KernelRidge",
    "LabelEncoder",
    "LabelPropagation",
    "LabelSpreading",
    "LatentDirichletAllocation",
    "LedoitWolf",
    "LocalOutlierFactor",
    "LocallyLinearEmbedding",
    "MeanShift",
    "MinCovDet",
    "MiniBatchDictionaryLearning",
    "MiniBatchNMF",
    "MiniBatchSparsePCA",
    "NMF",
    "NeighborhoodComponentsAnalysis",
    "Nystroem",
    "OAS",
    "PolynomialCountSketch",
    "RBFSampler",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "ShrunkCovariance",
    "SkewedChi2Sampler",
    "SparseCoder",
    "SparsePCA",
    "SparseRandomProjection",
]
DRAWS_LOTS = ["DummyClassifier"]
SOME_METHODS = {"IsotonicRegression": {"transform"}, "NearestNeighbors": {"radius_neighbors"}}


@pytest.mark.parametrize(("name", "cls"), ESTIMATORS, ids=[name for name, _ in ESTIMATORS])
def test_its_plan_is_proven_or_the_reason_is_known(name: str, cls: Any, prove: Prove) -> None:
    estimator, _, _ = fitted(name, cls)
    plan = prove(estimator, left=None)
    if name in NO_RULE:
        assert set(plan.left.values()) == {f"there is no rule for {name}"}
    elif name in DRAWS_LOTS:
        assert set(plan.left.values()) == {f"a {name} that draws lots"}
    else:
        assert set(plan.left) == SOME_METHODS.get(name, set())


def test_146_of_them_compile() -> None:
    without = len(NO_RULE) + len(DRAWS_LOTS)
    print(f"\n{len(ESTIMATORS) - without} of {len(ESTIMATORS)} estimators have a plan;")
    print(f"all but {', '.join(SOME_METHODS)} for every method. No rule: {', '.join(NO_RULE)}")
    assert len(ESTIMATORS) - without == 146
