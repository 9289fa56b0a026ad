"""Encoders of categories, bins and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    LabelBinarizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from models.engines.plan import PlanEngine
from tests.plan.conftest import Prove

GENERATOR = np.random.default_rng(0)
PARTS = [0.4, 0.3, 0.15, 0.1, 0.05]
TEXTS = GENERATOR.choice(list("abcde"), p=PARTS, size=(120, 2)).astype(object)
TEXTS[:, 1] = np.where(TEXTS[:, 1] > "b", "b", TEXTS[:, 1])
TEXTS_NONE, TEXTS_NAN, TEXTS_BOTH = TEXTS.copy(), TEXTS.copy(), TEXTS.copy()
TEXTS_NONE[::9, 0] = None
TEXTS_NAN[::9] = np.nan
TEXTS_BOTH[::9, 0] = np.nan
TEXTS_BOTH[1::9, 0] = None
WHOLE = GENERATOR.choice(5, p=PARTS, size=(120, 2))
WHOLE[:, 1] = np.minimum(WHOLE[:, 1], 1)
FLOATS = WHOLE + 0.5
FLOATS_NAN = FLOATS.copy()
FLOATS_NAN[::9] = np.nan
TRUTH = WHOLE > 1
TABLES = {
    "texts": TEXTS,
    "texts or None": TEXTS_NONE,
    "texts or NaN": TEXTS_NAN,
    "texts, None or NaN": TEXTS_BOTH,
    "strings": TEXTS.astype(str),
    "whole numbers": WHOLE,
    "numbers": FLOATS,
    "numbers or NaN": FLOATS_NAN,
    "booleans": TRUTH,
}
NUMBERS = GENERATOR.normal(size=(120, 3))
NUMBERS[:, 2] = NUMBERS[:, 2] > 0
TWO = (NUMBERS[:, 0] > 0).astype(int)
THREE = GENERATOR.choice(["x", "y", "z"], size=120)


@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize(
    "estimator",
    [
        OneHotEncoder(),
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="ignore", drop="first", sparse_output=False),
        OneHotEncoder(handle_unknown="ignore", drop="if_binary"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=15),
        OneHotEncoder(handle_unknown="warn", max_categories=3, drop="first"),
        OneHotEncoder(min_frequency=0.2, dtype=int),
        OrdinalEncoder(),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, min_frequency=15),
        OrdinalEncoder(encoded_missing_value=-2, max_categories=3),
        OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=99,
            encoded_missing_value=-2,
            dtype=int,
        ),
    ],
    ids=lambda estimator: str(estimator).replace("\n", ""),
)
@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_an_encoder_is_compiled(prove: Prove, estimator: Any, rows: Any) -> None:
    prove(estimator.fit(rows))


@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("target", [TWO, THREE, NUMBERS[:, 0]], ids=["two", "three", "number"])
def test_a_target_encoder_is_compiled(prove: Prove, target: Any, rows: Any) -> None:
    prove(TargetEncoder(random_state=0).fit(rows, target))


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_categories_and_what_is_dropped_can_be_named(prove: Prove) -> None:
    categories = [["c", "b", "a", "d", "e", "f"], ["a", "b"]]
    prove(OneHotEncoder(categories=categories).fit(TEXTS))
    prove(OneHotEncoder(drop=["b", "a"], handle_unknown="ignore").fit(TEXTS))
    prove(OneHotEncoder(drop=["b", "a"], handle_unknown="ignore", min_frequency=15).fit(TEXTS))
    prove(OrdinalEncoder(categories=categories).fit(TEXTS))


def test_types_of_a_data_frame_are_kept(prove: Prove) -> None:
    frame = pd.DataFrame(
        {"t": TEXTS_NONE[:, 0], "w": WHOLE[:, 0], "b": TRUTH[:, 0], "f": FLOATS_NAN[:, 0]}
    )
    prove(OneHotEncoder(handle_unknown="ignore").fit(frame))
    prove(
        OneHotEncoder(sparse_output=False, handle_unknown="ignore")
        .set_output(transform="pandas")
        .fit(frame)
    )
    prove(TargetEncoder(random_state=0).fit(frame, TWO))


def test_what_is_encoded_goes_on(prove: Prove) -> None:
    frame = pd.DataFrame({"t": TEXTS[:, 0], "w": WHOLE[:, 0], "x": NUMBERS[:, 0]})
    transformer = ColumnTransformer(
        [
            ("t", OneHotEncoder(handle_unknown="ignore"), ["t"]),
            ("w", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), ["w"]),
            ("x", StandardScaler(), ["x"]),
        ]
    )
    prove(transformer.fit(frame))
    model = make_pipeline(transformer, SimpleImputer(), LogisticRegression()).fit(frame, TWO)
    prove(model)


def test_what_no_model_bears_is_refused(prove: Prove) -> None:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prove(make_pipeline(encoder, LogisticRegression()).fit(TEXTS, TWO))


def test_one_column_may_be_encoded_twice(prove: Prove) -> None:
    both = ColumnTransformer(
        [
            ("a", OneHotEncoder(), [0]),
            ("b", OneHotEncoder(handle_unknown="ignore"), [0, 1]),
        ]
    )
    prove(both.fit(TEXTS))


def test_an_unknown_number_is_no_number_of_its_own(prove: Prove) -> None:
    both = ColumnTransformer(
        [("a", StandardScaler(), [0]), ("b", OneHotEncoder(handle_unknown="ignore"), [0])]
    )
    prove(both.fit(WHOLE), left={"transform"})


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_many_categories_are_put_in_their_places(
    prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.plan.rules.encoders.MAX_TABLE_CELLS", 10)
    plan = prove(OneHotEncoder(handle_unknown="ignore", drop="first").fit(WHOLE))
    assert "one_hot" in {step.operation for step in plan.steps}


def test_numbers_that_steps_have_made_are_encoded(prove: Prove) -> None:
    bins = KBinsDiscretizer(4, encode="ordinal")
    prove(make_pipeline(bins, OneHotEncoder(handle_unknown="ignore")).fit(NUMBERS[:, :2]))
    function = FunctionTransformer(np.floor)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prove(make_pipeline(function, encoder).fit(NUMBERS))
    prove(make_pipeline(function, OneHotEncoder()).fit(NUMBERS))
    prove(make_pipeline(function, OneHotEncoder(handle_unknown="ignore")).fit(FLOATS_NAN))


@pytest.mark.parametrize("encode", ["onehot", "onehot-dense", "ordinal"])
@pytest.mark.parametrize("strategy", ["uniform", "quantile", "kmeans"])
@pytest.mark.filterwarnings("ignore:Bins whose width")
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_numbers_are_put_into_bins(prove: Prove, encode: str, strategy: str) -> None:
    settings: dict[str, Any] = {"encode": encode, "strategy": strategy, "dtype": np.float64}
    if strategy == "quantile":
        settings["quantile_method"] = "averaged_inverted_cdf"
    rows = NUMBERS if strategy != "kmeans" else NUMBERS[:, :2]
    prove(KBinsDiscretizer([2, 5, 3][: rows.shape[1]], **settings).fit(rows))


@pytest.mark.parametrize(
    "labels", [TWO, THREE, np.ones(3, int), WHOLE[:, 0]], ids=["two", "three", "one", "five"]
)
def test_labels_are_put_into_columns(prove: Prove, labels: Any) -> None:
    plan = prove(LabelBinarizer().fit(labels))
    prove(LabelBinarizer(neg_label=-2, pos_label=3).fit(labels))
    prove(LabelBinarizer(sparse_output=True).fit(labels))
    with pytest.raises(ValueError, match="unknown"):
        PlanEngine(plan).run("transform", [("other",)])


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        (OneHotEncoder(dtype=np.float32), TEXTS),
        (OrdinalEncoder(dtype=np.float32), WHOLE),
        (
            KBinsDiscretizer(dtype=np.float32, quantile_method="averaged_inverted_cdf"),
            NUMBERS[:, :2],
        ),
        (make_pipeline(FunctionTransformer(), OneHotEncoder()), TEXTS),
        (LabelBinarizer(), np.eye(3, dtype=int)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_rest_is_left_to_scikit_learn(prove: Prove, estimator: Any, rows: Any) -> None:
    prove(estimator.fit(rows), left={"transform"})
