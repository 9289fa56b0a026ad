"""The truth of predictions as clients tell it, and what is kept of predictions."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from api import app
from api.feedback import notes, truth
from api.feedback.facts import new_id, time_of
from api.feedback.recorder import Recorder
from api.settings import Settings
from models.baking import bake
from models.engines import choose
from models.errors import ModelError
from models.model import Model
from models.plan import proof_rows
from tests.conftest import Serve
from tests.kept import errors_in, recent_in, told_in
from tests.tasks.conftest import ROW

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.0, 2.0]])


@pytest.fixture(scope="module")
def model(penguins_path: Path) -> Model:
    return choose.load(penguins_path)


def client_of(model: Model, **settings: Any) -> FlaskClient:
    """A client of the service around a model, which is not loaded again."""
    found = Settings(**settings)
    return app.serve(app.service_of(model, found), found).app.test_client()


@pytest.fixture
def client(keeps_feedback: Recorder, model: Model) -> FlaskClient:
    return client_of(model)


@pytest.fixture(autouse=True)
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "RECENT_SECONDS", 0.0)


def predict(client: FlaskClient, body: Any = ROW, path: str = "/predict", **headers: str) -> str:
    """Ask for predictions, and give the id under which they are kept."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.post(path, json=body, headers=named)
    assert answer.status_code == 200, answer.text
    return answer.headers.get("X-Prediction-Id", "")


def select(client: FlaskClient, **choice: Any) -> Any:
    return client.put("/inference/select", json=choice)


def problem(answer: Any, status: int) -> str:
    """The sentence of a problem, with the place that is wrong if one is."""
    assert answer.status_code == status, answer.text
    errors = answer.json.get("errors")
    if not errors:
        return str(answer.json["detail"])
    return "; ".join(f"{each['pointer']}: {each['detail']}" for each in errors)


# One choice.


@pytest.mark.parametrize("path", ["/inference/select", "/inference/select/"])
def test_a_choice_is_kept_and_comes_back(
    client: FlaskClient, keeps_feedback: Recorder, path: str
) -> None:
    kept = predict(client)
    answer = client.put(path, json={"prediction_id": kept, "label": "Gentoo"})
    found: dict[str, Any] = answer.get_json()
    assert found.pop("at").startswith("20")
    assert len(found.pop("version")) == 64
    assert found == {
        "prediction_id": kept,
        "row": 0,
        "label": "Gentoo",
        "predicted": "Adelie",
        "correct": False,
    }
    ((prediction, selection),) = keeps_feedback.store.labelled()
    assert prediction.inputs == list(ROW.values())
    assert (selection.label, selection.predicted) == ("Gentoo", "Adelie")


def test_a_row_of_several_is_named_in_the_id_or_beside_it(client: FlaskClient) -> None:
    kept = predict(client, [ROW, {**ROW, "bill_length_mm": 50.0, "body_mass_g": 6000.0}])
    one = select(client, prediction_id=f"{kept}/1", label="Gentoo").json
    two = select(client, prediction_id=kept, row=1, label="Gentoo").json
    assert one["row"] == two["row"] == 1
    assert one["predicted"] == two["predicted"] != "Adelie"


def test_none_of_the_classes_is_a_choice(client: FlaskClient) -> None:
    answer = select(client, prediction_id=predict(client), label=None)
    assert (answer.json["label"], answer.json["correct"]) == (None, False)


@pytest.mark.parametrize("path", ["/predict_proba", "/invocations", "/v1/models/model:predict"])
def test_each_protocol_names_what_it_keeps(client: FlaskClient, path: str) -> None:
    body: Any = {"instances": [ROW]} if path.startswith("/v1") else ROW
    kept = predict(client, body, path)
    assert select(client, prediction_id=kept, label="Adelie").json["correct"] is True


def test_tensors_are_kept_under_the_label_of_several_methods(client: FlaskClient) -> None:
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [value],
        }
        for name, value in ROW.items()
    ]
    outputs = [{"name": "decision_function"}, {"name": "predict"}]
    kept = predict(client, {"inputs": inputs, "outputs": outputs}, "/v2/models/model/infer")
    assert select(client, prediction_id=kept, label="Adelie").json["predicted"] == "Adelie"


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (
            {"label": "Emu"},
            '/label: expected one of "Adelie", "Chinstrap", "Gentoo", or null for none',
        ),
        ({"label": 1}, '/label: expected one of "Adelie"'),
        ({}, "object missing required field label"),
        ({"label": "Adelie", "row": 7}, "/row: expected a row of this answer, from 0 to 0"),
        ({"label": "Adelie", "row": -1}, "/row: expected `int` >= 0"),
        ({"label": "Adelie", "prediction_id": 5}, "/prediction_id: expected"),
        ({"label": "Adelie", "prediction_id": "abc"}, "/prediction_id: expected the X-Prediction"),
        ({"label": "Adelie", "task_id": "abc"}, ": expected either prediction_id or task_id"),
        ({"label": "Adelie", "lable": 1}, "object contains unknown field lable"),
        ({"label": ["Adelie"]}, "/label: expected"),
    ],
)
def test_a_choice_that_cannot_be_taken_is_told_where(
    client: FlaskClient, choice: dict[str, Any], said: str
) -> None:
    answer = select(client, **{"prediction_id": predict(client), **choice})
    assert said.replace("`", "") in problem(answer, 422)


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
def test_a_truth_that_is_missing_is_not_none_of_the_classes(
    client: FlaskClient, keeps_feedback: Recorder, media_type: str
) -> None:
    choice = f'{{"prediction_id": "{predict(client)}", "label": NaN}}'
    body = f"[{choice}]" if media_type == "application/json" else choice
    answer = client.post("/feedback", data=body, content_type=media_type)
    assert "/0/label: expected the truth, or null" in problem(answer, 422)
    answer = client.put("/inference/select", data=choice, content_type="application/json")
    assert "/label: expected the truth, or null" in problem(answer, 422)
    assert keeps_feedback.store.count_selections() == 0


