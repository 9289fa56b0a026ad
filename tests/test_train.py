"""The example model is trained the same each time, and its card tells how."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from models import train
from tests.conftest import Serve
from tests.test_model import FITTED


def test_the_same_data_give_the_same_predictions(penguins_path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.joblib"
    train.train(again)
    rows = pd.read_csv(train.DATA)[train.FEATURES]
    first, second = (joblib.load(path).predict_proba(rows) for path in (penguins_path, again))
    assert np.array_equal(first, second)


def test_it_is_good_at_penguins_it_has_not_seen(penguins_path: Path) -> None:
    metrics = json.loads(penguins_path.with_suffix(".json").read_text())["metrics"]
    assert metrics["accuracy"] > 0.95
    assert metrics["rows_fitted"] + metrics["rows_held_out"] == len(pd.read_csv(train.DATA))


def test_the_card_holds_what_cannot_be_read_off_the_estimator(penguins_path: Path) -> None:
    facts = json.loads(penguins_path.with_suffix(".json").read_text())
    assert facts["target"] == "species"
    assert facts["classes"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert set(facts["example"]) == set(facts["features"]) == set(train.FEATURES)
    assert facts["features"]["island"]["counts"].keys() == {"Biscoe", "Dream", "Torgersen"}
    assert facts["features"]["sex"]["missing"] > 0
    mass = facts["features"]["body_mass_g"]
    assert mass["min"] < mass["quartile_1"] < mass["median"] < mass["quartile_3"] < mass["max"]
    assert set(facts["versions"]) == {"python", "scikit-learn", "numpy"}


def test_training_says_how_good_the_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "folder" / "model.joblib"
    monkeypatch.setattr(sys, "argv", ["train", str(path)])
    runpy.run_path(train.__file__, run_name="__main__")
    assert path.exists()
    assert capsys.readouterr().out.startswith(f"{path}: accuracy ")


def test_a_boolean_feature_of_the_card_is_known_as_one(serve: Serve) -> None:
    client = serve(
        FITTED, card=b'{"features": {"old": {"dtype": "bool"}, "size": {"dtype": "float64"}}}'
    )
    assert [f["type"] for f in client.get("/metadata").json["features"]] == ["boolean", "number"]
    assert client.post("/predict", json={"old": True, "size": 1}).status_code == 200
    assert client.post("/predict", json={"old": 1, "size": 1}).status_code == 422
