"""The dashboard for Grafana: each metric and label of its queries is one that the service has."""

from __future__ import annotations

import hashlib
import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.card import write_card
from models.pipeline import DATA
from tests.test_serving import Server, serving

DASHBOARD = json.loads((Path(__file__).parents[1] / "docs" / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# What Prometheus itself knows of each target.
SCRAPED = {"job", "instance"}
FEATURES = ["island", "bill_length_mm"]
ADMIN = "an-administrators-key"
BOUND = 60


def queries() -> list[tuple[str, str]]:
    """Each query with the legend of its lines."""
    return [
        (target["expr"], target["legendFormat"]) for panel in PANELS for target in panel["targets"]
    ]


def save(path: Path, penalty: float) -> None:
    """A model of penguins that lets unknown islands pass, with its card."""
    rows = pd.read_csv(DATA).dropna()
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["island"]), (StandardScaler(), FEATURES[1:])
    )
    estimator = make_pipeline(columns, LogisticRegression(C=penalty))
    estimator.fit(rows[FEATURES], rows["species"])
    joblib.dump(estimator, path)
    metrics = {"accuracy": 0.9, "rows_held_out": 69, "rows_fitted": 275}
    answers = rows["species"]
    write_card(path, estimator, rows[FEATURES], target="species", metrics=metrics, answers=answers)


def save_numbers(path: Path) -> None:
    """A model of numbers, with its card."""
    rows = pd.DataFrame({"x": np.arange(100.0)})
    estimator = LinearRegression().fit(rows, rows["x"] * 2)
    joblib.dump(estimator, path)
    write_card(path, estimator, rows, target="y", metrics={"mean_absolute_error": 1.0})


class Client:
    """Someone who asks a locked service."""

    def __init__(self, server: Server) -> None:
        self.address = f"http://127.0.0.1:{server.port}"

    def ask(self, verb: str, path: str, body: bytes = b"", **headers: str) -> Any:
        given = {"X-Api-Key": ADMIN, "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, body or None, given, method=verb)
        with urllib.request.urlopen(request, timeout=BOUND) as answer:
            return answer.headers, answer.read()

    def wait(self, path: str, name: str, wanted: str) -> None:
        """Ask until a member of the answer is as wanted."""
        end = time.monotonic() + BOUND
        while True:
            found = json.loads(self.ask("GET", path)[1])
            if found[name] == wanted:
                return
            assert time.monotonic() < end, found
            time.sleep(0.1)


def live(client: Client, newer: bytes) -> None:
    """Do all that is measured: answers, their truth, a task, an upload, two swaps."""
    rows = [{"island": island, "bill_length_mm": 40.0} for island in ("Dream", "Texel")] * 60
    headers, _ = client.ask("POST", "/predict", json.dumps(rows).encode())
    client.ask("POST", "/feedback", json.dumps(truths(headers, "Adelie")).encode())
    _, started = client.ask("POST", "/inference/start", json.dumps(rows).encode())
    task = json.loads(started)["task_id"]
    client.wait(f"/inference/status/{task}", "status", "SUCCESS")
    headers, _ = client.ask(
        "PUT",
        "/model",
        newer,
        Content_Type="application/x-joblib",
        Content_SHA256=hashlib.sha256(newer).hexdigest(),
    )
    client.wait(headers["Location"], "state", "active")
    # The first version has a card, with which drift and accuracy are compared.
    client.ask("POST", "/model/rollback")
    client.ask("POST", "/predict_proba", json.dumps(rows).encode())
    # Its selections have intervals as well.
    headers, _ = client.ask("POST", "/predict", json.dumps(rows).encode())
    client.ask("POST", "/feedback", json.dumps(truths(headers, "Adelie")).encode())


def truths(headers: Any, label: Any) -> list[dict[str, Any]]:
    """The truth of the first rows of an answer."""
    return [
        {"prediction_id": headers["X-Prediction-Id"], "row": row, "label": label}
        for row in range(40)
    ]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names of all samples in the service's metrics, with the labels of each."""
    folder = tmp_path_factory.mktemp("grafana")
    save(folder / "latest.joblib", 1.0)
    newer = folder / "newer" / "latest.joblib"
    newer.parent.mkdir()
    save(newer, 0.5)
    settings = {
        "ADMIN_KEYS": f"admin:{hashlib.sha256(ADMIN.encode()).hexdigest()}",
        "ALLOW_JOBLIB_UPLOAD": "true",
        "DATA_DIR": tmp_path_factory.mktemp("data"),
    }
    found: dict[str, set[str]] = {}
    with serving(folder, traced=False, MODEL_PATH=folder / "latest.joblib", **settings) as server:
        client = Client(server)
        live(client, newer.read_bytes())
        gather(client, found)
    numbers = folder / "numbers.joblib"
    save_numbers(numbers)
    settings["DATA_DIR"] = tmp_path_factory.mktemp("data")
    with serving(folder, traced=False, MODEL_PATH=numbers, **settings) as server:
        client = Client(server)
        headers, _ = client.ask(
            "POST", "/predict", json.dumps([[float(i)] for i in range(50)]).encode()
        )
        client.ask("POST", "/feedback", json.dumps(truths(headers, 7.5)).encode())
        gather(client, found)
    return found


def gather(client: Client, found: dict[str, set[str]]) -> None:
    """Add the names and labels of the samples in the metrics."""
    # Counts are written once a second.
    time.sleep(1.5)
    text = client.ask("GET", "/metrics", Accept="text/plain")[1].decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)


def test_each_metric_and_label_is_one_that_the_service_has(samples: dict[str, set[str]]) -> None:
    wrong = []
    for query, legend in queries():
        selectors = re.findall(r"([a-z_]\w*)\s*\{([^}]*)\}", query)
        assert selectors, query
        labels = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", legend))
        for listed in re.findall(r"(?:by|on|ignoring|group_left)\s*\(([^)]*)\)", query):
            labels |= set(re.findall(r"\w+", listed))
        known: set[str] = set()
        for name, matchers in selectors:
            own = samples.get(name)
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            if own is None or not asked <= own | SCRAPED:
                wrong.append((name, asked, query))
            known |= own or set()
        if not labels <= known | SCRAPED:
            wrong.append((labels, known, query))
    assert wrong == []


def test_each_metric_of_a_query_is_chosen_by_the_job() -> None:
    for query, _ in queries():
        names = re.findall(r"([a-z_]\w*)\s*\{", query)
        assert query.count('job=~"$job"') == len(names), query


def test_it_has_what_grafana_needs_to_import_it() -> None:
    assert DASHBOARD["title"]
    assert DASHBOARD["uid"]
    assert "id" not in DASHBOARD  # Grafana gives it one.
    assert DASHBOARD["schemaVersion"] >= 36
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "job"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == list("ABCDE")[
            : len(panel["targets"])
        ]


def test_no_panel_lies_over_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & taken, panel["title"]
        taken |= own
