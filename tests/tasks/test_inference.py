"""Tasks as clients meet them: what is accepted, how far it is, what comes of it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from api.tasks import desk
from api.tasks.task import FIRST_ROWS
from tests.tasks.conftest import LINE, NAMES, ROW, Build, House

CSV = {"content_type": "text/csv"}
JSON = "application/json"


def table(rows: int) -> str:
    return "\n".join([NAMES, *(f"Dream,{33 + i % 20}.5,16.1,178,2900,male" for i in range(rows))])


# What is accepted.


def test_a_task_is_answered_as_predict_answers(house: House) -> None:
    rows = [ROW, {**ROW, "bill_length_mm": 50.0, "body_mass_g": 5500.0}]
    found = house.run(rows)
    assert found["predictions"] == house.client.post("/predict", json=rows).json["predictions"]
    assert (found["rows"], found["offset"], found["method"]) == (2, 0, "predict")


def npy() -> bytes:
    text = io.BytesIO()
    np.save(text, pd.DataFrame([ROW]).to_records(index=False))
    return text.getvalue()


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (json.dumps({"instances": [ROW]}), JSON),
        (pd.DataFrame([ROW]).to_json(orient="split"), JSON),
        (f"{NAMES}\n{LINE}\n", "text/csv"),
        (f"{LINE}\n", "text/csv; header=absent"),
        (f"{NAMES}\n{LINE}\n".replace(",", "\t"), "text/tab-separated-values"),
        (f"{NAMES}\n{LINE}\n".encode("utf-16"), "text/csv; charset=utf-16"),
        (json.dumps(ROW) + "\n", "application/x-ndjson"),
    ],
)
def test_any_body_of_predict_is_a_task(house: House, body: Any, media_type: str) -> None:
    assert house.run(data=body, content_type=media_type)["predictions"] == ["Adelie"]


def test_the_file_of_a_form_is_a_task(house: House) -> None:
    file = (io.BytesIO(f"{NAMES}\n{LINE}\n".encode()), "rows.csv")
    assert house.run(data={"file": file})["predictions"] == ["Adelie"]


def test_a_compressed_body_is_a_task(house: House) -> None:
    body = gzip.compress(table(5).encode())
    found = house.run(data=body, headers={"Content-Encoding": "gzip"}, **CSV)
    assert found["rows"] == 5


@pytest.mark.parametrize("rows", [FIRST_ROWS, FIRST_ROWS + 1, 3 * FIRST_ROWS])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_rows_of_many_chunks_come_back_in_order(house: House, rows: int, form: str) -> None:
    body = table(rows)
    sent: Any = {"data": body, **CSV}
    if form == "json":
        sent = {
            "data": pd.read_csv(io.StringIO(body)).to_json(orient="records"),
            "content_type": JSON,
        }
    found = house.run(**sent)
    whole = house.client.post("/predict", data=body, **CSV)
    assert found["predictions"] == whole.json["predictions"]
    assert len(found["ranked"]) == rows


def test_a_method_is_asked_for_by_its_name(house: House) -> None:
    found = house.run(ROW, query_string={"method": "predict_proba"})
    answer = house.client.post("/predict_proba", json=ROW).json
    assert (found["predictions"], found["classes"]) == (answer["predictions"], answer["classes"])
    assert "ranked" not in found


def test_a_model_without_predict_is_asked_for_its_first_method(build: Build) -> None:
    house = build(StandardScaler().fit([[1.0], [3.0]]))
    assert house.run([[2.0]])["predictions"] == [[0.0]]


def test_a_method_that_the_model_lacks_is_refused(house: House) -> None:
    answer = house.client.post("/inference/start?method=transform", json=ROW)
    assert answer.status_code == 400
    assert "expected method=predict or method=predict_proba" in answer.json["detail"]


@pytest.mark.parametrize("rows", [1, FIRST_ROWS + 500])
def test_wrong_rows_are_refused_at_once_with_their_places(house: House, rows: int) -> None:
    body = table(rows).rsplit("\n", 1)[0] + "\nDream,oops,16.1,178,2900,male\n"
    answer = house.client.post("/inference/start", data=body, **CSV)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json["errors"]] == [f"/{rows - 1}/bill_length_mm"]
    assert house.client.get("/tasks").status_code == 403


def test_prefer_respond_async_makes_a_task_of_a_request(house: House) -> None:
    answer = house.client.post("/predict", json=ROW, headers={"Prefer": "respond-async, wait=1"})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    house.work()
    assert house.results(answer.json["task_id"]).json["predictions"] == ["Adelie"]


def test_who_prefers_a_task_is_answered_at_once_where_none_are_taken(penguins: Any) -> None:
    answer = penguins.post("/predict", json=ROW, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json) == (200, {"predictions": ["Adelie"]})
    assert "Preference-Applied" not in answer.headers


def test_a_preference_for_something_else_is_no_task(house: House) -> None:
    answer = house.client.post("/predict", json=ROW, headers={"Prefer": "return=minimal"})
    assert answer.json == {"predictions": ["Adelie"]}


# Idempotency-Key.


def test_one_key_and_one_request_are_one_task(house: House) -> None:
    headers = {"Idempotency-Key": "a"}
    first, second = house.start(ROW, headers=headers), house.start(ROW, headers=headers)
    assert first == second
    house.work()
    assert house.start(ROW, headers=headers) == first
    assert house.store.counts().rows == 1


@pytest.mark.parametrize(
    "other",
    [{"json": [ROW]}, {"json": ROW, "query_string": {"method": "predict_proba"}}],
    ids=["body", "method"],
)
def test_one_key_and_another_request_is_refused(house: House, other: Any) -> None:
    headers = {"Idempotency-Key": "a"}
    house.start(ROW, headers=headers)
    answer = house.client.post("/inference/start", headers=headers, **other)
    assert answer.status_code == 422
    assert "Idempotency-Key came before with another request" in answer.json["detail"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "a"}], ids=["no key", "a key"])
def test_a_task_that_cannot_be_put_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("the broker is away")

    away = desk.Desk(house.store, refuse)
    monkeypatch.setattr(desk, "desk", lambda _: away)
    answer = house.client.post("/inference/start", json=ROW, headers=headers)
    assert (answer.status_code, "the broker is away" in answer.json["detail"]) == (503, True)
    # With its key it may come again, and is put then.
    (task,) = house.store.recent("", 10)
    assert task.state == ("PENDING" if headers else "REVOKED")


def test_requests_without_a_key_are_tasks_of_their_own(house: House) -> None:
    assert house.start(ROW) != house.start(ROW)


# Files.


def test_a_file_in_data_dir_is_answered(house: House) -> None:
    (house.data / "rows.csv").write_text(table(3000))
    found = house.run({"uri": "rows.csv"})
    assert found["rows"] == 3000
    assert (house.data / "rows.csv").exists()


def test_the_media_type_of_a_file_may_be_said(house: House) -> None:
    (house.data / "rows").write_text(LINE)
    found = house.run({"uri": "rows", "media_type": "text/csv; header=absent"})
    assert found["predictions"] == ["Adelie"]


def test_a_file_that_has_no_lines_is_read_as_a_whole(house: House) -> None:
    (house.data / "rows.json").write_text(json.dumps([ROW, ROW]))
    assert house.run({"uri": "rows.json"})["rows"] == 2


@pytest.mark.parametrize(
    ("uri", "status", "words"),
    [
        ("none.csv", 404, "There is no file 'none.csv' in DATA_DIR"),
        ("../latest.joblib", 403, "is not a file of clients"),
        ("/etc/passwd", 403, "is not a file of clients"),
        ("tasks/tasks.db", 403, "is not a file of clients"),
        ("away.csv", 403, "is not a file of clients"),
        ("folder", 404, "There is no file 'folder' in DATA_DIR"),
        ("rows.bin", 415, "is not read"),
        ("wrong.csv", 422, "The rows do not fit the model"),
        ("empty.csv", 422, "The rows do not fit the model"),
        ("large.json", 413, "may have up to"),
        ("gs://bucket/rows.csv", 403, "set TASK_URIS"),
        ("s3://allowed/../other/rows.csv", 403, "set TASK_URIS"),
        ("ftp://host/rows.csv", 422, "name a file in DATA_DIR"),
    ],
)
def test_a_file_that_cannot_be_a_task_is_refused(
    penguins_path: Path, build: Build, uri: str, status: int, words: str
) -> None:
    house = build(penguins_path, max_body_bytes=2000, task_uris="s3://allowed/")
    (house.data / "folder").mkdir()
    (house.data / "rows.bin").write_bytes(b"?")
    (house.data / "wrong.csv").write_text(f"{NAMES}\n{LINE.replace('33.1', 'oops')}\n")
    (house.data / "empty.csv").write_text(f"{NAMES}\n\n")
    (house.data / "large.json").write_text(json.dumps([ROW] * 20))
    (house.data / "away.csv").symlink_to("/etc/hostname")
    answer = house.client.post("/inference/start", json={"uri": uri})
    assert (answer.status_code, words in answer.json["detail"]) == (status, True), answer.text


def test_a_file_that_changes_ends_its_task(house: House) -> None:
    path = house.data / "rows.csv"
    path.write_text(table(3000))
    task_id = house.start({"uri": "rows.csv"})
    path.write_text(table(3001))
    os.utime(path, (1, 1))
    house.work()
    state = house.state(task_id)
    assert state["status"] == "FAILURE"
    assert "rows.csv has changed since the task was accepted" in state["error"]["detail"]


def test_a_file_that_is_taken_away_ends_its_task(house: House) -> None:
    path = house.data / "rows.csv"
    path.write_text(table(3000))
    task_id = house.start({"uri": "rows.csv"})
    path.unlink()
    house.work()
    assert "There is no file 'rows.csv'" in house.state(task_id)["error"]["detail"]


def test_a_row_of_any_names_may_have_one_that_is_uri(build: Build) -> None:
    house = build(DictVectorizer().fit([{"uri": 1.0}]))
    assert house.run({"uri": 2.0}, query_string={"method": "transform"})["rows"] == 1


def test_a_file_is_named_as_curl_sends_it(house: House) -> None:
    (house.data / "rows.csv").write_text(table(2))
    form = "application/x-www-form-urlencoded"
    assert house.run(data='{"uri": "rows.csv"}', content_type=form)["rows"] == 2


@pytest.mark.parametrize("body", [{"uri": "rows.csv", "type": "csv"}, {"uri": 7}])
def test_a_file_that_is_named_otherwise_is_refused(house: House, body: Any) -> None:
    answer = house.client.post("/inference/start", json=body)
    assert (answer.status_code, "Expected rows, or" in answer.json["detail"]) == (400, True)


def test_a_body_with_the_word_that_is_no_json_is_refused(house: House) -> None:
    answer = house.client.post("/inference/start", data='{"uri"', content_type=JSON)
    assert (answer.status_code, "is not JSON" in answer.json["detail"]) == (400, True)


def test_a_feature_that_is_called_uri_is_no_file(build: Build) -> None:
    model = LinearRegression().fit(pd.DataFrame({"uri": [1.0, 2.0]}), [1.0, 2.0])
    house = build(model)
    assert house.run({"uri": 1.5})["predictions"] == pytest.approx([1.5])


# Long bodies.


def test_a_text_over_the_limit_of_a_request_is_a_task(penguins_path: Path, build: Build) -> None:
    house = build(penguins_path, max_body_bytes=10_000)
    assert house.client.post("/predict", data=table(2000), **CSV).status_code == 413
    assert house.run(data=table(2000), **CSV)["rows"] == 2000


def test_a_long_text_is_refused_by_its_first_rows(penguins_path: Path, build: Build) -> None:
    house = build(penguins_path, max_body_bytes=10_000)
    body = table(2000).replace("33.5", "oops", 1)
    answer = house.client.post("/inference/start", data=body, **CSV)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/0/bill_length_mm")
    assert not list((house.data / "tasks" / "files").glob("*/*"))


def test_a_long_text_that_is_wrong_further_down_fails_with_its_places(
    penguins_path: Path, build: Build
) -> None:
    house = build(penguins_path, max_body_bytes=10_000)
    lines = table(3000).split("\n")
    lines[2501] = "Dream,oops,16.1,178,2900,male"
    task_id = house.start(data="\n".join(lines), **CSV)
    house.work()
    error = house.state(task_id)["error"]
    assert (error["status"], error["errors"][0]["pointer"]) == (422, "/2500/bill_length_mm")
    answer = house.results(task_id)
    assert (answer.status_code, answer.json["errors"]) == (422, error["errors"])


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_task_bytes": 20_000}, "MAX_TASK_BYTES"),
        ({"max_task_rows": 1500}, "1500 rows, the limit"),
    ],
)
def test_an_input_over_the_limits_of_a_task_is_refused(
    penguins_path: Path, build: Build, limits: dict[str, Any], words: str
) -> None:
    house = build(penguins_path, **limits)
    (house.data / "rows.csv").write_text(table(2000))
    answer = house.client.post("/inference/start", json={"uri": "rows.csv"})
    if answer.status_code == 202:
        house.work()
        answer = house.results(answer.json["task_id"])
    assert answer.status_code == 413
    assert words in answer.json["detail"]


def rank(X: Any) -> Any:
    """The place of each row among all rows of the call."""
    return np.argsort(np.argsort(np.asarray(X)[:, 0])).reshape(-1, 1)


def test_rows_that_depend_on_each_other_are_answered_in_one_call(build: Build) -> None:
    house = build(FunctionTransformer(rank).fit([[1.0]]))
    rows = [[float(v)] for v in range(3 * FIRST_ROWS, 0, -1)]
    whole = house.client.post("/transform", json=rows).json["predictions"]
    assert house.run(rows)["predictions"] == whole


def test_such_rows_may_have_no_more_bytes_than_a_request(build: Build) -> None:
    house = build(FunctionTransformer(rank).fit([[1.0]]), max_body_bytes=1000)
    (house.data / "rows.csv").write_text("x\n" + "1.5\n" * 1000)
    answer = house.client.post("/inference/start", json={"uri": "rows.csv"})
    assert (answer.status_code, "limit of 1000 bytes" in answer.json["detail"]) == (413, True)


def test_a_table_with_such_a_name_is_no_file(house: House) -> None:
    answer = house.client.post("/inference/start", data='"uri"\nrows.csv\n', **CSV)
    assert answer.status_code == 422


# How far it is.


def test_a_task_tells_how_far_it_is(house: House) -> None:
    task_id = house.start(data=table(3 * FIRST_ROWS), **CSV)
    answer = house.client.get(f"/inference/status/{task_id}")
    assert (answer.json["status"], answer.json["rows_done"]) == ("PENDING", 0)
    assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("1", "no-store")
    house.worker.work(*house.hints.pop(0)[:2])
    state = house.state(task_id)
    assert (state["status"], state["rows_done"], state["rows"]) == (
        "STARTED",
        FIRST_ROWS,
        3 * FIRST_ROWS,
    )
    assert 0.2 < state["progress"] < 0.5
    assert state["rows_per_second"] > 0
    assert state["seconds_left"] >= 0
    house.work()
    state = house.state(task_id)
    assert (state["status"], state["progress"], state["rows"]) == ("SUCCESS", 1.0, 3 * FIRST_ROWS)
    assert state["model_version"] == house.service.model.version
    assert "Retry-After" not in house.client.get(f"/inference/status/{task_id}").headers


def test_categories_that_are_not_known_are_told(build: Build) -> None:
    islands = pd.DataFrame({"island": ["Dream", "Biscoe"]})
    house = build(OneHotEncoder(handle_unknown="ignore").fit(islands))
    task_id = house.start([{"island": "Elsewhere"}] * 2)
    house.work()
    assert house.state(task_id)["unknown_categories"] == {"island": 2}


def test_names_that_are_ignored_are_told(house: House) -> None:
    body = "\n".join(
        f"{line},{extra}"
        for line, extra in zip(table(2000).split("\n"), ["id", *"x" * 2000], strict=True)
    )
    task_id = house.start(data=body, query_string={"extra": "ignore"}, **CSV)
    house.work()
    assert house.state(task_id)["ignored_columns"] == ["id"]


@pytest.mark.parametrize("verb", ["get", "delete"])
@pytest.mark.parametrize("path", ["status/", "results/", ""])
def test_an_unknown_task_is_not_found(house: House, verb: str, path: str) -> None:
    if (verb == "delete") != (path == ""):
        return
    answer = getattr(house.client, verb)(f"/inference/{path}{'0' * 32}")
    assert (answer.status_code, answer.json["detail"]) == (
        404,
        "There is no task with this id here.",
    )


def test_an_expired_task_is_gone(house: House) -> None:
    task_id = house.start(ROW)
    house.work()
    house.store.expire(0.0)
    for path in ("status", "results"):
        answer = house.client.get(f"/inference/{path}/{task_id}")
        assert answer.status_code == 410
        assert "RESULT_TTL" in answer.json["detail"]


# What comes of it.


def test_results_have_pages(house: House) -> None:
    task_id = house.start(data=table(2500), **CSV)
    house.work()
    whole = house.results(task_id).json["predictions"]
    found: list[Any] = []
    path: str | None = f"/inference/results/{task_id}?offset=0&limit=999"
    while path:
        answer = house.client.get(path)
        assert answer.json["offset"] == len(found)
        found += answer.json["predictions"]
        assert len(answer.json["ranked"]) == len(answer.json["predictions"])
        path = answer.headers["Link"].split(">")[0][1:] if "Link" in answer.headers else None
    assert found == whole


@pytest.mark.parametrize("query", ["?offset=5", "?offset=2500&limit=1", "?limit=0"])
def test_a_page_may_be_short_or_empty(house: House, query: str) -> None:
    task_id = house.start(data=table(10), **CSV)
    house.work()
    found = house.results(task_id, query).json
    assert len(found["predictions"]) == (5 if "offset=5" in query else 0)
    # Whoever follows the links comes to an end.
    assert "Link" not in house.results(task_id, query).headers


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("json", "application/json"), ("csv", "text/csv"), ("ndjson", "application/x-ndjson")],
)
def test_a_link_names_the_form_of_results(house: House, name: str, media_type: str) -> None:
    task_id = house.start(data=table(10), **CSV)
    house.work()
    answer = house.results(task_id, f"?format={name}&limit=4", accept="text/html,*/*;q=0.8")
    assert answer.mimetype == media_type
    assert f"?offset=4&limit=4&format={name}>" in answer.headers["Link"]


@pytest.mark.parametrize(
    "query", ["?limit=-1", "?limit=x", "?offset=", "?offset=1e3", "?format=xml", "?format="]
)
def test_a_page_that_is_none_is_refused(house: House, query: str) -> None:
    task_id = house.start(ROW)
    house.work()
    assert house.results(task_id, query).status_code == 400


def test_results_are_csv(house: House) -> None:
    task_id = house.start(data=table(1500), **CSV)
    house.work()
    rows = list(csv.DictReader(io.StringIO(house.results(task_id, accept="text/csv").text)))
    found = house.results(task_id).json
    assert [row["prediction"] for row in rows] == found["predictions"]
    assert list(rows[0]) == ["prediction", "Adelie", "Chinstrap", "Gentoo"]
    best = {each["label"]: each["probability"] for each in found["ranked"][7]}
    assert {label: float(rows[7][label]) for label in best} == best


def test_results_are_ndjson(house: House) -> None:
    task_id = house.start(data=table(1500), **CSV)
    house.work()
    text = house.results(task_id, accept="application/x-ndjson").text
    found = house.results(task_id).json
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["prediction"] for line in lines] == found["predictions"]
    assert [line["ranked"] for line in lines] == found["ranked"]


def test_results_of_a_regression_have_no_ranks(build: Build) -> None:
    X, y = load_diabetes(return_X_y=True)
    house = build(LinearRegression().fit(X, y))
    found = house.run(X[:3].tolist())
    assert "ranked" not in found
    task_id = house.start(X[:2].tolist())
    house.work()
    assert json.loads(
        house.results(task_id, accept="application/x-ndjson").text.split("\n")[0]
    ) == {"prediction": found["predictions"][0]}
    assert house.results(task_id, accept="text/csv").text.splitlines()[0] == "prediction"


def test_other_forms_of_results_are_refused(house: House) -> None:
    task_id = house.start(ROW)
    assert house.results(task_id, accept="text/html").status_code == 406


def test_a_task_that_goes_on_has_no_results_yet(house: House) -> None:
    answer = house.results(house.start(ROW))
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    assert "PENDING" in answer.json["detail"]


def test_results_that_somebody_removed_are_gone(house: House) -> None:
    task_id = house.start(data=table(3000), **CSV)
    house.work()
    shutil.rmtree(house.data / "tasks" / "files" / task_id)
    answer = house.results(task_id)
    assert (answer.status_code, "removed from the disk" in answer.json["detail"]) == (410, True)


def test_a_head_request_sends_no_results(house: House) -> None:
    task_id = house.start(ROW)
    house.work()
    answer = house.client.head(f"/inference/results/{task_id}")
    assert (answer.status_code, answer.data) == (200, b"")


# Cancelled.


def test_a_task_is_cancelled_between_two_chunks(house: House) -> None:
    task_id = house.start(data=table(3 * FIRST_ROWS), **CSV)
    house.worker.work(*house.hints.pop(0)[:2])
    answer = house.client.delete(f"/inference/{task_id}")
    assert (answer.status_code, answer.json["status"]) == (202, "REVOKED")
    house.work()
    state = house.state(task_id)
    assert (state["status"], state["rows_done"]) == ("REVOKED", FIRST_ROWS)
    assert house.results(task_id).status_code == 409
    assert house.client.delete(f"/inference/{task_id}").status_code == 204


def test_a_task_that_has_ended_stays_as_it_is(house: House) -> None:
    task_id = house.start(ROW)
    house.work()
    assert house.client.delete(f"/inference/{task_id}").status_code == 204
    assert house.state(task_id)["status"] == "SUCCESS"


# Tables whose decimals differ.


def test_decimals_with_commas_in_some_chunks_and_points_in_others_fail(house: House) -> None:
    def line(number: str) -> str:
        return f"Dream;{number};16;178;2900;male"

    lines = [NAMES.replace(",", ";"), *[line("33,5")] * FIRST_ROWS, *[line("33.5")] * 1500]
    (house.data / "rows.csv").write_text("\n".join(lines))
    task_id = house.start({"uri": "rows.csv"})
    house.work()
    assert "write all of them in one way" in house.state(task_id)["error"]["detail"]


def test_decimals_with_commas_in_all_chunks_are_read(house: House) -> None:
    lines = [NAMES.replace(",", ";"), *["Dream;33,5;16;178;2900;male"] * 3000]
    (house.data / "rows.csv").write_text("\n".join(lines))
    assert house.run({"uri": "rows.csv"})["rows"] == 3000


# Who may ask.


KEYS = {"api_keys": "", "admin_keys": ""}


def test_a_task_is_seen_by_its_key_and_by_administrators(penguins_path: Path, build: Build) -> None:
    import hashlib

    def entry(name: str) -> str:
        return f"{name}:{hashlib.sha256(name.encode()).hexdigest()}"

    house = build(
        penguins_path, api_keys=f"{entry('ann')},{entry('bob')}", admin_keys=entry("root")
    )
    by = {name: {"X-Api-Key": name} for name in ("ann", "bob", "root")}
    task_id = house.start(ROW, headers=by["ann"])
    statuses = {
        name: house.client.get(f"/inference/status/{task_id}", headers=headers).status_code
        for name, headers in by.items()
    }
    assert statuses == {"ann": 200, "bob": 404, "root": 200}
    assert house.client.get("/tasks", headers=by["ann"]).status_code == 403
    (listed,) = house.client.get("/tasks?state=PENDING", headers=by["root"]).json["tasks"]
    assert listed["task_id"] == task_id
    assert house.client.get("/tasks?state=SUCCESS", headers=by["root"]).json == {"tasks": []}
    assert house.client.get("/tasks?state=DONE", headers=by["root"]).status_code == 400
    # One key of two people is two keys.
    twice = {"Idempotency-Key": "a"}
    assert house.start(ROW, headers=by["ann"] | twice) != house.start(
        ROW, headers=by["bob"] | twice
    )


# Services that take no tasks.


def test_another_server_takes_no_tasks(penguins: Any) -> None:
    answer = penguins.post("/inference/start", json=ROW)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "`python -m api` starts" in answer.json["detail"]
