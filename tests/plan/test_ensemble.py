"""Estimators that vote, and stacks of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.plan.builder import Builder
from models.plan.errors import NotCompiled
from models.plan.rules.responses import answer
from models.signature.types import Feature, Signature
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

CLASSIFIERS: list[Any] = [
    ("logistic", LOGISTIC),
    ("forest", RandomForestClassifier(5, max_depth=4, random_state=0)),
    ("bayes", GaussianNB()),
]
REGRESSORS: list[Any] = [
    ("linear", LinearRegression()),
    ("ridge", Ridge()),
    ("forest", RandomForestRegressor(5, max_depth=4, random_state=0)),
]


@pytest.mark.parametrize("weights", [None, [0.1, 2, 0.7]])
@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_classifiers_that_vote_are_compiled(prove: Prove, voting: str, weights: Any) -> None:
    prove(VotingClassifier(CLASSIFIERS, voting=voting, weights=weights).fit(FEW_IRIS, FEW_NAMES))


def test_a_vote_of_those_that_were_not_dropped_is_compiled(prove: Prove) -> None:
    model = VotingClassifier(CLASSIFIERS, weights=[1, 2, 3]).set_params(forest="drop")
    prove(model.fit(FEW_CANCER, FEW_BENIGN))


def test_probabilities_in_three_dimensions_are_left(prove: Prove) -> None:
    model = VotingClassifier(CLASSIFIERS, voting="soft", flatten_transform=False)
    prove(model.fit(FEW_IRIS, FEW_NAMES), left=["transform"])


@pytest.mark.parametrize("weights", [None, [0.1, 2, 0.7]])
def test_regressors_that_vote_are_compiled(prove: Prove, weights: Any) -> None:
    prove(VotingRegressor(REGRESSORS, weights=weights).fit(FEW_X, FEW_Y))


def test_many_regressors_are_added_in_numpys_order(prove: Prove) -> None:
    many = [(str(i), Ridge(alpha=i + 1)) for i in range(11)]
    prove(VotingRegressor(many).fit(FEW_X, FEW_Y))
    prove(VotingRegressor(many, weights=np.arange(1, 12) / 7).fit(FEW_X, FEW_Y))


@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_stack_of_classifiers_is_compiled(
    prove: Prove, classes: int, *, passthrough: bool
) -> None:
    table, target = (FEW_CANCER, FEW_BENIGN) if classes == 2 else (FEW_IRIS, FEW_NAMES)
    parts = [*CLASSIFIERS[:2], ("margin", RidgeClassifier())]
    final = make_pipeline(StandardScaler(), LogisticRegression())
    prove(StackingClassifier(parts, final, cv=2, passthrough=passthrough).fit(table, target))


@pytest.mark.parametrize("method", ["predict", "decision_function", "predict_proba"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_stack_asks_for_one_method(prove: Prove, method: str, classes: int) -> None:
    table, target = (FEW_CANCER, FEW_BENIGN) if classes == 2 else (FEW_IRIS, FEW_NAMES)
    model = StackingClassifier(
        CLASSIFIERS[:1], RandomForestClassifier(3, random_state=0), cv=2, stack_method=method
    )
    prove(model.fit(table, target))


def test_a_stack_of_regressors_is_compiled(prove: Prove) -> None:
    prove(StackingRegressor([*REGRESSORS, ("none", "drop")], Ridge(), cv=2).fit(FEW_X, FEW_Y))
    prove(StackingRegressor(REGRESSORS[:2], Ridge(), cv=2, passthrough=True).fit(FEW_X, FEW_Y))


def test_a_stack_passes_the_words_of_texts_on(prove: Prove) -> None:
    texts = ["the fox", "the dog and the fox", "a lazy dog", "a fox", "no dog", "dogs and a fox"]
    stack = StackingClassifier([("one", LogisticRegression())], cv=2, passthrough=True)
    prove(make_pipeline(TfidfVectorizer(), stack).fit(texts, [0, 1, 1, 0, 1, 0]))


def test_a_stack_with_several_outputs_is_left(prove: Prove) -> None:
    both = np.stack([FEW_BENIGN, 1 - FEW_BENIGN], axis=1)
    both[::3, 0] = 0
    model = StackingClassifier(
        [("forest", RandomForestClassifier(2, random_state=0))],
        MultiOutputClassifier(LogisticRegression()),
        cv=2,
    )
    prove(model.fit(FEW_CANCER, both), left=["predict", "predict_proba", "transform"])


def test_a_part_without_a_rule_for_a_method_is_left(prove: Prove) -> None:
    many = np.stack([FEW_BENIGN, FEW_BENIGN + (FEW_CANCER[:, 0] > 14)], axis=1)
    chain = ClassifierChain(RandomForestClassifier(2, random_state=0)).fit(FEW_CANCER, many)
    builder = Builder(Signature(features=tuple(Feature(name=name) for name in "abc")))
    with pytest.raises(NotCompiled, match="there is no rule for predict_proba of ClassifierChain"):
        answer(builder, chain, builder.table, "predict_proba")
