"""Whatever is put together of what compiles answers as scikit-learn does, on whatever rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

from models import fitted
from models.engines.plan import PlanEngine, compile_model
from models.plan import compare

# Columns that are constant, bins without width: what is fitted on chance may be odd.
pytestmark = pytest.mark.filterwarnings("ignore")

WORDS = ["red", "green", "blue", "grey"]
IMPUTERS = [
    SimpleImputer(),
    SimpleImputer(strategy="median", add_indicator=True),
    SimpleImputer(strategy="constant", fill_value=-1.0),
]
SCALERS = [
    StandardScaler(),
    MinMaxScaler(clip=True),
    RobustScaler(),
    PolynomialFeatures(2),
    QuantileTransformer(n_quantiles=9),
    KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
]
ENCODERS = [
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.2),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    TargetEncoder(random_state=0),
]
MODELS = [
    LogisticRegression(),
    Ridge(),
    GaussianNB(),
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(4, random_state=0),
    ExtraTreesRegressor(3, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
    HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2),
]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_random_pipeline_answers_as_its_plan_does(data: st.DataObject, tmp_path: Path) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    numbers, words = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    frame = table(generator, 40, numbers, words, WORDS[:3])
    steps = [data.draw(st.sampled_from(IMPUTERS)), data.draw(st.sampled_from(SCALERS))]
    columns = [("numbers", make_pipeline(*steps), [f"n{i}" for i in range(numbers)])]
    if words:
        filled = make_pipeline(
            SimpleImputer(strategy="most_frequent"), data.draw(st.sampled_from(ENCODERS))
        )
        columns.append(("words", filled, [f"w{i}" for i in range(words)]))
    target = generator.integers(0, 2, 40)
    target[:2] = 0, 1
    model = make_pipeline(
        ColumnTransformer(columns, sparse_threshold=0), data.draw(st.sampled_from(MODELS))
    ).fit(frame, target)

    joblib.dump(model, tmp_path / "m.joblib")
    loaded = fitted.load(tmp_path / "m.joblib")
    own = loaded.engine
    plan = compile_model(loaded)
    assert not plan.fallback
    fresh = table(generator, 30, numbers, words, WORDS)
    rows: Any = [
        tuple(None if pd.isna(value) else value for value in row)
        for row in fresh.itertuples(index=False)
    ]
    if loaded.signature.numeric:
        rows = np.array(rows, dtype=np.float64)
    batches = [rows, *(rows[i : i + 1] for i in range(5))]
    for method in plan.methods:
        _, compared, _ = compare.compare(method, own, PlanEngine(plan), batches)
        assert compared == 35


def table(
    generator: np.random.Generator, rows: int, numbers: int, words: int, known: list[str]
) -> pd.DataFrame:
    """Random rows, some values missing."""
    columns: dict[str, Any] = {}
    for i in range(numbers):
        column = generator.normal(size=rows) * 10.0 ** generator.integers(-3, 4)
        columns[f"n{i}"] = np.where(generator.random(rows) < 0.2, np.nan, column)
    for i in range(words):
        column = generator.choice(np.array(known, dtype=object), rows)
        columns[f"w{i}"] = [
            None if missing else word
            for missing, word in zip(generator.random(rows) < 0.2, column, strict=True)
        ]
    return pd.DataFrame(columns)
