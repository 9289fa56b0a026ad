"""Save twelve usual models with the scikit-learn of this environment, serve them with our own code,
and print what came of it as JSON: for each model the methods served, equal, and run by a plan.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

from api import create_app
from api.settings import Settings
from models import fitted
from models.engines.plan import PlanEngine, compile_model
from models.files import plan_path
from models.plan import compare, errors, proof_rows
from models.plan import format as plans

proof_rows.ROWS = 300
proof_rows.ONE_ROW_BATCHES = 5
ROWS = 120
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "rooms": RNG.normal(size=ROWS).round(6),
        "year": RNG.integers(1950, 2020, ROWS).astype(float),
        "city": RNG.choice(["Oslo", "Rome", "Lima"], ROWS),
    }
)
FRAME.loc[::7, "rooms"] = np.nan
X = RNG.normal(size=(ROWS, 4))
NUMBER = X[:, 0] - X[:, 1] * X[:, 2]
LABEL = np.where(NUMBER > 0, "high", "low")
TEXTS = [" ".join(RNG.choice(["good", "bad", "plot", "actor", "dull"], 6)) for _ in range(ROWS)]


def mixed() -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore")
    return make_column_transformer((numbers, ["rooms", "year"]), (one_hot, ["city"]))


MODELS = {
    "linear, imputer, one-hot": (make_pipeline(mixed(), LogisticRegression()), FRAME, LABEL),
    "random forest": (make_pipeline(mixed(), RandomForestClassifier(10, random_state=0)), FRAME, LABEL),
    "gradient boosting": (GradientBoostingClassifier(n_estimators=10, random_state=0), X, LABEL),
    "histogram boosting": (HistGradientBoostingRegressor(max_iter=10), X, NUMBER),
    "SVM": (make_pipeline(StandardScaler(), SVC()), X, LABEL),
    "text": (make_pipeline(TfidfVectorizer(), LogisticRegression()), TEXTS, LABEL),
    "k-neighbours": (KNeighborsClassifier(), X, LABEL),
    "voting": (
        VotingClassifier([("a", LogisticRegression()), ("b", KNeighborsClassifier())], voting="soft"),
        X, LABEL,
    ),
    "stacking": (StackingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))], cv=2), X, NUMBER),
    "calibrated": (CalibratedClassifierCV(LogisticRegression(), cv=2), X, LABEL),
    "multi-output": (MultiOutputRegressor(Ridge()), X, np.stack([NUMBER, X[:, 3]], axis=1)),
    "isolation forest": (IsolationForest(n_estimators=10, random_state=0), X, None),
}  # fmt: skip


def serve(rows: Any, path: Path) -> dict[str, Any]:
    """Read, compile and prove a model; ask both engines, and compare with its own answers."""
    estimator = joblib.load(path)
    model = fitted.load(path)
    own = model.engine
    plan = compile_model(model)
    engine = PlanEngine(plan)
    left = dict(plan.fallback)
    batches = proof_rows.batches(plan, model.card) if plan.methods else []
    for method in plan.methods:
        try:
            compare.compare(method, own, engine, batches)
        except errors.Difference as difference:
            left[method] = str(difference)
    methods = {name: place for name, place in plan.methods.items() if name not in left}
    plans.save(msgspec.structs.replace(plan, methods=methods, fallback=left), plan_path(path))
    asked = rows[:40]
    if isinstance(asked, pd.DataFrame):
        body = asked.to_json(orient="records")
    else:
        body = json.dumps(np.asarray(asked).tolist())
    wrong = []
    for name in ("sklearn", "auto"):
        client = create_app(Settings(model_path=str(path), engine=name)).test_client()
        for method in model.methods:
            answer = client.post(f"/{method}", data=body, content_type="application/json")
            expected = getattr(estimator, method)(asked)
            if answer.status_code != 200:
                wrong.append(f"{method} of {name}: {answer.get_data(as_text=True)[:300]}")
            elif not alike(answer.json["predictions"], expected, exact=name == "sklearn"):
                wrong.append(f"{method} of {name} differs")
    return {"methods": len(model.methods), "plan": len(methods), "left": left, "wrong": wrong}


def alike(given: Any, expected: Any, *, exact: bool) -> bool:
    """Equal bit for bit, or to the last bits where a plan sums in another order."""
    if isinstance(expected, tuple):  # of kneighbors
        return all(
            alike([row[name] for row in given], part, exact=exact)
            for name, part in zip(given[0], expected, strict=True)
        )
    expected = np.asarray(expected.toarray() if hasattr(expected, "toarray") else expected)
    values = np.array(given, dtype=expected.dtype)
    if exact or expected.dtype.kind != "f":
        return bool(np.array_equal(values, expected, equal_nan=expected.dtype.kind == "f"))
    return bool(np.allclose(values, expected, rtol=1e-12, atol=1e-14))


def main() -> None:
    """Save and serve all, each for itself."""
    warnings.simplefilter("ignore")
    # To fork takes longer than what is tried apart.
    vars(fitted)["apart"] = lambda function, _: function()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (estimator, rows, target)) in enumerate(MODELS.items()):
            path = Path(folder) / f"{number}.joblib"
            joblib.dump(estimator.fit(rows, target), path)
            try:
                found[name] = serve(rows, path)
            except Exception as error:
                wrong = [f"{type(error).__name__}: {error}"]
                found[name] = {"methods": 0, "plan": 0, "wrong": wrong}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
