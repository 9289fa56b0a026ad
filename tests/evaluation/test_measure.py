"""`make evaluate`: what it prints and writes, its gates, and its status."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

import models
from models.errors import ModelError
from models.evaluation import __main__ as command
from models.evaluation import measure
from models.evaluation.facts import Unmeasurable
from models.evaluation.measure import Evaluation, evaluate
from models.evaluation.served import Served
from models.model import Model
from tests.checkout import ROOT

PENGUINS = Path("models/penguins.csv")


def test_the_example_is_measured(penguin_model: Model) -> None:
    found = evaluate(penguin_model, PENGUINS, slices=["island", "year"])
    assert (found.kind, found.rows, found.target) == ("classifier", 344, "species")
    assert (found.name, found.release, found.title) == ("model", "0.1.0", "model 0.1.0")
    assert found.version == penguin_model.version
    assert found.scores["accuracy"].value > 0.98
    assert found.confusion is not None
    assert found.calibration is not None
    assert [each.label for each in found.classes] == ["Adelie", "Chinstrap", "Gentoo"]
    assert [each.value for each in found.slices if each.column == "year"] == [
        "2007",
        "2008",
        "2009",
    ]
    assert sum(each.rows for each in found.slices) == 2 * 344


def test_a_regressor_is_measured(house_model: Model, houses: pd.DataFrame) -> None:
    found = evaluate(house_model, houses, slices=["city"])
    assert found.kind == "regressor"
    assert found.residuals is not None
    assert found.scores["r2"].value > 0.98
    assert [each.value for each in found.slices] == ["Graz", "Linz"]


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [(KMeans(2, n_init=1), "clusterer"), (IsolationForest(n_estimators=5), "outliers")],
)
def test_models_without_answers_are_measured(estimator: Any, kind: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": np.arange(60.0) % 7, "b": np.arange(60.0)})
    joblib.dump(estimator.fit(rows), tmp_path / "m.joblib")
    found = evaluate(str(tmp_path / "m.joblib"), rows)
    assert found.kind == kind
    assert sum(group.rows for group in found.groups) == 60
    assert (found.spread is not None) == (kind == "outliers")
    rows.loc[3, "a"] = None
    assert list(evaluate(str(tmp_path / "m.joblib"), rows).left_out.values()) in ([1], [])


def test_left_out_rows_are_counted_by_their_reasons(penguin_model: Model) -> None:
    frame = pd.read_csv(PENGUINS)
    frame.loc[0, "species"] = None
    frame.loc[[1, 2], "island"] = "Nowhere"
    found = evaluate(penguin_model, frame)
    assert found.rows == 341
    (missing, one), (refused, two) = found.left_out.items()
    assert (missing, one, two) == ("the target species is missing", 1, 2)
    assert refused.startswith("the model refuses them: row 2, island, expected one of")
    assert "; row 3, island, expected" in refused


def test_rows_that_are_all_refused_get_a_sentence(penguin_model: Model) -> None:
    frame = pd.read_csv(PENGUINS).assign(island="Nowhere")
    with pytest.raises(Unmeasurable, match="the model refuses all 344 rows; the first: .*island"):
        evaluate(penguin_model, frame)


def test_a_model_without_predict_gets_a_sentence(tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0]})
    joblib.dump(StandardScaler().fit(rows), tmp_path / "m.joblib")
    with pytest.raises(ModelError, match="a StandardScaler has no predict"):
        evaluate(tmp_path / "m.joblib", rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"minimum": "accuracy>0.9"}, "EVALUATE_MIN='accuracy>0.9': expected conditions"),
        ({"minimum": "r2>=0.9"}, "there is no metric r2 of a classifier: expected accuracy"),
        ({"slices": ["hue"]}, "SLICES=hue: the data has no such column; it has species, island"),
    ],
)
def test_wrong_options_get_a_sentence(
    options: dict[str, Any], said: str, penguin_model: Model
) -> None:
    with pytest.raises(Unmeasurable) as raised:
        evaluate(penguin_model, PENGUINS, **options)
    assert said in str(raised.value)


def test_a_model_is_named_by_its_release_version(
    penguins_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    shutil.copy(penguins_path, tmp_path / "models" / "birds-1.2.0.joblib")
    card = json.loads(penguins_path.with_suffix(".json").read_bytes())
    card |= {"name": "birds", "release": "1.2.0"}
    (tmp_path / "models" / "birds-1.2.0.json").write_text(json.dumps(card))
    rows = pd.read_csv(Path(measure.__file__).parents[1] / "penguins.csv")
    monkeypatch.setenv("MODEL_NAME", "birds")
    assert evaluate("1.2.0", rows).title == "birds 1.2.0"
    with pytest.raises(ModelError, match=r"has the release versions 1.2.0 of birds"):
        evaluate("1.3.0", rows)


def test_a_model_without_a_card_is_called_as_its_file_is(
    house_model: Model, houses: pd.DataFrame
) -> None:
    for path in ("models/houses-1.2.0.joblib", "models/houses-1.2.0.plan.npz"):
        bare = msgspec.structs.replace(house_model, path=path, card={"target": "price"})
        assert evaluate(bare, houses).name == "houses-1.2.0"


def test_evaluate_is_a_name_of_the_library() -> None:
    assert models.evaluate is evaluate


def run(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *words: object
) -> tuple[str, dict[str, Any] | None]:
    """What the command says as it ends, "" if all is well; and the JSON that it wrote."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, words)])
    said = ""
    try:
        command.main()
    except SystemExit as end:
        said = str(end.code)
    finally:
        logging.getLogger("models.reject").setLevel(logging.NOTSET)
    written = list((folder / "reports").glob("*.json"))
    assert len(list((folder / "reports").glob("*.html"))) == len(written)
    return said, json.loads(written[0].read_bytes()) if written else None


