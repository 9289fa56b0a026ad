"""The parts of explanations: rows to compare with, columns and their features, mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from models.card import background as chosen
from models.errors import Unexplained
from models.explain import background, permutation
from models.explain.columns import Mixed, follow, unfold
from models.explain.permutation import Permutation, as_rows, table
from models.plan import rule
from models.signature.types import Feature, Signature
from tests.shapley import brute_force

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 3))
GAPS = X.copy()
GAPS[::4, 0] = GAPS[:, 2] = np.nan
CODES = RANDOM.integers(3, size=(30, 3)).astype(float)


def clock() -> None:
    """There is always time."""


# What is transformed, how, and the feature of each column that comes out.
FOLLOWED = [
    (StandardScaler(), X, [0, 1, 2]),
    ("passthrough", X, [0, 1, 2]),
    (FunctionTransformer(), X, [0, 1, 2]),
    (FunctionTransformer(np.expm1), X, [0, 1, 2]),
    (OrdinalEncoder(), CODES, [0, 1, 2]),
    (OneHotEncoder(), CODES, [0, 0, 0, 1, 1, 1, 2, 2, 2]),
    (OneHotEncoder(drop="first"), CODES, [0, 0, 1, 1, 2, 2]),
    (OneHotEncoder(max_categories=2), CODES, [0, 0, 1, 1, 2, 2]),
    (TargetEncoder(), CODES, [0, 1, 2]),
    (KBinsDiscretizer(2, encode="ordinal"), X, [0, 1, 2]),
    (KBinsDiscretizer(2), X, [0, 0, 1, 1, 2, 2]),
    (SplineTransformer(n_knots=2, degree=1), X, [0, 0, 1, 1, 2, 2]),
    (SimpleImputer(), GAPS, [0, 1]),
    (SimpleImputer(add_indicator=True), GAPS, [0, 1, 0, 2]),
    (SimpleImputer(keep_empty_features=True), GAPS, [0, 1, 2]),
    (MissingIndicator(), GAPS, [0, 2]),
    (VarianceThreshold(), np.where([True, False, True], X, 1), [0, 2]),
    (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), np.where(np.isnan(GAPS), GAPS, CODES), [0, 0, 0, 1, 1, 1]),
    (make_union(StandardScaler(), "drop", "passthrough"), X, [0, 1, 2, 0, 1, 2]),
    (ColumnTransformer([("b", StandardScaler(), [2, 1]), ("n", "passthrough", []), ("d", "drop", [0])]), X, [2, 1]),
    (ColumnTransformer([("b", OneHotEncoder(), [1])], remainder="passthrough"), CODES, [1, 1, 1, 0, 2]),
    (FeatureUnion([("a", ColumnTransformer([("b", "passthrough", [1])]))]), X, [1]),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(FOLLOWED)))
@pytest.mark.filterwarnings("ignore:Skipping features without any observed")
def test_each_column_is_followed_to_its_feature(case: int) -> None:
    transformer, rows, expected = FOLLOWED[case]
    if transformer != "passthrough":
        transformed = transformer.fit(rows, RANDOM.integers(2, size=30)).transform(rows)
        assert transformed.shape[1] == len(expected)
        for feature in range(3):
            # Another value of a feature changes none but its own columns.
            moved = rows.copy()
            moved[:, feature] = np.roll(moved[:, feature], 1)
            one, other = (
                t.toarray() if hasattr(t, "toarray") else t
                for t in (transformed, transformer.transform(moved))
            )
            changed = np.flatnonzero(~np.isclose(one, other, equal_nan=True).all(axis=0))
            assert {expected[column] for column in changed} <= {feature}
    assert follow(transformer, range(3)) == expected
    assert follow(transformer, [5, 6, 7]) == [5 + place for place in expected]


@pytest.mark.parametrize(
    "transformer", [PCA(2), KNNImputer(), Normalizer(), FunctionTransformer(np.cumsum)], ids=lambda t: type(t).__name__
)  # fmt: skip
def test_what_may_mix_columns_is_not_followed(transformer: Any) -> None:
    with pytest.raises(Mixed, match="may mix columns"):
        follow(transformer.fit(X), range(3))


def test_a_rule_of_ones_own_says_where_columns_come_from() -> None:
    class Reversed(StandardScaler):
        def transform(self, X: Any) -> Any:
            return super().transform(X)[:, ::-1]

    with pytest.raises(Mixed, match="a Reversed may mix columns"):
        follow(Reversed().fit(X), range(3))
    rule(Reversed, origins=lambda step, columns: columns[::-1])(lambda *_: ())
    assert follow(Reversed().fit(X), [5, 6, 7]) == [7, 6, 5]


def test_a_pipeline_in_a_pipeline_is_unfolded() -> None:
    scaler, last = StandardScaler(), Ridge()
    inner = Pipeline([("a", None), ("b", scaler), ("c", last)])
    assert unfold(Pipeline([("p", "passthrough"), ("s", scaler), ("i", inner)])) == (
        [scaler, scaler],
        last,
    )


SIGNATURE = Signature(
    features=(
        Feature(name="size"),
        Feature(name="color", kind="string", categories=("red", "blue"), missing=True),
        Feature(name="code", categories=(1, 2), unknown="refused"),
        Feature(name="old", kind="boolean"),
        Feature(name="name", kind="string"),
        Feature(name="grade", categories=(1, 2, 3), unknown="refused"),
        Feature(name="id", kind="unused", missing=True),
    )
)
FACTS: dict[str, Any] = {
    "size": {"min": 0, "quartile_1": 1, "median": 2, "quartile_3": 4, "max": 10},
    "color": {"counts": {"blue": 45, "red": 5}},
    "code": {"counts": {"1": 1, "2": 1}},
    "old": {"counts": {"True": 9, "False": 1}},
    "name": {"counts": {"Ann": 1}},
    "grade": {"min": 1, "quartile_1": 1, "median": 2, "quartile_3": 2, "max": 3},
}


def test_rows_are_made_of_quartiles_and_counts() -> None:
    rows: Any = background.read(SIGNATURE, {"features": FACTS})
    sizes, colors, codes, old, names, grades, ids = zip(*rows, strict=True)
    assert (min(sizes), np.median(sizes), max(sizes)) == pytest.approx((0, 2, 10), abs=0.3)
    assert (colors.count("blue"), colors.count("red")) == (45, 5)
    assert (codes.count(1), codes.count(2)) == (25, 25)
    assert (old.count(True), old.count(False)) == (45, 5)
    assert sorted(set(grades)) == [1, 2, 3]
    assert (set(names), set(ids)) == ({"Ann"}, {None})
    assert background.read(SIGNATURE, {"features": FACTS}) == rows


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"background": []},
        {"features": ["size"]},
        {"features": {name: facts for name, facts in FACTS.items() if name != "old"}},
        {"features": FACTS | {"size": {"min": None, "max": 3}}},
        {"features": FACTS | {"size": 3}},
        {"features": FACTS | {"size": FACTS["size"] | {"min": "small"}}},
        {"background": "rows"},
    ],
    ids=["none", "empty", "names", "one lacks", "no number", "no facts", "a word", "a text"],
)
def test_a_card_that_does_not_tell_says_what_to_do(card: dict[str, Any]) -> None:
    with pytest.raises(
        Unexplained, match=r"make card DATA=train\.csv puts some of the training data into it"
    ):
        background.read(SIGNATURE, card)


def test_of_many_rows_a_hundred_are_taken() -> None:
    signature = Signature(features=(Feature(name="a"),))
    rows = background.read(signature, {"background": [[i] for i in range(1001)]})
    assert np.array_equal(rows, [[np.floor(i * 1000 / 99)] for i in range(100)])


def test_rows_of_objects_are_as_good() -> None:
    signature = Signature(features=(Feature(name="a"), Feature(name="b", missing=True)))
    rows = background.read(signature, {"background": [{"b": None, "a": 1}]})
    assert np.array_equal(rows, [[1, np.nan]], equal_nan=True)


def test_the_card_gets_rows_of_the_training_data() -> None:
    frame = pd.DataFrame({"n": [1.5, np.nan] * 40, "s": ["a", None] * 40, "i": range(80)})
    rows = chosen(frame, 50)
    assert rows == chosen(frame, 50)
    assert len(rows) == 50
    for n, s, i in rows:
        assert (n, s) == ((None, None) if i % 2 else (1.5, "a"))
    assert [len(chosen(frame[:3], count)) for count in (50, 2, 0)] == [3, 2, 0]


def curved(rows: Any) -> np.ndarray:
    """Something with interactions, with two outputs."""
    rows = np.asarray(rows, dtype=float)
    return np.column_stack(
        [rows[:, 0] * rows[:, -1] + np.sin(rows).sum(axis=1), np.abs(rows).max(axis=1)]
    )


@pytest.mark.parametrize("width", [1, 2, 5])
def test_all_coalitions_give_the_exact_values(width: int) -> None:
    rows, others = RANDOM.normal(size=(3, width)), RANDOM.normal(size=(4, width))
    way = Permutation("predict", curved, others, range(width), width)
    assert way.exact
    found = way.contributions(rows, curved(rows), clock)
    for row, values in zip(rows, found, strict=True):
        base, expected = brute_force(curved, row, others)  # type: ignore[arg-type]
        assert np.allclose(way.base, base)
        assert np.allclose(values, expected)


def test_walks_come_close_to_the_exact_values(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    rows, others = generator.normal(size=(3, 11)), generator.normal(size=(10, 11))
    walks = Permutation("predict", curved, others, range(11), 11)
    assert len(walks._masks) <= permutation.MAX_MIXTURES_PER_ROW
    assert walks.max_rows == permutation.MAX_MIXTURES // len(walks._masks)
    monkeypatch.setattr(permutation, "MAX_MIXTURES_PER_ROW", 100_000)
    exact = Permutation("predict", curved, others, range(11), 11)
    assert (walks.exact, exact.exact) == (False, True)
    outputs = curved(rows)
    expected = exact.contributions(rows, outputs, clock)
    assert np.allclose(walks.base, exact.base)
    assert np.abs(walks.contributions(rows, outputs, clock) - expected).max() < 0.05


def test_few_calls_have_all_mixtures() -> None:
    calls: list[int] = []

    def ask(rows: Any) -> np.ndarray:
        calls.append(len(rows))
        return curved(rows)

    rows = RANDOM.normal(size=(100, 3))
    way = Permutation("predict", ask, X[:10], range(3), 3)
    way.contributions(rows, curved(rows), clock)
    # 8 coalitions with 10 rows for each of 100.
    assert calls == [10, 4080, 3920]


def test_a_wide_model_is_compared_with_fewer_rows() -> None:
    wide = RANDOM.normal(size=(20, 1500))
    way = Permutation("predict", curved, wide, range(1500), 1500)
    assert len(way._background) == 3
    assert np.allclose(way.base, curved(wide[:3]).mean(axis=0))
    found = way.contributions(wide[-1:], curved(wide[-1:]), clock)
    assert np.allclose(way.base + found.sum(axis=1), curved(wide[-1:]))
    with pytest.raises(Unexplained, match="This model has 5002 features; at most 5001 can be"):
        Permutation("predict", curved, np.zeros((1, 5002)), range(5002), 5002)


def test_those_who_do_not_play_get_nothing() -> None:
    rows, others = RANDOM.normal(size=(2, 4)), RANDOM.normal(size=(3, 4))

    def ask(rows: Any) -> np.ndarray:
        return curved(rows[:, [0, 3]])

    found = Permutation("predict", ask, others, [0, 3], 4).contributions(rows, ask(rows), clock)
    assert not found[:, 1:3].any()
    assert np.allclose(
        found[:, [0, 3]],
        Permutation("predict", curved, others[:, [0, 3]], [0, 1], 2).contributions(
            rows[:, [0, 3]], ask(rows), clock
        ),
    )


@given(
    width=st.integers(1, 12),
    rows=st.integers(1, 3),
    others=st.integers(1, 6),
    seed=st.integers(0, 1000),
    room=st.sampled_from([30, 100, 1000, 10_000]),
)
def test_contributions_add_up_to_the_difference_from_the_base(
    width: int, rows: int, others: int, seed: int, room: int
) -> None:
    generator = np.random.default_rng(seed)
    given_rows = generator.normal(size=(rows, width)) * 10.0 ** generator.integers(-3, 4)
    weights = generator.normal(size=(width, 3))

    def ask(rows: Any) -> np.ndarray:
        products: np.ndarray = rows @ weights
        found: np.ndarray = np.where(products > 0, np.exp(-(products**2)), rows[:, :1])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(permutation, "MAX_MIXTURES_PER_ROW", room)
        way = Permutation(
            "predict", ask, generator.normal(size=(others, width)), range(width), width
        )
    outputs = ask(given_rows)
    found = way.contributions(given_rows, outputs, clock)
    total = way.base + found.sum(axis=1)
    assert np.abs(total - outputs).max() <= 1e-9 * max(1, np.abs(outputs).max())


def test_rows_of_mixed_kinds_stay_what_they_are() -> None:
    rows = [(1, "a", None, True, 2.5), (2, "b", "c", False, 3.0)]
    again: Any = as_rows(table(rows))
    assert again == rows
    assert [type(value) for value in again[0]] == [int, str, type(None), bool, float]
