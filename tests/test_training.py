"""A new version is measured, and compared with the active one on the same held-out rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from models import fitted
from models.candidate.facts import Served
from models.drift import Layout, report
from models.errors import ModelError
from models.model import Model
from models.settings import ModelSettings
from models.training import cards, evaluate, supervise
from models.training.facts import Job, Message, Unusable
from models.training.function import Result, reason
from tests.checkout import ROOT

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(200, 2)), columns=["a", "b"])
Y = np.where(X["a"] + RNG.normal(scale=0.3, size=200) > 0, "yes", "no")
GOOD = LogisticRegression().fit(X, Y)
POOR = LogisticRegression().fit(X, np.where(X["b"] > 0, "yes", "no"))


def model_of(estimator: Any, folder: Path) -> Model:
    path = folder / f"{len(list(folder.iterdir()))}.joblib"
    joblib.dump(estimator, path)
    return fitted.load(path)


def test_a_classifier_has_the_usual_metrics_and_its_own() -> None:
    found = evaluate.measure(GOOD, X, Y, "roc_auc")
    assert found.keys() == {"accuracy", "f1_macro", "log_loss", "roc_auc"}
    assert 0 < found["log_loss"] < 0.4
    assert evaluate.measure(GOOD, X, Y, "accuracy").keys() == found.keys() - {"roc_auc"}


def test_a_metric_that_is_no_number_is_left_out() -> None:
    # R² of one row is none.
    model = LinearRegression().fit(X, X["a"])
    assert evaluate.measure(model, X[:1], X["a"][:1], "").keys() == {"mean_absolute_error"}


THREE = LogisticRegression().fit(X, np.where(X["b"] > 1, "both", Y))


@pytest.mark.parametrize("kept", [["yes"], ["no", "both"], ["yes", "no", "both"]])
def test_the_log_loss_knows_a_class_without_a_row(kept: list[str]) -> None:
    truth = np.where(X["b"] > 1, "both", Y)
    rows = np.isin(truth, kept)
    found = evaluate.measure(THREE, X[rows], truth[rows], "neg_brier_score")
    chances = THREE.predict_proba(X[rows])
    is_true = truth[rows][:, None] == THREE.classes_
    assert found["log_loss"] == pytest.approx(-np.log(chances[is_true]).mean())
    assert -found["neg_brier_score"] == pytest.approx(((chances - is_true) ** 2).sum(1).mean())


# As many labels as the model has classes: scikit-learn takes one for the other.
OTHERS = np.where(X["b"] > 1, "new", Y)


def test_a_label_that_is_no_class_has_no_log_loss() -> None:
    assert evaluate.measure(THREE, X, OTHERS, "").keys() == {"accuracy", "f1_macro"}


@pytest.mark.parametrize("metric", ["neg_log_loss", "roc_auc_ovr", "neg_brier_score"])
def test_no_probability_is_scored_of_a_label_that_is_no_class(tmp_path: Path, metric: str) -> None:
    model = model_of(THREE, tmp_path)
    with pytest.raises(Unusable, match=r"labels outside the model's classes, new"):
        evaluate.compare(model, model, X, OTHERS, metric)
    with pytest.raises(Unusable, match=r"labels outside the model's classes, new"):
        evaluate.measure(THREE, X, OTHERS, metric)


LACKS = ModuleNotFoundError("No module named 'pandas'", name="pandas")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Unusable("no rows"), "no rows"),
        (ModelError("no methods"), "no methods"),
        (LACKS, "a training needs pandas, which this image lacks: add the line pandas to models/"),
        (KeyError("a"), "it cannot be evaluated: KeyError: 'a'"),
    ],
)
def test_a_step_without_a_result_says_why(error: Exception, words: str) -> None:
    assert reason(error).startswith(words)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resamples: their number changes nothing else."""
    monkeypatch.setattr(evaluate, "RESAMPLES", 40)


