"""Fit a model of each library, save it, and write what it answers itself: FOLDER."""  # noqa: INP001

# mypy: ignore-errors
# It runs in an environment that has the libraries. For each model there is NAME.joblib, and in
# own.json the rows as a user writes them, and the answers of each method for them. `odd` are rows
# with a category that is new, or missing, and the answer for each, or null.

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import category_encoders
import imblearn.over_sampling
import imblearn.pipeline
import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from catboost import CatBoostClassifier, CatBoostRegressor
from feature_engine.encoding import OrdinalEncoder as ArbitraryEncoder
from feature_engine.imputation import CategoricalImputer, MeanMedianImputer
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROWS = 40
folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
size = 400
cities = np.array(["Bern", "Oslo", "Rome"], dtype=object)[rng.integers(0, 3, size)]
codes = np.array([10, 20, 30])[rng.integers(0, 3, size)]
numbers = pd.DataFrame(
    {
        "age": rng.normal(40, 9, size).round(2),
        "visits": rng.integers(0, 30, size),
        "paid": rng.exponential(20, size).round(1),
    }
)
y = numbers.age / 10 + (cities == "Oslo") * 3 + codes / 10 + rng.normal(0, 0.1, size)
label = np.where(y > np.median(y), "high", "low")
ranks = np.digitize(y, np.quantile(y, [0.25, 0.5, 0.75]))
mixed = numbers.assign(city=cities)
missing = mixed.copy()
missing.loc[::7, "age"] = np.nan
missing.loc[::5, "city"] = None
category = numbers.assign(
    city=pd.Categorical(cities, categories=["Rome", "Oslo", "Bern"]), code=pd.Categorical(codes)
)
coded = numbers.assign(city=cities, code=codes)

quiet = {"verbose": 0, "allow_writing_files": False}
split = make_column_transformer(
    (StandardScaler(), ["age", "paid"]), (OneHotEncoder(), ["city"]), remainder="passthrough"
)


def passing() -> Any:
    """Scales one column, and passes the others on in a frame."""
    mixed = make_column_transformer((StandardScaler(), ["age"]), remainder="passthrough")
    return mixed.set_output(transform="pandas")


models: dict[str, tuple[Any, pd.DataFrame]] = {
    "LightGBM classifier": (
        make_pipeline(split, lightgbm.LGBMClassifier(n_estimators=20, verbose=-1)).fit(
            mixed, label
        ),
        mixed,
    ),
    "LightGBM regressor": (
        lightgbm.LGBMRegressor(n_estimators=20, verbose=-1).fit(numbers, y),
        numbers,
    ),
    "LightGBM ranker": (
        lightgbm.LGBMRanker(n_estimators=20, verbose=-1).fit(numbers, ranks, group=[20] * 20),
        numbers,
    ),
    "LightGBM category columns": (
        lightgbm.LGBMRegressor(n_estimators=20, verbose=-1).fit(category, y),
        category,
    ),
    "XGBoost classifier": (
        make_pipeline(split, xgboost.XGBClassifier(n_estimators=20)).fit(mixed, label == "high"),
        mixed,
    ),
    "XGBoost regressor": (xgboost.XGBRegressor(n_estimators=20).fit(numbers, y), numbers),
    "XGBoost gblinear": (
        xgboost.XGBRegressor(n_estimators=20, booster="gblinear").fit(numbers, y),
        numbers,
    ),
    "XGBoost category columns": (
        xgboost.XGBRegressor(n_estimators=20, enable_categorical=True).fit(category, y),
        category,
    ),
    "XGBoost in a search": (
        GridSearchCV(xgboost.XGBRegressor(n_estimators=9), {"max_depth": [2, 3]}, cv=2).fit(
            numbers, y
        ),
        numbers,
    ),
    "CatBoost classifier": (
        CatBoostClassifier(iterations=20, **quiet).fit(numbers.to_numpy(), label),
        numbers.set_axis(["x0", "x1", "x2"], axis=1),
    ),
    "CatBoost regressor": (CatBoostRegressor(iterations=20, **quiet).fit(numbers, y), numbers),
    "CatBoost category columns": (
        CatBoostRegressor(iterations=20, cat_features=["city", "code"], **quiet).fit(coded, y),
        coded,
    ),
    "imbalanced-learn pipeline": (
        imblearn.pipeline.make_pipeline(
            StandardScaler(),
            imblearn.over_sampling.RandomOverSampler(random_state=0),
            LogisticRegression(),
        ).fit(numbers, y > np.quantile(y, 0.8)),
        numbers,
    ),
    "category_encoders target encoder": (
        make_pipeline(
            category_encoders.TargetEncoder(cols=["city"]),
            lightgbm.LGBMRegressor(n_estimators=20, verbose=-1),
        ).fit(mixed, y),
        mixed,
    ),
    "feature-engine imputers and encoder": (
        make_pipeline(
            MeanMedianImputer(variables=["age", "paid"]),
            CategoricalImputer(variables=["city"]),
            ArbitraryEncoder(variables=["city"], encoding_method="arbitrary"),
            xgboost.XGBRegressor(n_estimators=20),
        ).fit(missing, y),
        missing,
    ),
}