def test_a_row_told_twice_has_to_be_the_same(client: FlaskClient) -> None:
    kept = predict(client, [ROW, ROW])
    assert select(client, prediction_id=f"{kept}/1", row=1, label="Adelie").status_code == 200
    answer = select(client, prediction_id=f"{kept}/1", row=0, label="Adelie")
    assert problem(answer, 422) == "/row: expected no row, or 1 as in the id"


def test_a_row_may_be_a_whole_float(client: FlaskClient) -> None:
    kept = predict(client, [ROW, ROW])
    assert select(client, prediction_id=kept, row=1.0, label="Adelie").json["row"] == 1
    answer = select(client, prediction_id=kept, row=1.5, label="Adelie")
    assert problem(answer, 422) == "/row: expected int, got float"


def test_what_no_prediction_could_be_is_told_before_the_id(client: FlaskClient) -> None:
    answer = select(client, prediction_id=new_id(), label="Emu")
    assert "/label: expected one of" in problem(answer, 422)
    answer = select(client, prediction_id=new_id(), label=None)
    assert answer.status_code == 404


def test_the_id_of_a_task_has_its_form(client: FlaskClient) -> None:
    answer = select(client, task_id="abc", label="Adelie")
    assert problem(answer, 422) == "/task_id: expected the task_id of a task, 32 hexadecimal digits"


def test_neither_id_is_a_problem(client: FlaskClient) -> None:
    assert "either prediction_id or task_id" in problem(select(client, label="Adelie"), 422)


def test_an_id_of_nobody_is_404_and_one_of_long_ago_410(client: FlaskClient) -> None:
    answer = select(client, prediction_id=new_id(), label="Adelie")
    assert "No prediction that is kept has this id" in problem(answer, 404)
    answer = select(client, prediction_id=new_id(time.time() - 3e6), label="Adelie")
    assert "kept for 30 days (PREDICTION_TTL)" in problem(answer, 410)


def test_a_prediction_that_another_process_has_not_written_yet_is_waited_for(
    client: FlaskClient, keeps_feedback: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth, "RECENT_SECONDS", 5.0)
    kept = predict(client)
    slept: list[float] = []
    fold = keeps_feedback.fold

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        fold()

    monkeypatch.setattr(keeps_feedback, "fold", lambda: None)
    # The threads of other tests sleep as before.
    monkeypatch.setattr(truth, "time", SimpleNamespace(time=time.time, sleep=sleep))
    assert select(client, prediction_id=kept, label="Adelie").status_code == 200
    assert slept == [truth.LOOK_SECONDS]


def test_curl_says_a_type_of_its_own(client: FlaskClient) -> None:
    data = json.dumps({"prediction_id": predict(client), "label": "Adelie"})
    form = "application/x-www-form-urlencoded"
    assert client.put("/inference/select", data=data, content_type=form).status_code == 200
    answer = client.put("/inference/select", data=data, content_type="text/csv")
    assert "send application/json" in problem(answer, 415)
    answer = client.put("/inference/select", data=data[:-1], content_type="application/json")
    assert "The body is not JSON" in problem(answer, 400)


def test_where_nothing_is_kept_it_is_said_why(
    keeps_feedback: Recorder, model: Model, tmp_path: Path
) -> None:
    for mode, said in (("off", "PREDICTION_LOG=off"), ("statistics", "only counts are kept")):
        environ = {"PREDICTION_LOG": mode, "DATA_DIR": str(tmp_path)}
        keeps_feedback.begin(Settings.from_env(environ))
        client = client_of(model)
        assert predict(client) == ""
        answer = select(client, prediction_id=new_id(), label="Adelie")
        assert said in problem(answer, 503)
        assert "set PREDICTION_LOG=all" in problem(answer, 503)


def test_a_disk_that_is_full_is_told_and_nothing_is_counted(
    client: FlaskClient, keeps_feedback: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError("feedback.db cannot be used: database or disk is full")

    kept = predict(client)
    monkeypatch.setattr(keeps_feedback.store, "select", full)
    answer = select(client, prediction_id=kept, label="Adelie")
    assert "it cannot be kept now (feedback.db cannot be used" in problem(answer, 503)


# Numbers, clusters, and models without a label.


class Odd(RegressorMixin, BaseEstimator):
    """Stands for code of somebody's own that has no finite number for each row."""

    def fit(self, X: Any, _: Any) -> Odd:
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: Any) -> Any:
        found = np.array(X, np.float64)[:, 0]
        found[found < 0], found[found > 8] = np.nan, np.inf
        return found


