"""The texts to paste are run as they are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.openapi import snippets
from tests.test_keys import API_KEYS, BOB
from tests.test_serving import BOUND, Server, serving, wait_for

NODE = shutil.which("node")


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("snippets"), traced=False, MODEL_PATH=baked_path
    ) as server:
        yield server


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"Host": "example.org"}, "http://example.org/predict"),
        ({"Host": "[::1]:8080"}, "http://[::1]:8080/predict"),
        ({"Host": "a.run.app", "X-Forwarded-Proto": "https"}, "https://a.run.app/predict"),
        ({"Host": "x';rm -r ~'"}, "http://localhost/predict"),
    ],
)
def test_snippets_have_the_address_that_was_asked(
    penguins: FlaskClient, headers: dict[str, str], origin: str
) -> None:
    answer = penguins.get("/snippets", headers=headers)
    texts = dict(answer.json or {})
    assert list(texts) == ["curl", "python", "javascript"]
    assert all(re.search(re.escape(origin) + r"[\s\"]", text) for text in texts.values())
    assert origin in penguins.get("/openapi.json", headers=headers).text


def test_the_document_has_the_same_snippets(penguins: FlaskClient) -> None:
    samples = penguins.get("/openapi.json").json["paths"]["/predict"]["post"]["x-codeSamples"]
    assert {each["label"]: each["source"] for each in samples} == penguins.get("/snippets").json
    assert [each["lang"] for each in samples] == ["Shell", "Python", "JavaScript"]


def run(*command: Any) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=BOUND, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_snippet_runs_in_a_shell(server: Server) -> None:
    out = run("sh", "-c", server.get("/snippets")["curl"])
    assert json.loads(out) == {"predictions": ["Adelie"]}


def test_the_python_snippet_runs(server: Server) -> None:
    out = run(sys.executable, "-c", server.get("/snippets")["python"])
    assert out == "{'predictions': ['Adelie']}\n"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_javascript_snippet_runs_in_node(server: Server) -> None:
    text = server.get("/snippets")["javascript"]
    assert "Adelie" in run(NODE, "--input-type=module", "--eval", text)


@pytest.fixture(scope="module")
def locked(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("locked")
    with serving(
        folder, traced=False, MODEL_PATH=baked_path, PROCESSES=1, API_KEYS=API_KEYS
    ) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("curl", ("sh", "-c")),
        ("python", (sys.executable, "-c")),
        pytest.param(
            "javascript",
            (NODE, "--input-type=module", "--eval"),
            marks=pytest.mark.skipif(NODE is None, reason="node is not installed"),
        ),
    ],
)
def test_the_snippets_of_a_locked_service_read_the_key_from_the_environment(
    locked: Server, monkeypatch: pytest.MonkeyPatch, name: str, command: Any
) -> None:
    monkeypatch.setenv("API_KEY", BOB)
    ask = f"curl -s http://localhost:{locked.port}/snippets -H 'X-Api-Key: {BOB}'"
    text = json.loads(run("sh", "-c", ask))[name]
    assert BOB not in text
    assert "Adelie" in run(*command, text)


def test_the_greeting_of_a_locked_service_can_be_pasted_into_a_shell(
    locked: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", BOB)
    wait_for(locked, "In a browser")
    text = locked.log.read_text()
    command = text[text.index("  curl ") : text.index("In a browser")]
    assert json.loads(run("sh", "-c", command)) == {"predictions": ["Adelie"]}


def test_whatever_is_in_the_row_is_quoted() -> None:
    row = {"it's": None, 'a "b"': True, "c\\d": "$HOME `ls`\n", "é": -1.5}
    texts = snippets.write("predict", row, locked=False)
    shell = run("sh", "-c", texts.curl.replace("curl", "printf '%s\\n'"))
    assert json.loads(shell.splitlines()[-1]) == row
    assert eval(texts.python.partition("json=")[2].rpartition(",\n    timeout")[0]) == row
    script = texts.javascript.partition("JSON.stringify(")[2].partition("),\n});")[0]
    assert json.loads(script) == row