@pytest.mark.parametrize("metric", ["accuracy", "neg_log_loss", "roc_auc", "f1_macro"])
def test_the_better_version_has_the_higher_score(tmp_path: Path, metric: str) -> None:
    good, poor = model_of(GOOD, tmp_path), model_of(POOR, tmp_path)
    found = evaluate.compare(good, poor, X, Y, metric)
    assert found.new_score > found.active_score
    assert found.difference == found.new_score - found.active_score
    assert found.interval is not None
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    assert found.new_closer is not None
    assert found.active_closer is not None
    assert found.new_closer > found.active_closer
    # The other way round, all is reversed.
    back = evaluate.compare(poor, good, X, Y, metric)
    assert (back.new_score, back.active_score) == (found.active_score, found.new_score)
    assert (back.new_closer, back.active_closer) == (found.active_closer, found.new_closer)


def test_the_score_is_that_of_scikit_learn(tmp_path: Path) -> None:
    found = evaluate.compare(model_of(GOOD, tmp_path), model_of(POOR, tmp_path), X, Y, "accuracy")
    assert found.new_score == GOOD.score(X, Y)
    assert found.active_score == POOR.score(X, Y)
    right = GOOD.predict(X) == Y, POOR.predict(X) == Y
    assert found.new_closer == (right[0] & ~right[1]).sum()


def test_rows_that_one_version_refuses_are_left_out(tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": ["x", "y", "z", "x"] * 5})
    truth = np.array(["no", "yes", "yes", "no"] * 5)

    def fit(known: Any) -> Any:
        return make_pipeline(OneHotEncoder(), LogisticRegression()).fit(rows[known], truth[known])

    new, active = fit(rows["a"] != ""), fit(rows["a"] != "z")
    found = evaluate.compare(
        model_of(new, tmp_path), model_of(active, tmp_path), rows, truth, "accuracy"
    )
    assert (found.rows, found.left_out) == (15, 5)
    assert (found.new_score, found.active_score) == (1, 1)
    one = rows["a"] == "z"
    with pytest.raises(Unusable, match="there is no held-out row that both versions answer"):
        evaluate.compare(
            model_of(new, tmp_path), model_of(active, tmp_path), rows[one], truth[one], "accuracy"
        )


def test_a_metric_that_one_version_cannot_have_is_told(tmp_path: Path) -> None:
    line = LinearRegression().fit(X, Y == "yes")
    with pytest.raises(Unusable, match="roc_auc cannot be had of both versions: "):
        evaluate.compare(
            model_of(GOOD, tmp_path), model_of(line, tmp_path), X, np.where(Y, "u", Y), "roc_auc"
        )


@pytest.mark.parametrize("metric", ["roc_auc", "neg_log_loss"])
def test_there_is_no_interval_where_few_resamples_can_be_scored(
    tmp_path: Path, metric: str
) -> None:
    new, active = model_of(GOOD, tmp_path), model_of(POOR, tmp_path)
    pair = [int(np.flatnonzero(label == Y)[0]) for label in ("yes", "no")]
    found = evaluate.compare(new, active, X.iloc[pair], Y[pair], metric)
    # Half of all pairs of two rows have one class.
    assert (found.rows, found.interval) == (2, None)


def test_any_score_of_scikit_learn_has_an_interval(tmp_path: Path) -> None:
    new, active = model_of(GOOD, tmp_path), model_of(POOR, tmp_path)
    found = evaluate.compare(new, active, X, Y, "precision_macro")
    assert found.interval is not None
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    pair = [int(np.flatnonzero(label == Y)[0]) for label in ("yes", "no")]
    found = evaluate.compare(new, active, X.iloc[pair], Y[pair], "d2_log_loss_score")
    # Half of all resamples have one class.
    assert found.rows == 2


def test_rows_without_a_column_are_told(tmp_path: Path) -> None:
    new = model_of(GOOD, tmp_path)
    with pytest.raises(Unusable, match="the model refuses these rows: .*column b: is missing"):
        evaluate.compare(new, new, X[["a"]], Y, "accuracy")


def test_answers_of_several_outputs_are_scored_and_not_counted(tmp_path: Path) -> None:
    both = X[["a", "b"]].to_numpy()
    new = model_of(LinearRegression().fit(X, both), tmp_path)
    active = model_of(LinearRegression().fit(X, both[:, ::-1]), tmp_path)
    found = evaluate.compare(new, active, X, both, "r2")
    assert found.difference > 1
    assert (found.new_closer, found.active_closer) == (None, None)


def test_a_card_has_what_the_function_says(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    facts = {"rows": X, "answers": pd.Series(Y, name="buys"), "metrics": {"profit": 7}}
    joblib.dump(GOOD, path)
    metrics = cards.save_card(path, Result(GOOD, facts))
    card = msgspec.json.decode(path.with_suffix(".json").read_bytes())
    assert metrics == card["metrics"] == {"rows_fitted": 200, "profit": 7}
    assert card["target"] == "buys"
    assert card["class_shares"].keys() == {"yes", "no"}
    assert card["features"].keys() == {"a", "b"}


def test_the_card_of_a_regressor_has_the_bins_of_its_target(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    model = LinearRegression().fit(X, X["a"])
    joblib.dump(model, path)
    cards.save_card(path, Result(model, {"rows": X, "answers": X["a"]}))
    found = fitted.load(path)
    assert found.card["target_values"] == found.card["features"]["a"]
    layout = Layout.of(found)
    counts = layout.count("predict", X.to_numpy(), X["a"].to_numpy())
    a, answers = report.features(layout, counts)[0], report.answers(layout, counts)
    assert answers is not None
    assert (a.psi, answers.psi) == (0, 0)


def test_a_model_of_texts_has_its_card(tmp_path: Path) -> None:
    texts = pd.Series(["good day", "bad day"] * 5)
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, ["yes", "no"] * 5)
    path = tmp_path / "latest.joblib"
    facts = {"rows": texts, "test_rows": texts, "test_answers": ["yes", "no"] * 5}
    joblib.dump(model, path)
    assert cards.save_card(path, Result(model, facts))["accuracy"] == 1
    assert fitted.load(path).card["example"] == {"text": "good day"}


def test_a_model_of_mappings_has_its_card(tmp_path: Path) -> None:
    rows = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}] * 5
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(rows, [1, 2] * 5)
    path = tmp_path / "latest.joblib"
    joblib.dump(model, path)
    cards.save_card(path, Result(model, {"rows": rows}))
    assert fitted.load(path).card["example"] == {"a": 1.0, "b": 2.0}


