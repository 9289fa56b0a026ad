"""Naive Bayes classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)

from ..builder import ZERO_OR_ONE, Builder, Outputs, Table, Value, rule
from .linear import finite_numbers, weighable


def from_joint(builder: Builder, joint: Value, estimator: Any) -> Outputs:
    """Labels and probabilities from the logarithm of each class's joint probability."""
    logarithms = builder.do("subtract", joint, builder.do("log_sum_exp", joint))
    return {
        "predict": builder.do("choose", joint, labels=estimator.classes_),
        "predict_joint_log_proba": joint,
        "predict_log_proba": logarithms,
        "predict_proba": builder.do("exp", logarithms),
    }


@rule(GaussianNB, predicts=True)
def gaussian(builder: Builder, estimator: GaussianNB, table: Table) -> Outputs:
    """Each feature has a normal distribution of its own in each class."""
    variances = estimator.var_
    joint = builder.do(
        "naive_density",
        finite_numbers(builder, table),
        means=estimator.theta_,
        variances=variances,
        constants=np.array([-0.5 * np.sum(np.log(2.0 * np.pi * each)) for each in variances]),
        priors=np.log(estimator.class_prior_),
    )
    return from_joint(builder, joint, estimator)


@rule(MultinomialNB, ComplementNB, predicts=True)
def counts(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """Each feature is a count; the prior of a complement counts only if there is one class."""
    prior = estimator.class_log_prior_
    if isinstance(estimator, ComplementNB) and len(estimator.classes_) > 1:
        prior = np.zeros(len(prior))
    value = weighable(builder, table)
    joint = builder.do("affine", value, coef=estimator.feature_log_prob_, intercept=prior)
    return from_joint(builder, joint, estimator)


@rule(BernoulliNB, predicts=True)
def bernoulli(builder: Builder, estimator: BernoulliNB, table: Table) -> Outputs:
    """Each feature is there or not."""
    value = finite_numbers(builder, table)
    if estimator.binarize is not None:
        value = builder.do(
            "choose_above", value, labels=ZERO_OR_ONE, threshold=float(estimator.binarize)
        )
    there = estimator.feature_log_prob_
    absent = np.log(1 - np.exp(there))
    joint = builder.do(
        "affine",
        value,
        coef=there - absent,
        intercept=estimator.class_log_prior_ + absent.sum(axis=1),
    )
    return from_joint(builder, joint, estimator)


@rule(CategoricalNB, predicts=True)
def categorical(builder: Builder, estimator: CategoricalNB, table: Table) -> Outputs:
    """Each feature is the number of a category."""
    sizes = np.array([len(each.T) for each in estimator.feature_log_prob_])
    joint = builder.do(
        "sum_of_categories",
        finite_numbers(builder, table),
        table=np.concatenate([each.T for each in estimator.feature_log_prob_]),
        starts=np.cumsum(sizes) - sizes,
        sizes=sizes,
        prior=estimator.class_log_prior_,
    )
    return from_joint(builder, joint, estimator)
