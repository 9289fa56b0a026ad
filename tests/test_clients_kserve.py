"""What programs use to ask servers of KServe's protocols: the real ones, of others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import clients
from tests.test_rejections import GOOD
from tests.test_serving import Server, serving

ROWS = [{**GOOD, "bill_length_mm": 30.0 + 0.3 * i, "flipper_length_mm": 211.5} for i in range(60)]


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("kserve"), traced=False, MODEL_PATH=baked_path) as server:
        yield server


@pytest.fixture(scope="module")
def own(server: Server) -> list[Any]:
    """Labels and probabilities as the service's own API gives them."""
    return [server.post(path, ROWS)["predictions"] for path in ("/predict", "/predict_proba")]


def ask(place: Path, script: str, url: str) -> Any:
    result = clients.run(place, script, url, json.dumps(ROWS))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def triton(server: Server) -> Any:
    place = clients.environment("triton", "tritonclient[http]==2.73.0")
    return ask(place, "triton_http.py", f"127.0.0.1:{server.port}")


@pytest.mark.parametrize("way", ["None", "gzip", "deflate"])
@pytest.mark.parametrize("form", ["binary", "json"])
def test_tritonclient_gets_the_services_own_numbers(
    triton: Any, own: list[Any], form: str, way: str
) -> None:
    assert triton[f"{form} {way}"] == own


def test_tritonclient_may_be_asynchronous(triton: Any, own: list[Any]) -> None:
    assert triton["async"] == own
    assert triton["async metadata"] == triton["metadata"]
    assert "There is no such model here, only model." in triton["async mistake"]


def test_tritonclient_gets_predictions_without_asking_for_outputs(
    triton: Any, own: list[Any]
) -> None:
    assert triton["default"] == own[0]
    assert triton["id"] == "42"


def test_tritonclient_learns_about_server_and_model(triton: Any) -> None:
    assert [triton[name] for name in ("live", "ready", "model ready")] == [True] * 3
    assert triton["other ready"] is False
    assert "binary_tensor_data" in triton["server"]["extensions"]
    assert [tensor["name"] for tensor in triton["metadata"]["inputs"]] == list(GOOD)
    assert triton["config"]["input"][0]["data_type"] == "TYPE_STRING"
    assert triton["index"][0]["state"] == "READY"
    assert triton["stats"]["model_stats"][0]["inference_stats"]["success"]["count"] > 0


def test_a_mistake_reaches_users_of_tritonclient_as_a_sentence(triton: Any) -> None:
    status, sentence = triton["mistake"]
    assert status == "422"
    assert sentence == (
        'there is no tensor \'island\': expected one of "Biscoe", "Dream", "Torgersen".'
    )


@pytest.fixture(scope="module")
def kserve(server: Server) -> Any:
    place = clients.environment("kserve", "kserve==0.21.0")
    return ask(place, "kserve_rest.py", f"http://127.0.0.1:{server.port}")


def test_kserves_client_gets_the_services_own_numbers(kserve: Any, own: list[Any]) -> None:
    assert kserve["v1"] == {"predictions": own[0]}
    assert kserve["v2 binary"] == kserve["v2 json"] == own
    assert kserve["v2 id"] == "42"


def test_kserves_client_sees_what_is_ready(kserve: Any) -> None:
    ready = ("v1 live", "v1 ready", "v2 live", "v2 ready", "v2 model ready")
    assert [kserve[name] for name in ready] == [True] * 5
    assert kserve["v2 other ready"] is False


def test_a_mistake_reaches_users_of_kserves_client_as_a_sentence(kserve: Any) -> None:
    assert "/instances/0/island: is required" in kserve["v1 mistake"]
    assert kserve["v2 mistake"].startswith("Expected as outputs some of predict, predict_proba,")


@pytest.mark.parametrize("form", [[], ["--binary-data"]], ids=["json", "binary"])
def test_mlserver_infer_answers_a_file(
    server: Server, own: list[Any], tmp_path: Path, form: list[str]
) -> None:
    place = clients.environment("mlserver", "mlserver==1.7.1")
    asked, answered = tmp_path / "asked.jsonl", tmp_path / "answered.jsonl"
    with asked.open("w") as file:
        for row in ROWS:
            inputs = [
                {
                    "name": name,
                    "shape": [1, 1],
                    "datatype": "BYTES" if isinstance(value, str) else "FP64",
                    "data": [value],
                }
                for name, value in row.items()
            ]
            outputs = [{"name": "predict_proba"}]
            file.write(json.dumps({"inputs": inputs, "outputs": outputs}) + "\n")
    url = f"127.0.0.1:{server.port}"
    command: list[str | Path] = [
        place / "bin" / "mlserver",
        "infer",
        *form,
        "--url",
        url,
        "--model-name",
        "model",
    ]
    files: list[str | Path] = [
        "--input-data-path",
        asked,
        "--output-data-path",
        answered,
        "--batch-size",
        "7",
    ]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=300)
    answers = [json.loads(line) for line in answered.read_text().splitlines()]
    answers.sort(key=lambda answer: answer["parameters"]["batch_index"])
    assert [answer["outputs"][0]["data"] for answer in answers] == own[1]
