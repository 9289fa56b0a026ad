"""GET /content/...: what the service has counted of its predictions."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from api.feedback.confusion import confusion
from api.feedback.content_service import quantile
from api.feedback.facts import HOUR_SECONDS, Hour, Selection, new_id
from api.feedback.recorder import Recorder, recorder
from api.feedback.swaps import note_swap
from api.monitor import metrics
from api.protocols.content import VALUES
from api.settings import Settings
from tests.conftest import Serve
from tests.drift.models_of import facts_of

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 2))
FRAME = pd.DataFrame(ROWS, columns=["a", "b"])
LABELS = np.where(ROWS[:, 0] > 0, "yes", "no")
CLASSIFIER = LogisticRegression().fit(FRAME, LABELS)
REGRESSOR = LinearRegression().fit(FRAME, ROWS[:, 0] * 2)
FEATURES = {"a": facts_of(ROWS[:, 0]), "b": facts_of(ROWS[:, 1])}
CARD = {
    "features": FEATURES,
    "class_shares": {"yes": 0.5, "no": 0.5},
    "metrics": {"accuracy": 0.95, "rows_held_out": 100, "rows_fitted": 300},
    "intervals": {"accuracy": [0.9, 0.98]},
}


def get(client: FlaskClient, value: str, **query: Any) -> Any:
    answer = client.get(f"/content/{value}", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def table(client: FlaskClient, value: str, **query: Any) -> list[dict[str, str]]:
    answer = client.get(f"/content/{value}", query_string={"format": "csv", **query})
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.text)))


def ask(client: FlaskClient, rows: Any, method: str = "predict") -> str:
    """Ask for predictions, and give the id under which they are kept."""
    answer = client.post(f"/{method}", json=rows)
    assert answer.status_code == 200, answer.text
    recorder.fold(everything=True)
    return answer.headers["X-Prediction-Id"]


def choose(client: FlaskClient, kept: str, labels: list[Any]) -> None:
    lines = [{"prediction_id": kept, "row": i, "label": label} for i, label in enumerate(labels)]
    answer = client.post("/feedback", json=lines)
    assert answer.json["kept"] == len(labels), answer.text


@pytest.fixture
def client(serve: Serve, keeps_feedback: Recorder) -> FlaskClient:
    return serve(CLASSIFIER, json.dumps(CARD).encode())


def test_predictions_are_counted_by_version_and_by_hour(client: FlaskClient) -> None:
    choose(client, ask(client, ROWS[:20].tolist()), ["yes", "no"])
    found = get(client, "predictions")
    (version,) = found["versions"]
    assert (found["answers"], version["selected"], version["coverage"]) == (20, 2, 0.1)
    assert [(each["answers"], each["selected"]) for each in found["series"]] == [(20, 2)]


def test_inputs_are_compared_with_the_card(client: FlaskClient) -> None:
    rows = RNG.normal(size=(400, 2))
    rows[:, 1] += 1
    ask(client, rows.tolist())
    a, b = get(client, "inputs")["features"]
    assert (a["name"], a["rows"], a["missing"]) == ("a", 400, 0)
    assert a["psi"] < a["critical"] < b["psi"]
    assert (a["verdict"] in ("none", "within noise"), b["verdict"]) == (True, "drifted much")


@pytest.mark.parametrize("variable", ["prediction_drop", "prediction_hash"])
@pytest.mark.parametrize("hidden", ["a", "a, b"])
def test_values_that_are_hidden_are_not_counted(
    serve: Serve, keeps_feedback: Recorder, tmp_path: Path, variable: str, hidden: str
) -> None:
    keeps_feedback.begin(Settings(data_dir=str(tmp_path), **{variable: hidden}))  # type: ignore[arg-type]
    client = serve(CLASSIFIER, json.dumps(CARD).encode())
    for rows in ([[3.0, 0.5]] * 120, [[3.0, 0.5]], [{"a": 3.0, "b": 0.5}]):
        ask(client, rows)
    found = get(client, "inputs")
    a, b = found["features"]
    assert (found["rows"], found["note"], a["verdict"], a["bins"]) == (122, "", "not counted", [])
    assert (b["rows"], b["verdict"]) == (
        (122, "drifted much") if hidden == "a" else (0, a["verdict"])
    )
    (hour,) = recorder.store.hours(0)
    assert len(hour.counts) == (22 if hidden == "a" else 8)


def test_counts_from_before_a_feature_was_hidden_are_not_mixed_with_others(
    serve: Serve, keeps_feedback: Recorder, tmp_path: Path
) -> None:
    settings = Settings(data_dir=str(tmp_path))
    for hidden in ("", "b"):
        keeps_feedback.begin(msgspec.structs.replace(settings, prediction_drop=hidden))
        client = serve(CLASSIFIER, json.dumps(CARD).encode())
        ask(client, [[3.0, 0.5]] * (3 if hidden else 50))
    assert get(client, "inputs")["rows"] == 3
    assert get(client, "predictions")["answers"] == 53


def test_values_out_of_the_range_are_told_and_not_shown(client: FlaskClient) -> None:
    ask(client, [[12345.678, 0.0]] * 5)
    answer = client.get("/content/inputs")
    assert answer.json["features"][0]["outside_share"]["count"] == 5
    assert "12345" not in answer.text


def test_outputs_are_counted_by_label_and_compared(client: FlaskClient) -> None:
    ask(client, [[3.0, 0.0]] * 95 + [[-3.0, 0.0]] * 5)
    found = get(client, "outputs")
    counts = {each["label"]: each["count"] for each in found["answers"]["bins"]}
    assert counts == {"no": 5, "yes": 95}
    assert (found["answers"]["verdict"], found["series"][0]["counts"]) == ("drifted much", [5, 95])
    assert found["confidence"] is None


def test_probabilities_tell_the_mean_confidence(client: FlaskClient) -> None:
    rows = [[1.0, 0.0], [-2.0, 1.0]]
    ask(client, rows, "predict_proba")
    expected = CLASSIFIER.predict_proba(pd.DataFrame(rows, columns=["a", "b"])).max(axis=1).mean()
    assert get(client, "outputs")["confidence"] == pytest.approx(expected, abs=1e-6)


def test_selections_are_counted_by_class(client: FlaskClient) -> None:
    choose(client, ask(client, [[3.0, 0.0]] * 4), ["yes", "yes", "no", None])
    found = get(client, "selections")
    assert (found["selected"], found["none"], found["coverage"]) == (4, 1, 1.0)
    assert {each["label"]: each["count"] for each in found["labels"]} == {
        "yes": 2,
        "no": 1,
        None: 1,
    }


def test_the_process_that_is_asked_counts_its_answers_first(client: FlaskClient) -> None:
    kept = client.post("/predict", json=[[3.0, 0.0]] * 4).headers["X-Prediction-Id"]
    recorder.fold()
    choose(client, kept, ["yes"])
    (version,) = get(client, "accuracy")["versions"]
    assert (version["answers"], version["selected"], version["coverage"]) == (4, 1, 0.25)


def test_the_coverage_of_answers_that_are_not_counted_yet_is_not_told(client: FlaskClient) -> None:
    choose(client, ask(client, [[3.0, 0.0]] * 4), ["yes"] * 4)
    with sqlite3.connect(recorder.store.folder / "feedback.db") as db:
        db.execute("UPDATE hours SET answers = 1")
    (version,) = get(client, "accuracy")["versions"]
    assert (version["answers"], version["selected"], version["coverage"]) == (1, 4, None)
    assert get(client, "selections")["coverage"] is None
    assert get(client, "predictions")["versions"][0]["coverage"] is None


def test_none_of_the_classes_is_no_class_in_a_table(serve: Serve, keeps_feedback: Recorder) -> None:
    labels = ["", "NA", "null"] * 10
    client = serve(DecisionTreeClassifier().fit(np.arange(30).reshape(-1, 1), labels))
    choose(client, ask(client, [[n] for n in range(4)]), ["", "NA", "null", None])
    text = client.get("/content/selections?format=csv").text
    found = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert sorted(zip(found["label"], found["kind"], strict=True)) == [
        ("", "class"),
        ("", "none of the classes"),
        ("NA", "class"),
        ("null", "class"),
    ]


def test_accuracy_is_told_with_its_interval_against_the_card(client: FlaskClient) -> None:
    choose(client, ask(client, [[3.0, 0.0]] * 40), ["yes"] * 20 + ["no"] * 18 + [None] * 2)
    found = get(client, "accuracy")
    (version,) = found["versions"]
    assert (version["selected"], version["correct"], version["accuracy"]) == (40, 20, 0.5)
    assert version["low"] < 0.5 < version["high"] < found["card"]["low"] == 0.9
    assert version["verdict"] == "worse"
    assert found["confusion"] == {
        "labels": ["no", "yes", None],
        "counts": [[0, 0, 0], [18, 20, 2]],
    }
    assert [(day["selected"], day["correct"]) for day in found["days"]] == [(40, 20)]


def test_of_many_classes_the_most_frequent_are_confused(
    serve: Serve, keeps_feedback: Recorder
) -> None:
    labels = np.arange(60).repeat(2)
    model = DecisionTreeClassifier(random_state=0).fit(labels.reshape(-1, 1), labels)
    client = serve(model)
    choose(client, ask(client, [[n] for n in range(10, 60)]), [*range(11, 60), None])
    found = get(client, "accuracy")["confusion"]
    assert len(found["labels"]) == 51
    assert (found["labels"][-1], set(found["labels"][:-1])) == (None, set(range(10, 60)))
    assert sum(map(sum, found["counts"])) == 50
    assert len(get(client, "selections")["labels"]) == 50


def test_classes_of_several_versions_are_confused_and_nothing_else() -> None:
    pairs = [("a", "a", 3), ("b", "a", 2), ("a", None, 1), (None, "a", 1), ([1.5, 2.5], "a", 1)]
    cards: list[dict[str, Any]] = [{"classes": ["b", "a"]}, {}, {"classes": None}]
    found = confusion(["a"], cards, [*pairs, (1.5, None, 1)])
    assert found is not None
    assert (found.labels, found.counts) == (["a", "b", None], [[3, 0, 1], [2, 0, 0]])


def test_the_metric_is_that_of_the_version_that_serves(
    client: FlaskClient, serve: Serve, keeps_feedback: Recorder
) -> None:
    choose(client, ask(client, [[3.0, 0.0]] * 4), ["yes", "yes", "no", None])
    numbers = serve(REGRESSOR)
    for told in (0, 3):
        kept = ask(numbers, [[1.0, 0.0]] * 3)
        if told:
            choose(numbers, kept, [2.0] * told)
        found = get(numbers, "accuracy")
        of_labels = found["versions"][-1]
        assert (found["metric"], found["confusion"]) == ("mean_absolute_error", None)
        assert (of_labels["selected"], of_labels["verdict"]) == (4, "unknown")
        figures = ("accuracy", "mean_absolute_error", "low", "correct")
        assert [of_labels[name] for name in figures] == [None] * 4
        assert sum(day["selected"] for day in found["days"]) == told
    again = get(client, "accuracy")
    of_numbers, of_labels = sorted(again["versions"], key=lambda each: each["accuracy"] or 0)
    assert (of_labels["accuracy"], of_numbers["accuracy"], of_numbers["correct"]) == (
        0.5,
        None,
        None,
    )
    assert again["confusion"]["labels"] == ["no", "yes", None]
    assert [day["selected"] for day in again["days"]] == [4]


def test_accuracy_of_numbers_is_a_mean_error(serve: Serve, keeps_feedback: Recorder) -> None:
    card = {
        "metrics": {"mean_absolute_error": 0.1},
        "intervals": {"mean_absolute_error": [0.08, 0.12]},
    }
    client = serve(REGRESSOR, json.dumps(card).encode())
    kept = ask(client, [[1.0, 0.0]] * 30)
    choose(client, kept, [1.0] * 15 + [1.5] * 15)
    found = get(client, "accuracy")
    (version,) = found["versions"]
    assert found["metric"] == "mean_absolute_error"
    assert version["mean_absolute_error"] == pytest.approx(0.75, abs=0.05)
    assert version["bias"] == pytest.approx(0.75, abs=0.05)
    assert (version["verdict"], version["correct"], found["confusion"]) == ("worse", None, None)


def test_outputs_of_numbers_have_the_bins_of_the_card(
    serve: Serve, keeps_feedback: Recorder
) -> None:
    card = {"target_values": facts_of(ROWS[:, 0] * 2), "features": FEATURES}
    client = serve(REGRESSOR, json.dumps(card).encode())
    ask(client, RNG.normal(size=(300, 2)).tolist())
    found = get(client, "outputs")["answers"]
    assert found["verdict"] in ("none", "within noise")
    assert sum(each["count"] for each in found["bins"]) == 300


def test_hours_bound_what_is_counted(client: FlaskClient) -> None:
    hour = int(time.time() // HOUR_SECONDS)
    recorder.store.add_counts(
        [
            Hour(hour=hour - ago, version="9" * 64, layout="", answers=n, counts=np.zeros(1))
            for ago, n in ((0, 1), (23, 2), (24, 4), (700, 8))
        ]
    )
    answers = {
        hours: get(client, "predictions", hours=hours)["answers"] for hours in (1, 24, 25, 8784)
    }
    assert answers == {1: 1, 24: 3, 25: 7, 8784: 15}


def test_long_series_are_by_the_day(client: FlaskClient) -> None:
    hour = int(time.time() // HOUR_SECONDS) // 24 * 24
    recorder.store.add_counts(
        [
            Hour(hour=hour - 24 + n, version="9" * 64, layout="", answers=1, counts=np.zeros(1))
            for n in range(24)
        ]
    )
    by = {by: len(get(client, "predictions", hours=72, **by_)["series"]) for by, by_ in BY.items()}
    assert by == {"": 1, "day": 1, "hour": 24}


BY: dict[str, dict[str, str]] = {"": {}, "day": {"by": "day"}, "hour": {"by": "hour"}}


def test_a_version_that_is_not_kept_is_told_as_removed(client: FlaskClient) -> None:
    hour = int(time.time() // HOUR_SECONDS)
    recorder.store.add_counts(
        [Hour(hour=hour - 3, version="9" * 64, layout="", answers=7, counts=np.zeros(1))]
    )
    found = get(client, "models")
    states = {each["version"][:1]: each["state"] for each in found["versions"][1:]}
    assert states == {"9": "removed"}
    assert [each["verdict"] for each in get(client, "accuracy")["versions"]] == ["unknown"]
    assert found["swaps"][0]["version"] == "9" * 64


def test_selections_of_predictions_that_nobody_knows_wait(client: FlaskClient) -> None:
    recorder.store.select([Selection(id=new_id(), row=0, at=time.time(), label="yes")])
    found = get(client, "selections")["selected"], get(client, "info")["selections"]
    assert found == (0, 1)


def test_swaps_are_told_with_their_times(client: FlaskClient) -> None:
    before = time.time()
    note_swap("8" * 64)
    (swap,) = get(client, "models")["swaps"]
    assert swap["version"] == "8" * 64
    assert dt.datetime.fromisoformat(swap["at"]).timestamp() == pytest.approx(before, abs=2)


def test_no_swap_is_noted_where_nothing_is_kept() -> None:
    recorder.begin(Settings(prediction_log="off"))
    note_swap("8" * 64)


def test_a_swap_goes_on_where_its_time_cannot_be_noted(client: FlaskClient, caplog: Any) -> None:
    with sqlite3.connect(recorder.store.folder / "feedback.db") as db:
        db.execute("DROP TABLE notes")
    note_swap("8" * 64)
    assert "the time of a swap cannot be noted" in caplog.text


def test_info_tells_what_is_kept_without_a_path(client: FlaskClient, tmp_path: Path) -> None:
    ask(client, ROWS[:2].tolist())
    answer = client.get("/content/info")
    found = answer.json
    assert (found["mode"], found["note"], found["values"]) == ("all", "", list(VALUES))
    assert found["first"] == found["last"]
    assert str(tmp_path) not in answer.text


def test_latency_tells_quantiles_of_each_route(client: FlaskClient) -> None:
    ask(client, ROWS[:2].tolist())
    found = {each["route"]: each for each in get(client, "latency")["milliseconds"]}
    predict = found["/predict"]
    assert 0 < predict["p50"] <= predict["p90"] <= predict["p99"]


def test_quantiles_of_one_request_are_estimates_within_its_bucket() -> None:
    counts = [float(bound == 0.1) for bound in (*metrics.SECONDS, math.inf)]
    low = metrics.SECONDS[metrics.SECONDS.index(0.1) - 1]
    found = [quantile(counts, part) for part in (0.5, 0.99)]
    assert [low, *found, 0.1] == pytest.approx([0.05, 0.075, 0.0995, 0.1])


@pytest.mark.parametrize(
    ("times", "seconds"), [({}, 0.0), ({1: 4}, 0.00075), ({0: 1, 3: 1}, 0.0005), ({14: 9}, 10.0)]
)
def test_a_quantile_is_read_off_its_bucket(times: dict[int, int], seconds: float) -> None:
    counts = [float(times.get(i, 0)) for i in range(len(metrics.SECONDS) + 1)]
    assert quantile(counts, 0.5) == pytest.approx(seconds)


def test_the_age_of_the_oldest_task_is_told(client: FlaskClient, takes_tasks: None) -> None:
    client.post("/inference/start", json=ROWS[:2].tolist())
    assert 0 <= get(client, "tasks")["oldest_seconds"] < 60


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("kept", "SQLite in DATA_DIR of this machine, and objects in FEEDBACK_URI"),
        ("other", "which ends with this instance, and objects in FEEDBACK_URI"),
    ],
)
def test_it_is_said_where_predictions_are_kept(
    serve: Serve, tmp_path: Path, keeps_feedback: Recorder, folder: str, words: str
) -> None:
    client = serve(CLASSIFIER, data_dir=str(tmp_path / folder), feedback_uri="gs://secret/x")
    assert get(client, "info")["kept_in"].endswith(words)


def test_tasks_are_told_by_state(client: FlaskClient, takes_tasks: None) -> None:
    client.post("/inference/start", json=ROWS[:2].tolist())
    assert get(client, "tasks")["states"] == {"PENDING": 1}


def test_without_tasks_it_says_why(client: FlaskClient) -> None:
    assert "takes no tasks" in get(client, "tasks")["note"]


@pytest.mark.parametrize("value", VALUES)
def test_every_value_has_a_table(client: FlaskClient, value: str) -> None:
    choose(client, ask(client, [[3.0, 0.0]] * 2), ["yes", "no"])
    assert all(None not in row.values() for row in table(client, value))


def test_a_table_by_hours_is_that_of_the_series(client: FlaskClient) -> None:
    choose(client, ask(client, [[3.0, 0.0]] * 2), ["yes", "no"])
    assert "at" not in table(client, "accuracy")[0]
    assert "at" in table(client, "accuracy", by="hour")[0]


def test_an_empty_table_has_its_header(client: FlaskClient) -> None:
    text = client.get("/content/accuracy?format=csv").text
    assert text.startswith("version,selected,correct,accuracy")


def test_accept_asks_for_a_table(client: FlaskClient) -> None:
    answer = client.get("/content/accuracy", headers={"Accept": "text/csv"})
    assert answer.content_type == "text/csv"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("inputs?hours=0", 400, "from 1 to 8784"),
        ("inputs?hours=9999999", 400, "hours=24"),
        ("inputs?hours=soon", 400, "hours=24"),
        ("inputs?hours=", 400, "hours=24"),
        ("accuracy?by=week", 400, "by=hour or by=day"),
        ("accuracy?format=xml", 400, "format=json or format=csv"),
        ("drift", 404, ", ".join(list(VALUES)[:-1])),
    ],
)
def test_what_cannot_be_answered_is_said(
    client: FlaskClient, path: str, status: int, words: str
) -> None:
    answer = client.get(f"/content/{path}")
    assert (answer.status_code, words in answer.json["detail"]) == (status, True)


def test_other_media_types_are_refused(client: FlaskClient) -> None:
    assert client.get("/content/inputs", headers={"Accept": "image/png"}).status_code == 406


TEXTS = ["good day", "bad day", "good night", "bad night"]
DATED = pd.DataFrame(
    {"w": ["u", "v"] * 50, "f": [True, False] * 50, "n": [1.0, None] * 50, "x": range(100)}
)


def of_text() -> tuple[Any, Any]:
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    return model.fit(TEXTS, [1, 0, 1, 0]), TEXTS


def of_outputs() -> tuple[Any, Any]:
    model = MultiOutputClassifier(DecisionTreeClassifier())
    return model.fit(FRAME, np.c_[LABELS, LABELS]), ROWS[:3].tolist()


def of_mappings() -> tuple[Any, Any]:
    model = make_pipeline(DictVectorizer(), LogisticRegression())
    return model.fit([{"a": 1}, {"b": 2}], [0, 1]), [{"a": 1}, {"b": 1}]


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "a classifier without a card": lambda: (CLASSIFIER, ROWS[:3].tolist()),
    "a regressor without a card": lambda: (REGRESSOR, ROWS[:3].tolist()),
    "texts": of_text,
    "several outputs": of_outputs,
    "mappings": of_mappings,
}


@pytest.fixture(params=MODELS)
def other(request: Any, serve: Serve, keeps_feedback: Recorder) -> FlaskClient:
    model, rows = MODELS[request.param]()
    client = serve(model)
    answer = client.post("/predict", json=rows)
    assert answer.status_code == 200, answer.text
    recorder.fold(everything=True)
    return client


def test_every_value_is_answered_for_every_model(other: FlaskClient) -> None:
    found = {value: get(other, value) for value in VALUES}
    assert found["predictions"]["answers"] > 1
    assert {each["verdict"] for each in found["inputs"]["features"]} <= {"unknown", "too few"}
    assert found["inputs"]["note"]
    assert found["accuracy"]["versions"][0]["selected"] == 0


@pytest.mark.parametrize("value", VALUES)
def test_without_counts_it_is_said_why(serve: Serve, value: str) -> None:
    recorder.begin(Settings(prediction_log="off"))
    answer = serve(CLASSIFIER).get(f"/content/{value}")
    if value == "info":
        assert answer.json["kept_in"] == "nowhere"
    if VALUES[value].counted:
        assert (answer.status_code, "PREDICTION_LOG=off" in answer.json["detail"]) == (503, True)
    else:
        assert answer.status_code == 200


def test_counts_that_cannot_be_read_are_503(client: FlaskClient) -> None:
    with sqlite3.connect(recorder.store.folder / "feedback.db") as db:
        db.execute("DROP TABLE told")
    answer = client.get("/content/accuracy")
    assert (answer.status_code, "cannot be read now" in answer.json["detail"]) == (503, True)


def statements(client: FlaskClient, path: str) -> list[str]:
    """What SQLite is asked for one answer."""
    found: list[str] = []
    with recorder.store.reading() as db:
        db.set_trace_callback(found.append)
        assert client.get(f"/content/{path}").status_code == 200
        db.set_trace_callback(None)
    return found


@pytest.mark.parametrize("value", VALUES)
def test_a_year_takes_as_few_statements_as_an_hour_and_scans_nothing(
    client: FlaskClient, value: str
) -> None:
    choose(client, ask(client, [[3.0, 0.0]] * 2), ["yes", "no"])
    found = statements(client, f"{value}?hours=8784")
    assert len(found) == len(statements(client, f"{value}?hours=1")) <= 6
    with recorder.store.reading() as db:
        plans = [
            step["detail"]
            for each in found
            if "hour >=" in each
            for step in db.execute(f"EXPLAIN QUERY PLAN {each}")
        ]
    assert not [step for step in plans if step.startswith("SCAN")]
