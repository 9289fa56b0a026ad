"""How many of scikit-learn's estimators compile, with which methods, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import sklearn
from sklearn.utils import all_estimators

from tests.checkout import ROOT
from tests.plan.conftest import Prove
from tests.tables import check_table
from tests.test_all_estimators import ESTIMATORS, LEFT_OUT, fitted

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
        assert set(plan.fallback.values()) == {f"there is no rule for {name}"}
    elif name in DRAWS_LOTS:
        assert set(plan.fallback.values()) == {f"a {name} that draws lots"}
    else:
        assert set(plan.fallback) == SOME_METHODS.get(name, set())


def test_the_docs_list_the_estimators_that_are_served_and_those_with_a_plan() -> None:
    everything = len(all_estimators())
    without = [*NO_RULE, *DRAWS_LOTS]
    compiled = [name for name, _ in ESTIMATORS if name not in without]
    version = ".".join(sklearn.__version__.split(".")[:2])
    some = "; ".join(f"{name} for {', '.join(SOME_METHODS[name])}" for name in SOME_METHODS)
    check_table(
        "estimators",
        f"Of the {everything} estimators in scikit-learn {version}, {len(ESTIMATORS)} are served and "
        f"{len(compiled)} of these have a plan.\n\n"
        f"- A plan ({len(compiled)}): {listed(compiled)}.\n"
        f"- A plan without some methods: {some}.\n"
        f"- Served by scikit-learn ({len(without)}): {listed(without)}.\n"
        f"- Not served ({len(LEFT_OUT)}): {listed(LEFT_OUT)}. MultiLabelBinarizer takes sets of labels, "
        "PatchExtractor takes images, and the others have no method for new rows.",
    )
    check_table(
        "estimators",
        f"{len(ESTIMATORS)} of scikit-learn's {everything} estimators are served, in pipelines and "
        f"searches too, and {len(compiled)} of them have a plan: the model\n"
        "compiled to numpy operations and proven equal on 10,000 rows.",
        ROOT / "README.md",
    )


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
