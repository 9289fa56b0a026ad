"""Mixtures of Gaussian distributions."""

from __future__ import annotations

import pytest
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from tests.plan.conftest import Prove
from tests.plan.samples import CANCER, IRIS, quietly_fitted

KINDS = ["full", "tied", "diag", "spherical"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_is_compiled(prove: Prove, kind: str) -> None:
    prove(GaussianMixture(3, covariance_type=kind, random_state=0).fit(IRIS))
    prove(quietly_fitted(GaussianMixture(9, covariance_type=kind, random_state=0), CANCER))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prior", ["dirichlet_process", "dirichlet_distribution"])
def test_a_bayesian_mixture_is_compiled(prove: Prove, kind: str, prior: str) -> None:
    model = BayesianGaussianMixture(
        n_components=9,
        covariance_type=kind,
        weight_concentration_prior_type=prior,
        max_iter=20,
        random_state=0,
    )
    prove(quietly_fitted(model, IRIS))