ordered = category.assign(
    code=pd.Categorical(codes, ordered=True), old=pd.Categorical(codes == 10), rooms=codes // 10
)
two_ordered = category.assign(
    city=pd.Categorical(cities, ordered=True), visits=numbers.visits % 3, code=codes // 10 - 1
)
flagged = category.assign(member=codes == 10)
german = numbers.assign(city=pd.Categorical(np.where(cities == "Bern", "Köln", "Oslo")))
noted = numbers.assign(note=np.where(cities == "Oslo", "cold and north", "warm and south"))


def without_categories(model: Any) -> Any:
    """As XGBoost before 3.1 wrote it, which did not keep the names of categories."""
    document = json.loads(model.get_booster().save_raw("json"))
    document["learner"]["gradient_booster"]["model"].pop("cats")
    model._Booster = xgboost.Booster(model_file=bytearray(json.dumps(document).encode()))
    return model


def fitted_xgboost(frame: pd.DataFrame, **parameters: Any) -> Any:
    return xgboost.XGBRegressor(n_estimators=5, enable_categorical=True, **parameters).fit(frame, y)


models |= {
    "LightGBM ordered category": (
        lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(ordered, y),
        ordered,
    ),
    "LightGBM behind other columns": (
        make_pipeline(
            SimpleImputer().set_output(transform="pandas"),
            passing(),
            lightgbm.LGBMRegressor(n_estimators=5, verbose=-1),
        ).fit(numbers, y),
        numbers,
    ),
    "LightGBM categories passed on": (
        make_pipeline(passing(), lightgbm.LGBMRegressor(n_estimators=5, verbose=-1)).fit(
            category, y
        ),
        category,
    ),
    "LightGBM column named as categorical": (
        lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(
            ordered.drop(columns="old"), y, categorical_feature=["rooms"]
        ),
        ordered.drop(columns="old"),
    ),
    "LightGBM two ordered categories": (
        lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(two_ordered, y),
        two_ordered,
    ),
    "XGBoost flags and DART": (fitted_xgboost(flagged, booster="dart"), flagged),
    "XGBoost categories by number": (
        fitted_xgboost(numbers.assign(code=codes // 10), feature_types=["q", "q", "q", "c"]),
        numbers.assign(code=codes // 10),
    ),
    "XGBoost 3.0": (without_categories(fitted_xgboost(category)), category),
    "XGBoost not ASCII": (fitted_xgboost(german), german),
    "CatBoost text": (
        CatBoostRegressor(iterations=9, text_features=["note"], **quiet).fit(noted, y),
        noted,
    ),
    "CatBoost not fitted": (CatBoostRegressor(), numbers),
}


def answer(model: Any, method: str, frame: pd.DataFrame) -> Any:
    """What the model says itself; None if it refuses."""
    # It was fitted on an array.
    given = frame.to_numpy() if list(frame) == ["x0", "x1", "x2"] else frame
    try:
        return np.asarray(getattr(model, method)(given)).tolist()
    except Exception:
        return None


own: dict[str, Any] = {}
for name, (model, frame) in models.items():
    joblib.dump(model, folder / f"{name}.joblib")
    given = frame.head(ROWS)
    methods = ["predict", *(["predict_proba"] if hasattr(model, "predict_proba") else [])]
    own[name] = {
        "rows": json.loads(given.to_json(orient="records")),
        "answers": {method: answer(model, method, given) for method in methods},
        "odd": [],
    }
    for value in ("Lima", None) if "city" in frame else ():
        # As a frame of the user's has it: a category of its own, or none.
        column = [value] if frame["city"].dtype == object else pd.Categorical([value], ["Lima"])
        row = given.head(1).assign(city=column)
        own[name]["odd"] += [
            [json.loads(row.to_json(orient="records"))[0], answer(model, "predict", row)]
        ]
(folder / "own.json").write_text(json.dumps(own))
