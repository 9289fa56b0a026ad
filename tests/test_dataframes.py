"""Columns of a DataFrame that are checked together give the rows that the check of each value gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models import frames, load, tables
from models.errors import InvalidRows
from models.model import Model

N = 12
NUMBERS = pd.DataFrame({"a": np.arange(N) / 2, "b": np.arange(N)[::-1]})
MIXED = NUMBERS.assign(c=list("xyz") * 4, d=[*"uv"] * 6)
KINDS = np.arange(N) % 2


def mixed(*, unknown: str) -> Any:
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown=unknown)), ["c"]),
        (OneHotEncoder(handle_unknown=unknown), ["d"]),
    )  # fmt: skip
    return make_pipeline(columns, LogisticRegression()).fit(MIXED, KINDS)


ESTIMATORS: dict[str, Any] = {
    "numbers": LinearRegression().fit(NUMBERS, KINDS),
    "numbers with gaps": HistGradientBoostingClassifier(max_iter=2).fit(NUMBERS, KINDS),
    "refused": mixed(unknown="error"),
    "ignored": mixed(unknown="ignore"),
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("frames")
    for name, estimator in ESTIMATORS.items():
        joblib.dump(estimator, folder / f"{name}.joblib")
    return {name: load(folder / f"{name}.joblib", engine="sklearn") for name in ESTIMATORS}


def changed(**columns: Any) -> pd.DataFrame:
    return MIXED.assign(**columns)


SURROGATE = "\ud800"
FRAMES: dict[str, pd.DataFrame] = {
    "as fitted": MIXED,
    "in another order": MIXED[["d", "c", "b", "a"]],
    "float32": changed(a=MIXED["a"].astype("float32")),
    "gaps": changed(a=MIXED["a"].where(KINDS == 1)),
    "no number": changed(a=list("pqrs") * 3),
    "numbers as objects": changed(b=MIXED["b"].astype(object)),
    "nullable integers": changed(b=pd.array([*range(N - 1), pd.NA], dtype="Int64")),
    "booleans": changed(b=KINDS == 1),
    "infinite": changed(a=[np.inf] * N),
    "large integers": changed(b=2**60 + np.arange(N)),
    "None in texts": changed(c=[None, "x", "y", np.nan] * 3),
    "NA in texts": changed(c=pd.array(["x", pd.NA] * 6, dtype="string")),
    "a gap where none may be": changed(d=["u", None] * 6),
    "categories": changed(c=MIXED["c"].astype("category")),
    "an unknown category": changed(d=["u", "w"] * 6),
    "numbers in texts": changed(c=[1, "x"] * 6),
    "half a pair": changed(c=[SURROGATE, "x"] * 6),
    "a column more": changed(e=1),
    "a column less": MIXED[["a", "b", "c"]],
    "no row": MIXED[:0],
}


def outcome(model: Model, frame: pd.DataFrame) -> Any:
    """The rows with the types of their values, or the places that are wrong."""
    try:
        rows = tables._checked(model.signature, frame)
    except InvalidRows as error:
        return [(place.pointer, place.detail) for place in error.places]
    if isinstance(rows, np.ndarray):
        return rows.dtype, rows.shape, rows.tobytes()
    return [[(type(value), value) for value in row] for row in rows]


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rows_are_those_of_the_check_of_each_value(
    known: dict[str, Model], monkeypatch: pytest.MonkeyPatch, estimator: str, name: str
) -> None:
    frame = FRAMES[name]
    if estimator.startswith("numbers"):
        frame = frame.drop(columns=["c", "d"], errors="ignore")
    together = outcome(known[estimator], frame)
    monkeypatch.setattr(frames, "read", lambda signature, frame: None)
    assert together == outcome(known[estimator], frame)


@pytest.mark.parametrize("name", ["as fitted", "gaps", "float32", "None in texts", "NA in texts"])
def test_usual_columns_are_checked_together(known: dict[str, Model], name: str) -> None:
    assert frames.read(known["ignored"].signature, FRAMES[name]) is not None
    assert frames.read(known["numbers with gaps"].signature, NUMBERS) is not None


def test_a_column_that_the_model_does_not_use_is_not_looked_at(tmp_path: Path) -> None:
    columns = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["c"]))
    estimator = make_pipeline(columns, LogisticRegression()).fit(MIXED, KINDS)
    joblib.dump(estimator, tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib")
    odd = changed(b=[{}] * N, d=[[]] * N)
    rows: Any = frames.read(model.signature, odd)
    assert rows[0] == (0.0, None, "x", None)
    assert model.predict(odd).tolist() == estimator.predict(MIXED).tolist()
