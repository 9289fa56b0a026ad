"""The metrics of feedback: what /content tells of the last 24 hours, for Prometheus."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from api import create_app
from api.feedback import gauges, notes
from api.feedback.recorder import Recorder, recorder
from api.settings import Settings
from tests.conftest import Serve
from tests.drift.models_of import facts_of
from tests.tables import DOCS, check_table
from tests.test_content import CARD, CLASSIFIER, MODELS, REGRESSOR, ask, choose, get

Sample = tuple[str, ...]


@pytest.fixture(autouse=True)
def reads_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "READ_SECONDS", 0.0)


@pytest.fixture
def client(serve: Serve, keeps_feedback: Recorder) -> FlaskClient:
    return serve(CLASSIFIER, json.dumps(CARD).encode())


def samples(client: FlaskClient) -> dict[Sample, float]:
    """The value of each sample by its name and the values of its labels."""
    text = client.get("/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_tell_what_content_tells(client: FlaskClient) -> None:
    kept = ask(client, [[3.0, 0.0]] * 150)
    choose(client, kept, ["yes"] * 30 + ["no"] * 10)
    found = samples(client)
    (version,) = get(client, "accuracy")["versions"]
    a, _ = get(client, "inputs")["features"]
    name = version["version"]
    assert found["live_answers", name] == 150
    assert found["live_selections", name] == 40
    assert found["live_correct", name] == 30
    assert found["live_accuracy", name] == 0.75
    assert found["live_accuracy_low", name] == version["low"]
    assert found["card_accuracy", name] == 0.95
    assert (
        found["feature_psi", "a"] == a["psi"] > a["critical"] == found["feature_psi_critical", "a"]
    )
    assert found["feature_drifted", "a"] == found["answer_drifted",] == 1
    assert found["feature_missing_share", "a"] == 0
    assert (found["live_label_share", "yes"], found["predictions_kept",]) == (1, 150)
    assert found["selections_total",] == 40


def test_labels_of_a_sample_are_told_as_shares_and_rows_as_all(client: FlaskClient) -> None:
    rows = [[3.0, 0.0]] * 1000 + [[-3.0, 0.0]] * 500
    assert len(rows) > notes.MAX_BATCH_ROWS
    client.post("/predict", json=rows)
    recorder.fold(everything=True)
    found = samples(client)
    assert [value for key, value in found.items() if key[0] == "live_answers"] == [1500]
    shares = found["live_label_share", "yes"], found["live_label_share", "no"]
    assert shares == pytest.approx((2 / 3, 1 / 3))
    assert get(client, "outputs")["rows"] == get(client, "inputs")["rows"] == 750


def test_metrics_of_numbers_are_errors(serve: Serve, keeps_feedback: Recorder) -> None:
    client = serve(REGRESSOR)
    choose(client, ask(client, [[1.0, 0.0]] * 30), [1.0] * 30)
    found = samples(client)
    assert [value for name, value in found.items() if name[0] == "live_mean_absolute_error"] == [
        pytest.approx(1, abs=0.1)
    ]
    assert not [name for name in found if name[0] in ("live_accuracy", "live_correct")]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_metrics(serve: Serve, keeps_feedback: Recorder, name: str) -> None:
    model, rows = MODELS[name]()
    client = serve(model)
    client.post("/predict", json=rows)
    recorder.fold(everything=True)
    answers = [value for key, value in samples(client).items() if key[0] == "live_answers"]
    assert answers[0] > 1


def test_the_store_is_read_once_in_ten_seconds(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "READ_SECONDS", 10.0)
    before = samples(client)["selections_total",]
    choose(client, ask(client, [[3.0, 0.0]]), ["yes"])
    assert samples(client)["selections_total",] == before == 0


def test_without_counts_the_other_metrics_are_there(serve: Serve) -> None:
    recorder.begin(Settings(prediction_log="off"))
    names = {name for name, *_ in samples(serve(CLASSIFIER))}
    assert ("live_answers" in names, "model_info" in names) == (False, True)


def test_a_store_that_cannot_be_read_leaves_the_other_metrics(client: FlaskClient) -> None:
    with sqlite3.connect(recorder.store.folder / "feedback.db") as db:
        db.execute("DROP TABLE told")
    names = {name for name, *_ in samples(client)}
    assert ("live_answers" in names, "model_info" in names) == (False, True)


def documented(client: FlaskClient) -> dict[str, tuple[str, str]]:
    """The documentation and the labels of each metric of feedback by its name."""
    text = client.get("/metrics").text
    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(
            ("live_", "card_", "feature_", "answer_", "predictions_", "select")
        ):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ",".join(family.samples[0].labels) if family.samples else ""
            found[name] = f"{{{labels}}}" if labels else "", family.documentation
    return found


def test_the_metrics_are_in_the_docs(
    serve: Serve, keeps_feedback: Recorder, penguins_path: Path
) -> None:
    numbers = serve(REGRESSOR, json.dumps(of_numbers()).encode())
    choose(numbers, ask(numbers, [[1.0, 0.0]] * 130), [1.0] * 30)
    penguins = create_app(Settings(model_path=str(penguins_path))).test_client()
    row = json.loads(penguins_path.with_suffix(".json").read_bytes())["example"]
    ask(penguins, row, "predict_proba")
    choose(penguins, ask(penguins, [row] * 130), ["Adelie"] * 30)
    found = documented(penguins)
    found |= {name: each for name, each in documented(numbers).items() if name not in found}
    lines = ["| metric | |", "|---|---|"]
    lines += [f"| `{name}{labels}` | {about} |" for name, (labels, about) in found.items()]
    check_table("metrics of predictions", "\n".join(lines), DOCS.with_name("live.md"))


def of_numbers() -> dict[str, Any]:
    values = [float(n) for n in range(100)]
    errors = {"mean_absolute_error": 0.5}
    return {
        "features": CARD["features"],
        "target_values": facts_of(values),
        "metrics": errors,
        "intervals": {"mean_absolute_error": [0.4, 0.6]},
    }