def test_the_truth_of_a_regression_is_a_number(keeps_feedback: Recorder, serve: Serve) -> None:
    client = serve(LinearRegression().fit(X, [1.0, 2.0, 3.0, 4.0]))
    kept = predict(client, [[1.0, 2.0]])
    found = select(client, prediction_id=kept, label=3).json
    assert (found["label"], found["correct"]) == (3.0, None)
    assert select(client, prediction_id=kept, label=None).status_code == 200
    for wrong in ("three", True, 1e200, -(10**400)):
        answer = select(client, prediction_id=kept, label=wrong)
        assert problem(answer, 422) == "/label: expected the true number, below 1e+140, or null"
    assert len(errors_in(keeps_feedback.store, 0)) == 0


def test_a_regression_on_a_table_of_one_column_has_one_truth_a_row(
    keeps_feedback: Recorder, serve: Serve
) -> None:
    client = serve(LinearRegression().fit(X, X[:, :1]))
    for rows in (X.tolist(), X[:1].tolist()):
        kept = predict(client, rows)
        found = select(client, prediction_id=f"{kept}/{len(rows) - 1}", label=1).json
        assert (found["label"], found["predicted"]) == (1.0, pytest.approx(rows[-1][0]))
    keeps_feedback.fold(everything=True)
    assert client.get("/content/accuracy").json["versions"][0]["selected"] == 2


def test_the_truth_of_a_regression_that_answers_no_number_is_one(
    keeps_feedback: Recorder, serve: Serve
) -> None:
    client = serve(Odd().fit(X, X[:, 0]))
    kept = predict(client, [[1.0, 0.0], [-1.0, 0.0], [9.0, 0.0]])
    found = [select(client, prediction_id=kept, row=row, label=3).json for row in range(3)]
    assert [each["predicted"] for each in found] == [1.0, None, "Infinity"]
    assert [each["correct"] for each in found] == [None] * 3
    keeps_feedback.fold(everything=True)
    (version,) = client.get("/content/accuracy").json["versions"]
    assert (version["selected"], version["mean_absolute_error"]) == (1, 2)


def test_the_truth_of_a_cluster_is_a_whole_number(keeps_feedback: Recorder, serve: Serve) -> None:
    client = serve(KMeans(2, n_init=1, random_state=0).fit(X))
    kept = predict(client, [[1.0, 2.0]])
    assert select(client, prediction_id=kept, label=1.0).json["correct"] in (True, False)
    answer = select(client, prediction_id=kept, label=1.5)
    assert problem(answer, 422) == "/label: expected a whole number, or null"
    assert len(told_in(keeps_feedback.store, 0)) == 1


def test_classes_of_numbers_are_found_by_value(keeps_feedback: Recorder, serve: Serve) -> None:
    client = serve(DecisionTreeClassifier().fit(X, [0, 1, 0, 1]))
    kept = predict(client, [[1.0, 0.0]])
    assert select(client, prediction_id=kept, label=1.0).json["label"] == 1
    for wrong in (True, "1", 2):
        assert "/label: expected one of 0, 1" in problem(
            select(client, prediction_id=kept, label=wrong), 422
        )


class Threshold(ClassifierMixin, BaseEstimator):
    """Stands for code of somebody's own whose `predict` has another type than its classes."""

    def __init__(self, answers: str = "float") -> None:
        self.answers = answers

    def fit(self, X: Any, y: Any) -> Threshold:
        self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: Any) -> Any:
        return (np.asarray(X)[:, 0] > 0.5).astype(self.answers)


@pytest.mark.parametrize("answers", ["float", "bool"])
def test_an_answer_that_equals_a_class_in_another_type_is_that_class(
    keeps_feedback: Recorder, serve: Serve, answers: str
) -> None:
    client = serve(Threshold(answers).fit(X, [0, 1, 0, 1]))
    found = client.post("/predict", json=X.tolist())
    kept, labels = found.headers["X-Prediction-Id"], found.json["predictions"]
    told = [{"prediction_id": f"{kept}/{i}", "label": each} for i, each in enumerate(labels)]
    assert client.post("/feedback", json=[*told[:2]]).json["kept"] == 2
    for row, label in ((2, 1), (3, 0)):
        answer = select(client, prediction_id=kept, row=row, label=label).json
        assert answer["correct"] is (label == 1)
    keeps_feedback.fold(everything=True)
    accuracy = client.get("/content/accuracy").json
    assert accuracy["versions"][0]["correct"] == 3
    assert accuracy["confusion"]["counts"] == [[1, 0, 0], [1, 2, 0]]


def test_classes_of_booleans_are_no_numbers(keeps_feedback: Recorder, serve: Serve) -> None:
    client = serve(DecisionTreeClassifier().fit(X, [False, True, False, True]))
    kept = predict(client, [[1.0, 0.0]])
    assert select(client, prediction_id=kept, label=True).json["correct"] is True
    assert select(client, prediction_id=kept, label=1).status_code == 422