def test_the_command_prints_and_writes(
    penguins_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, gate = PENGUINS.resolve(), "accuracy>=0.9"
    said, written = run(
        monkeypatch,
        tmp_path,
        penguins_path,
        "--data",
        data,
        "--min",
        gate,
        "--slices",
        "island, sex",
    )
    assert (said, written and written["rows"]) == ("", 344)
    printed = capsys.readouterr().out
    assert "accuracy" in printed
    assert "The gate holds" in printed
    assert "are written" in printed


def test_all_gates_that_hold_are_said(
    penguins_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODEL_PATH", str(penguins_path))
    gates = "accuracy>=0.9,log_loss<=0.1"
    assert run(monkeypatch, tmp_path, "--data", PENGUINS.resolve(), "--min", gates)[0] == ""
    assert "All 2 gates hold" in capsys.readouterr().out


def test_a_gate_that_is_missed_ends_the_command_after_the_report(
    penguins_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = "accuracy>=0.5,log_loss<=0.001"
    data = PENGUINS.resolve()
    said, written = run(monkeypatch, tmp_path, penguins_path, "--data", data, "--min", gates)
    assert said.startswith("error: log_loss is 0.0")
    assert said.endswith("and EVALUATE_MIN asks for <= 0.001")
    assert written is not None
    assert [bool(gate["missed"]) for gate in written["gates"]] == [False, True]


def test_a_service_that_answers_otherwise_ends_the_command(
    penguin_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Served(
        url="http://x", version="1", is_same_version=False, rows=344, different=2, first=["row 1"]
    )
    found = msgspec.structs.replace(evaluate(penguin_model, PENGUINS), served=other)
    monkeypatch.setattr(measure, "evaluate", lambda *_: found)
    said, written = run(monkeypatch, tmp_path)
    assert said == "error: the service answers 2 of 344 rows otherwise than the file"
    assert written is not None


def test_without_conditions_nothing_is_said_of_them(
    house_model: Model,
    houses: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "houses.ndjson"
    houses.to_json(data, orient="records", lines=True)
    assert run(monkeypatch, tmp_path, house_model.path, "--data", data)[0] == ""
    assert "hold" not in capsys.readouterr().out.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.joblib"], "error: there is no model none.joblib"),
        (["--data", "none.csv"], "error: there is no file none.csv"),
        (["--min", "x>1"], "error: EVALUATE_MIN='x>1': expected conditions on metrics"),
    ],
)
def test_errors_are_one_sentence(
    words: list[str],
    said: str,
    penguins_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_PATH", str(penguins_path))
    ended, written = run(monkeypatch, tmp_path, *words)
    assert ended.startswith(said)
    assert "\n" not in ended
    assert written is None


def test_a_model_that_is_not_there_is_told_at_once() -> None:
    words = [sys.executable, "-m", "models.evaluation", "9.9.9"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.match(r"error: there is no models/model-9.9.9.joblib: .*\n\Z", done.stderr)


def test_a_folder_that_cannot_be_written_to_gets_a_sentence(
    penguins_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reports").write_text("a file")
    data = PENGUINS.resolve()
    said, _ = run(monkeypatch, tmp_path, penguins_path, "--data", data)
    assert said == "error: reports cannot be written (File exists)"


def test_an_evaluation_reads_as_its_text(penguin_model: Model) -> None:
    found: Evaluation = evaluate(penguin_model, PENGUINS)
    assert str(found).startswith("model 0.1.0: Pipeline")
    assert found._repr_html_().startswith("<iframe")