def job_of(folder: Path, function: str, parent: int) -> Job:
    (folder / "own.py").write_text(OWN)
    work = folder / "work"
    work.mkdir()
    served = Served(version="0" * 64, form="table", columns=(), methods=())
    return Job(
        function=function,
        beside=str(folder),
        folder=str(work),
        seconds=60,
        parent=parent,
        store=str(folder),
        name="model",
        served=served,
        settings=ModelSettings(),
    )


# It starts a process that would outlive it.
OWN = """
import subprocess, time
from pathlib import Path

def sleep():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (Path(__file__).parent / "pid").write_text(str(child.pid))
    time.sleep(600)
"""
# A process that trains, and is ended by its name alone.
PARENT = """
import os, sys, msgspec
from models.training import supervise
from models.training.facts import Job
job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
job = msgspec.structs.replace(job, parent=os.getpid())
supervise.run(job, lambda _: None, lambda: True)
"""


def test_nothing_is_left_of_a_training_whose_parent_is_killed(tmp_path: Path) -> None:
    job = job_of(tmp_path, "own:sleep", 0)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, env=environment
    )
    assert parent.stdin is not None
    with parent.stdin:
        parent.stdin.write(msgspec.json.encode(job))
    place = tmp_path / "pid"
    until(lambda: place.exists() and place.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not Path(job.folder).exists())
    until(lambda: not Path("/proc", place.read_text()).exists())


def test_a_training_whose_parent_has_ended_before_does_not_begin(tmp_path: Path) -> None:
    job = job_of(tmp_path, "own:sleep", os.getpid() + 1)
    found = supervise.run(job, lambda _: None, lambda: True)
    assert found == Message(died=True, reason="the process of the training ended without a word")


def test_a_process_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignores = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", ignores], start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    monkeypatch.setattr(supervise, "GRACE_SECONDS", 0.1)
    supervise._end(process)
    assert process.returncode == -signal.SIGKILL


def until(condition: Any, seconds: float = 150) -> None:
    """Wait for a process that has the lowest priority: where others compute, it takes long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