def test_models_without_one_label_keep_counts_only(keeps_feedback: Recorder, serve: Serve) -> None:
    several = serve(DecisionTreeClassifier().fit(X, [[0, 1], [1, 0], [0, 1], [1, 1]]))
    assert predict(several, [[1.0, 0.0]]) == ""
    scaler = serve(StandardScaler().fit(X))
    assert predict(scaler, [[1.0, 0.0]], "/transform") == ""
    keeps_feedback.fold(everything=True)
    assert [each.answers for each in keeps_feedback.store.hours(0)] == [1, 1]


# Many choices.


def lines(*choices: Any) -> str:
    return "\n".join(map(json.dumps, choices))


@pytest.mark.parametrize(
    ("media_type", "write"),
    [
        ("application/json", json.dumps),
        ("application/x-ndjson", lambda choices: lines(*choices) + "\n\n"),
        ("text/csv", lambda c: f"prediction_id,label\n{c[0]['prediction_id']},Gentoo\n"),
        ("text/csv", lambda c: f"label;prediction_id;row\r\nGentoo;{c[0]['prediction_id']};0\r\n"),
        ("text/csv", lambda c: f"\ufeff label, prediction_id \nGentoo, {c[0]['prediction_id']}"),
        (
            "text/tab-separated-values",
            lambda c: f"label\tprediction_id\nGentoo\t{c[0]['prediction_id']}",
        ),
        ("text/csv", lambda c: f",prediction_id,row,label\n7,{c[0]['prediction_id']},0.0,Gentoo"),
        ("application/x-www-form-urlencoded", json.dumps),
        ("application/x-www-form-urlencoded", lambda choices: lines(*choices)),
    ],
)
def test_many_choices_come_in_any_form(
    client: FlaskClient, keeps_feedback: Recorder, media_type: str, write: Any
) -> None:
    body = write([{"prediction_id": predict(client), "label": "Gentoo"}])
    answer = client.post("/feedback", data=body.encode(), content_type=media_type)
    assert answer.json["kept"] == 1, answer.text
    ((_, selection),) = keeps_feedback.store.labelled()
    assert selection.label == "Gentoo"


def test_choices_whose_prediction_is_not_here_are_counted_and_named(client: FlaskClient) -> None:
    body = [
        {"prediction_id": predict(client), "label": "Gentoo"},
        {"prediction_id": new_id(), "label": "Gentoo"},
        {"prediction_id": new_id(time.time() - 3e6), "label": None},
    ]
    assert client.post("/feedback", json=body).json == {
        "kept": 1,
        "unknown": 1,
        "expired": 1,
        "unknown_places": ["/1"],
        "expired_places": ["/2"],
    }


def test_where_one_choice_is_wrong_none_is_kept(
    client: FlaskClient, keeps_feedback: Recorder
) -> None:
    kept = predict(client)
    body = [{"prediction_id": kept, "label": label} for label in ("Adelie", "Emu", 3)]
    said = problem(client.post("/feedback", json=[*body, {}]), 422)
    assert [each.split(": ")[0] for each in said.split("; ")] == ["/1/label", "/2/label", "/3"]
    assert keeps_feedback.store.count_selections() == 0


@pytest.mark.parametrize(
    ("body", "media_type", "status", "said"),
    [
        ("id,label\n1,2", "text/csv", 400, "names the columns prediction_id (or task_id), label"),
        ("prediction_id,row\n1,2", "text/csv", 400, "it has 'prediction_id,row'"),
        ("prediction_id,label,label\n1,2,3", "text/csv", 400, "names the columns"),
        ("", "text/csv", 400, "names the columns"),
        ("prediction_id,label\n1", "text/csv", 422, "/0: expected a cell for each column"),
        ("prediction_id,label\n1,a,b", "text/csv", 422, "/0: expected a cell for each column"),
        ("prediction_id,label\n1,", "text/csv", 422, "/0/label: expected the truth, or null"),
        ("prediction_id,label,row\n1,a,x", "text/csv", 422, "/0/row: expected int"),
        ('prediction_id,label\n"1', "text/csv", 400, "The body is not CSV: line 1"),
        ("prediction_id,label\n", "text/csv", 422, "expected at least one choice"),
        (b"prediction_id,label\n\xff,1", "text/csv", 400, "not UTF-8"),
        ("{", "application/x-ndjson", 400, "line 1: "),
        ("{}", "application/json", 422, "expected a list of choices"),
        ("[", "application/json", 400, "The body is not JSON"),
        ("[]", "application/json", 422, "expected at least one"),
        ('{"label": {"0": "a"}}', "application/json", 422, 'to_json(orient="records")'),
        ('[{"label": 1, "label": 2}]', "application/json", 422, "/0: expected label once"),
        ('[{"prediction_id": "a", "label": NaN}]', "application/json", 422, "/0/prediction_id"),
        ('{\n"label": 1}\n', "application/x-ndjson", 400, "line 1: expected a whole choice"),
        ('{\n"label": 1}\n', "application/x-www-form-urlencoded", 400, "as jq -c writes it"),
        ('\ufeff[{"label": 1}]', "application/x-www-form-urlencoded", 422, "/0: expected either"),
        ("a", "application/x-npy", 415, "send application/json, application/x-ndjson, text/csv"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(
    client: FlaskClient, body: Any, media_type: str, status: int, said: str
) -> None:
    answer = client.post("/feedback", data=body, content_type=media_type)
    assert said in problem(answer, status)


@pytest.mark.parametrize(
    ("classes", "cell", "label"),
    [
        ([0, 1], "1", 1),
        ([False, True], "true", True),
        (["1", "2"], "1", "1"),
        (["null", "b"], "null", "null"),
        (["a", "b"], "null", None),
        ([0.5, 1.5], "1.5", 1.5),
    ],
)
def test_a_cell_names_a_class_by_its_text(
    keeps_feedback: Recorder, serve: Serve, classes: list[Any], cell: str, label: Any
) -> None:
    answers = [str(each) if isinstance(each, float) else each for each in classes] * 2
    client = serve(DecisionTreeClassifier().fit(X, answers))
    if isinstance(classes[0], float):
        client = serve(LinearRegression().fit(X, classes * 2))
    kept = predict(client, [[1.0, 0.0]])
    body = f"prediction_id,label\n{kept},{cell}"
    assert client.post("/feedback", data=body, content_type="text/csv").json["kept"] == 1
    ((_, selection),) = keeps_feedback.store.labelled()
    assert selection.label == label
    assert type(selection.label) is type(label)


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("450000,5", 450000.5),
        ("-0,5", -0.5),
        ("1,5e3", 1500.0),
        ("450.5", 450.5),
        ("12", 12.0),
        ("450.000", "a point that could separate thousands"),
        ("1.000,5", "a point that could separate thousands"),
        ("1_000", "expected the true number"),
        ("9" * 400, "expected the true number"),
        ("nan", "expected the true number"),
    ],
)
def test_numbers_of_excel_are_read_as_they_are_meant(
    keeps_feedback: Recorder, serve: Serve, cell: str, label: Any
) -> None:
    client = serve(LinearRegression().fit(X, [1.0, 2.0, 3.0, 4.0]))
    body = f"prediction_id;label\n{predict(client, [[1.0, 0.0]])};{cell}"
    answer = client.post("/feedback", data=body, content_type="text/csv")
    if isinstance(label, str):
        assert label in problem(answer, 422)
        return
    assert answer.json["kept"] == 1, answer.text
    assert [each.label for each in recent_in(keeps_feedback.store, 9)] == [label]


def test_texts_are_told_as_a_reader_sees_them(keeps_feedback: Recorder, serve: Serve) -> None:
    client = serve(DecisionTreeClassifier().fit(X, ["caf\u00e9", " b ", "caf\u00e9", " b "]))
    kept = predict(client, [[1.0, 0.0]])
    for given, label in (("cafe\u0301", "caf\u00e9"), ("b", " b "), (" b ", " b ")):
        assert select(client, prediction_id=kept, label=given).json["label"] == label
    body = f"prediction_id,label\n{kept}, b \n"
    assert client.post("/feedback", data=body, content_type="text/csv").json["kept"] == 1
    assert recent_in(keeps_feedback.store, 1)[0].label == " b "


def test_a_regression_of_several_targets_keeps_counts_only(
    keeps_feedback: Recorder, serve: Serve
) -> None:
    client = serve(LinearRegression().fit(X, X))
    assert predict(client, [[1.0, 0.0]]) == predict(client, [[1.0, 0.0]] * 2) == ""
    keeps_feedback.fold(everything=True)
    assert [each.answers for each in keeps_feedback.store.hours(0)] == [3]


def test_a_number_told_to_another_instance_is_taken(
    keeps_feedback: Recorder, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.feedback.bucket.write", lambda *_: None)
    client = serve(LinearRegression().fit(X, [1.0, 2.0, 3.0, 4.0]), feedback_uri="gs://bucket/f")
    found = select(client, prediction_id=new_id(), label=3).json
    assert (found["label"], found["predicted"], found["correct"]) == (3.0, None, None)
    assert recent_in(keeps_feedback.store, 1)[0].is_number


def test_words_for_a_regression_are_told(keeps_feedback: Recorder, serve: Serve) -> None:
    client = serve(LinearRegression().fit(X, [1.0, 2.0, 3.0, 4.0]))
    body = f"prediction_id,label\n{predict(client, [[1.0, 0.0]])},much"
    answer = client.post("/feedback", data=body, content_type="text/csv")
    assert problem(answer, 422) == "/0/label: expected the true number, below 1e+140, or null"
    assert keeps_feedback.store.count_selections() == 0


# One row with a plan, whose way is shorter.


ONE = {"x0": 1.0, "x1": 0.0}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("planned") / "latest.joblib"
    joblib.dump(LogisticRegression().fit(X, [0, 1, 0, 1]), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof_rows, "ROWS", 1_000)
        bake(path)
    found = choose.load(path)
    assert "predict" in found.engine.one_row
    return found


def test_one_row_with_a_plan_is_kept_and_told(keeps_feedback: Recorder, planned: Model) -> None:
    client = client_of(planned)
    kept = predict(client, ONE)
    assert select(client, prediction_id=kept, label=1).json["predicted"] in (0, 1)
    assert predict(client, ONE, X_Prediction_Log="off") == ""
    keeps_feedback.fold(everything=True)
    assert [each.answers for each in keeps_feedback.store.hours(0)] == [1]


def test_of_many_rows_a_second_the_first_are_looked_at_and_all_are_counted(
    keeps_feedback: Recorder, planned: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "MAX_ONES", 30)
    client = client_of(planned)
    for _ in range(2):
        for method in ("/predict", "/decision_function"):
            for _ in range(30):
                predict(client, ONE, method)
        predict(client, ONE, X_Prediction_Log="off")
        keeps_feedback.fold(everything=True)
    (hour,) = keeps_feedback.store.hours(0)
    assert (hour.answers, hour.counts[0]) == (120, 60)
    assert keeps_feedback.store.count_predictions() == 20


def test_one_row_of_several_targets_is_counted_only(
    keeps_feedback: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_rows, "ROWS", 1_000)
    path = tmp_path / "latest.joblib"
    joblib.dump(LinearRegression().fit(X, X), path)
    bake(path)
    assert predict(client_of(choose.load(path)), ONE) == ""
    assert keeps_feedback.mode == "all"


# Keys.


def keys(*names: str) -> str:
    return ",".join(f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in names)


def test_a_prediction_is_its_keys_own_and_the_administrators(
    keeps_feedback: Recorder, model: Model
) -> None:
    client = client_of(model, api_keys=keys("ann", "bob"), admin_keys=keys("root"))
    kept = predict(client, Authorization="Bearer ann")
    assert len(kept) == 32
    for name, status in (("bob", 404), ("ann", 200), ("root", 200), ("eve", 401)):
        answer = client.put(
            "/inference/select",
            json={"prediction_id": kept, "label": "Adelie"},
            headers={"Authorization": f"Bearer {name}"},
        )
        assert answer.status_code == status, name


# What is kept.


def test_a_request_may_ask_to_leave_no_trace(client: FlaskClient, keeps_feedback: Recorder) -> None:
    for body in (ROW, [ROW, ROW]):
        assert predict(client, body, X_Prediction_Log=" OFF ") == ""
        assert predict(client, body, X_Prediction_Log="false") == ""
    keeps_feedback.fold(everything=True)
    assert keeps_feedback.store.hours(0) == []
    assert predict(client, X_Prediction_Log="on") != ""


def test_so_many_answers_a_second_are_kept_and_all_are_counted(
    keeps_feedback: Recorder, model: Model, tmp_path: Path
) -> None:
    keeps_feedback.begin(Settings(prediction_log_rate=3, data_dir=str(tmp_path)))
    client = client_of(model)
    assert [bool(predict(client)) for _ in range(5)] == [True] * 3 + [False] * 2
    for _ in range(4):
        keeps_feedback.fold()
    assert [bool(predict(client)) for _ in range(4)] == [True] * 3 + [False]
    keeps_feedback.fold(everything=True)
    assert sum(each.answers for each in keeps_feedback.store.hours(0)) == 9


def test_two_requests_of_a_thousand_rows_are_kept_until_they_are_written(
    client: FlaskClient, keeps_feedback: Recorder
) -> None:
    rows = [ROW] * notes.MAX_KEPT_ROWS
    for _ in range(2):
        assert [bool(predict(client, rows)) for _ in range(3)] == [True, True, False]
        keeps_feedback.fold()
    assert keeps_feedback.store.count_predictions() == 4 * notes.MAX_KEPT_ROWS


def test_a_purse_has_no_more_coins_than_answers_find_room() -> None:
    assert len(notes.Purse(10**9).coins) == notes.MAX_RATE


def test_a_purse_that_others_have_emptied_pays_nothing() -> None:
    purse = notes.Purse(1)
    assert purse.spend()
    assert not purse.spend()
    purse.fill()
    assert purse.spend()


def test_a_large_batch_is_counted_by_a_part_and_not_kept(
    client: FlaskClient, keeps_feedback: Recorder
) -> None:
    assert predict(client, [ROW] * (notes.MAX_KEPT_ROWS + 1)) == ""
    assert predict(client, [ROW] * 1000) != ""
    assert predict(client, [ROW] * 1000) != ""
    # No more rows wait to be written down.
    assert predict(client, [ROW]) == ""
    keeps_feedback.fold(everything=True)
    (hour,) = keeps_feedback.store.hours(0)
    assert hour.answers == 3002
    assert 0 < hour.counts[0] <= notes.MAX_BATCH_ROWS


def test_values_are_hidden_or_left_out_where_that_is_asked(
    keeps_feedback: Recorder, model: Model, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=str(tmp_path), prediction_hash="island,sex", prediction_drop="body_mass_g"
    )
    keeps_feedback.begin(settings)
    client = client_of(model)
    for sex in ("female", "female", None):
        predict(client, {**ROW, "sex": sex})
    keeps_feedback.fold()
    rows = [each.inputs for each in keeps_feedback.store.predictions_after("0" * 32, 0, 9e9, 9)]
    assert rows[0] == rows[1]
    assert rows[0][0].startswith("hmac:")
    assert rows[0][0] != rows[0][5]
    assert rows[0][4] is None
    assert rows[2][5] is None
    assert rows[0][1] == ROW["bill_length_mm"]
    key = (tmp_path / "feedback" / "key").read_bytes()
    assert len(key) == 64
    keeps_feedback.begin(settings)
    assert (tmp_path / "feedback" / "key").read_bytes() == key
    assert (tmp_path / "feedback" / "key").stat().st_mode & 0o077 == 0


def test_a_key_of_the_settings_hides_values_alike_everywhere(
    keeps_feedback: Recorder, model: Model, tmp_path: Path
) -> None:
    found = []
    for name in ("a", "b"):
        settings = Settings(
            data_dir=str(tmp_path / name),
            prediction_hash="island",
            prediction_key="k" * 16,
        )
        keeps_feedback.begin(settings)
        predict(client_of(model))
        keeps_feedback.fold()
        found.append(keeps_feedback.store.predictions_after("0" * 32, 0, 9e9, 9)[0].inputs[0])
        assert not (tmp_path / name / "feedback" / "key").exists()
    assert found[0] == found[1]


def test_equal_numbers_have_one_hash(
    keeps_feedback: Recorder, serve: Serve, tmp_path: Path
) -> None:
    keeps_feedback.begin(Settings(data_dir=str(tmp_path), prediction_hash="zip"))
    rows = pd.DataFrame({"zip": [10115, 20095] * 2})
    client = serve(make_pipeline(OneHotEncoder(), LogisticRegression()).fit(rows, [0, 1] * 2))
    for body in ([{"zip": 10115}, {"zip": 10115.0}], {"zip": 10115.0}, {"zip": 20095}):
        predict(client, body)
    keeps_feedback.fold()
    kept = keeps_feedback.store.predictions_after("0" * 32, 0, 9e9, 9)
    hashes = [each.inputs[0] for each in kept]
    assert len({*hashes[:3]}) == 1
    assert hashes[3] != hashes[0]


@pytest.mark.parametrize("variable", ["PREDICTION_HASH", "PREDICTION_DROP"])
def test_a_name_that_hides_nothing_stops_the_start(
    keeps_feedback: Recorder, model: Model, tmp_path: Path, variable: str
) -> None:
    environ = {variable: "sex, ilsand", "DATA_DIR": str(tmp_path)}
    keeps_feedback.begin(Settings.from_env(environ))
    with pytest.raises(ModelError) as error:
        client_of(model)
    said = f"{variable} names ilsand, and the model has no such feature: it has island, bill_length"
    assert str(error.value).startswith(said)


def test_rows_that_are_no_tables_are_kept_whole(keeps_feedback: Recorder, serve: Serve) -> None:
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a b", "aa bb"], [0, 1])
    mappings = make_pipeline(DictVectorizer(), LogisticRegression())
    rows: list[tuple[Any, Any]] = [
        (texts, "good old text"),
        (mappings.fit([{"a": 1.0}, {"b": 2.0}], [0, 1]), {"a": 3.0, "b": 0.5}),
    ]
    for estimator, row in rows:
        kept = predict(serve(estimator), [row, row])
        keeps_feedback.fold(everything=True)
        found = keeps_feedback.store.prediction(kept, 1)
        assert found is not None
        assert found.inputs == [row]


def test_probabilities_and_missing_values_are_kept(
    client: FlaskClient, keeps_feedback: Recorder
) -> None:
    for path in ("/predict_proba", "/predict"):
        predict(client, [{**ROW, "bill_length_mm": None}, ROW], path)
    keeps_feedback.fold()
    found = keeps_feedback.store.predictions_after("0" * 32, 0, 9e9, 9)
    assert [each.inputs[1] for each in found] == [None, 33.1] * 2
    assert [each.label for each in found] == ["Chinstrap", "Adelie"] * 2
    assert [len(each.ranked or ()) for each in found] == [3, 3, 0, 0]
    assert abs(time_of(found[0].id) - found[0].at) < 0.002


def test_a_folder_that_cannot_be_written_gives_way_to_a_temporary_one(
    keeps_feedback: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    keeps_feedback.begin(Settings(data_dir=str(tmp_path / "file")))
    assert keeps_feedback.store.folder.parent == tmp_path
    assert keeps_feedback.mode == "statistics"
    assert "file cannot be written" in keeps_feedback.reason
    keeps_feedback.begin(Settings(k_service="service", prediction_log="all"))
    assert keeps_feedback.store.folder.parent == tmp_path
    assert "this disk is memory: set FEEDBACK_URI" in keeps_feedback.reason
    settings = Settings(k_service="s", prediction_log="all", feedback_uri="gs://bucket/feedback")
    keeps_feedback.begin(settings)
    assert (keeps_feedback.mode, keeps_feedback.reason) == ("all", "")


@pytest.mark.parametrize(
    ("more", "level"),
    [({}, "INFO"), ({"data_dir": "file"}, "WARNING"), ({"prediction_log": "all"}, "WARNING")],
    ids=["by default", "DATA_DIR", "PREDICTION_LOG"],
)
def test_a_folder_that_somebody_has_set_and_cannot_be_written_is_warned_of(
    keeps_feedback: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    more: dict[str, Any],
    level: str,
) -> None:
    for name in ("file", "data"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    keeps_feedback.begin(Settings(**more))
    (record,) = [each for each in caplog.records if "cannot be written" in each.message]
    assert record.levelname == level
    assert "only counts are kept of predictions, since DATA_DIR=" in record.message


def test_in_memory_few_predictions_are_kept_and_nowhere_old_ones(
    client: FlaskClient,
    model: Model,
    keeps_feedback: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    predict(client, [ROW] * 9)
    keeps_feedback.fold()
    keeps_feedback.expire(60)
    assert keeps_feedback.store.count_predictions() == 9
    keeps_feedback.expire(-60)
    assert keeps_feedback.store.count_predictions() == 0
    monkeypatch.setattr("api.feedback.recorder.MAX_TEMPORARY", 4)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = Settings(k_service="s", prediction_log="all", feedback_uri="gs://bucket/feedback")
    keeps_feedback.begin(settings)
    predict(client_of(model), [ROW] * 9)
    keeps_feedback.fold()
    keeps_feedback.expire(60)
    assert keeps_feedback.store.count_predictions() == 4


def test_where_no_folder_can_be_written_nothing_is_kept_and_that_is_said(
    keeps_feedback: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    keeps_feedback.begin(Settings(data_dir=str(tmp_path / "file")))
    assert keeps_feedback.mode == "off"
    assert "feedback cannot be kept" in caplog.text
    keeps_feedback.close()


def test_a_fold_that_fails_is_told_of_and_the_next_goes_on(
    keeps_feedback: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folds = iter([ValueError("a fault of ours"), None, KeyboardInterrupt()])

    def fold() -> None:
        if error := next(folds):
            raise error

    monkeypatch.setattr(keeps_feedback, "fold", fold)
    monkeypatch.setattr("api.feedback.recorder.FOLD_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        keeps_feedback.watch()
    assert caplog.text.count("a fault of ours") == 1


def test_where_only_counts_are_kept_they_are_written(
    keeps_feedback: Recorder, model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeps_feedback.begin(Settings(prediction_log="statistics", data_dir=str(tmp_path)))
    client = client_of(model)
    assert predict(client) == ""
    for _ in range(4):
        keeps_feedback.fold()
    assert [each.answers for each in keeps_feedback.store.hours(0)] == [1]
    assert keeps_feedback.features("another version") is None
    shutil.rmtree(keeps_feedback.store.folder)
    keeps_feedback.store.folder.touch()
    for _ in range(4):
        keeps_feedback.fold()
    assert "feedback is lost" in caplog.text


def test_a_version_that_was_replaced_is_counted_and_then_forgotten(
    keeps_feedback: Recorder, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    service = app.service_of(model, settings)
    client = app.serve(service, settings).app.test_client()
    service.close()
    predict(client)
    keeps_feedback.fold(everything=True)
    assert [each.answers for each in keeps_feedback.store.hours(0)] == [1]
    assert keeps_feedback.features(model.version) == list(ROW)
    monkeypatch.setattr("api.feedback.recorder.LINGER_SECONDS", -1)
    keeps_feedback.fold(everything=True)
    assert keeps_feedback.features(model.version) is None


def test_a_store_that_is_removed_is_made_anew(
    client: FlaskClient, keeps_feedback: Recorder
) -> None:
    kept = predict(client)
    keeps_feedback.fold()
    shutil.rmtree(keeps_feedback.store.folder)
    answer = select(client, prediction_id=kept, label="Adelie")
    assert answer.status_code in (200, 404, 503)
    for _ in range(4):
        keeps_feedback.fold()
    kept = predict(client)
    keeps_feedback.fold()
    assert select(client, prediction_id=kept, label="Adelie").status_code == 200


def test_where_nothing_can_be_written_no_id_is_given(
    client: FlaskClient, keeps_feedback: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    assert predict(client) != ""
    folder = keeps_feedback.store.folder
    shutil.rmtree(folder)
    folder.touch()
    for _ in range(4):
        keeps_feedback.fold()
    assert predict(client) == ""
    assert "feedback is lost" in caplog.text
    folder.unlink()
    for _ in range(8):
        keeps_feedback.fold()
    assert predict(client) != ""


def test_counts_that_cannot_be_written_wait_and_are_warned_of_once(
    client: FlaskClient,
    keeps_feedback: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(_: object) -> None:
        raise OSError("disk full")

    predict(client)
    with monkeypatch.context() as patch:
        patch.setattr(keeps_feedback.store, "add_counts", full)
        keeps_feedback.close()
        keeps_feedback.close()
    assert caplog.text.count("feedback is lost: disk full") == 1
    keeps_feedback.close()
    assert [each.answers for each in keeps_feedback.store.hours(0)] == [1]
