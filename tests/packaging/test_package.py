"""A wheel answers as the service does, in an environment with nothing but numpy and msgspec."""

from __future__ import annotations

import hashlib
import json
import types
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient

from models.errors import ModelError
from models.packaging import names, project
from models.packaging.package import package
from tests.packaging.conftest import Installed

CODE_KILOBYTES = 64
PREDICT = """
import json, sys, penguins
rows = json.load(sys.stdin)
answers = [penguins.predict(rows).tolist(), penguins.predict_proba(rows).tolist()]
names = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
try:
    penguins.predict([{**rows[0], "body_mass_g": "heavy"}])
except penguins.InvalidRows as error:
    refused = str(error)
print(json.dumps([*answers, sorted(names), refused, penguins.version, penguins.__version__]))
"""


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as file:
        (found,) = [each for each in file.namelist() if each.endswith(f".dist-info/{name}")]
        return file.read(found).decode()


@pytest.fixture(scope="module")
def answers(installed: Installed, rows: pd.DataFrame) -> Any:
    """What a program gets of the package for all rows."""
    done = installed.run("python", "-c", PREDICT, input=rows.to_json(orient="records").encode())
    return json.loads(done.stdout), done.stderr


def test_the_answers_are_those_of_predict_for_all_rows(
    answers: Any, penguins: FlaskClient, rows: pd.DataFrame
) -> None:
    body = rows.to_json(orient="records")
    for found, path in zip(answers[0], ("/predict", "/predict_proba"), strict=False):
        answer = penguins.post(path, data=body, content_type="application/json")
        assert len(found) == len(rows)
        assert found == answer.json["predictions"]


def test_nothing_but_numpy_and_msgspec_is_imported(answers: Any) -> None:
    others = {name for name in answers[0][2] if not name.startswith("_")}
    assert others <= {"penguins", "numpy", "msgspec", "sitecustomize"}


def test_a_wrong_row_is_refused_with_its_place(answers: Any) -> None:
    assert answers[0][3] == (
        "The rows do not fit the model: row 0, body_mass_g: expected a number, got a string."
    )
    assert answers[1] == b""


def test_a_package_says_which_model_it_has(answers: Any, model_path: Path, wheel: Path) -> None:
    digest = hashlib.sha256(model_path.read_bytes()).hexdigest()
    assert answers[0][4:] == [digest, "0.1.0"]
    facts = Parser().parsestr(metadata(wheel, "METADATA"))
    assert (facts["Name"], facts["Version"]) == ("penguins", "0.1.0")
    assert digest in facts["Summary"]
    assert facts.get_all("Requires-Dist") == ["msgspec", "numpy"]


def test_a_package_can_be_found_by_its_entry_point(wheel: Path) -> None:
    assert "[mlapi.models]\npenguins = penguins\n" in metadata(wheel, "entry_points.txt")


def test_a_package_of_a_plan_has_no_pickle_and_little_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        infos = {info.filename: info for info in file.infolist()}
        kinds = {Path(name).suffix for name in infos}
        card = json.loads(file.read("penguins/model.json"))
    assert kinds - {""} == {".py", ".typed", ".npz", ".json", ".txt"}
    # Rows of the training go into no package.
    assert "features" in card
    assert not {"background", "plan"} & card.keys()
    data = sum(infos[f"penguins/model{end}"].compress_size for end in (".plan.npz", ".json"))
    assert (wheel.stat().st_size - data) / 1024 < CODE_KILOBYTES


def test_a_package_says_the_types_of_its_functions(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        text = file.read("penguins/__init__.py").decode()
    assert "penguins/py.typed" in file.namelist()
    assert "def predict(rows: Any) -> np.ndarray:" in text


@pytest.mark.parametrize(
    ("method", "classes", "result"),
    [
        ("predict_proba", ["a", "b"], "np.ndarray"),
        ("predict_proba", [["a"], ["b"]], "Any"),
        ("kneighbors", [], "Any"),
    ],
)
def test_several_outputs_are_no_array(method: str, classes: list[Any], result: str) -> None:
    given = types.SimpleNamespace(classes=classes)
    assert project._result(given, method) == result  # type: ignore[arg-type]


def test_two_builds_give_equal_bytes(wheel: Path, model_path: Path, tmp_path: Path) -> None:
    again = package(model_path, "0.1.0", "penguins", tmp_path / "elsewhere")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_a_version_names_one_content_only(model_path: Path, tmp_path: Path) -> None:
    other = tmp_path / "penguins-0.1.0-py3-none-any.whl"
    other.write_bytes(b"another")
    with pytest.raises(ModelError, match="is there with another content"):
        package(model_path, "0.1.0", "penguins", tmp_path)
    assert other.read_bytes() == b"another"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("my model", "NAME=my model: expected letters, digits, and - . _ between them"),
        ("-x", "NAME=-x: expected letters, digits"),
        ("2021", "NAME=2021: Python could not import 2021: begin with a letter"),
        ("class", "NAME=class: Python could not import class"),
        ("JSON", "NAME=JSON: the package would hide the module json"),
        ("numpy", "NAME=numpy: the package would hide the module numpy"),
        ("msgspec", "the package would hide the module msgspec"),
        ("models", "the package would hide the module models"),
    ],
)
def test_a_name_that_cannot_be_is_refused(model_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        package(model_path, "", name)


@pytest.mark.parametrize("version", ["one", "1.2.0+1350f591", "1..2", "1.2.0 ", "1.02", "1.0-rc.1"])
def test_a_version_that_is_none_is_refused(model_path: Path, version: str) -> None:
    with pytest.raises(ModelError, match="expected a version of PEP 440"):
        package(model_path, version, "penguins")


@pytest.mark.parametrize("version", ["1", "1.2.0", "1!2.0", "1.0rc1", "1.0.post2", "1.0.dev3"])
def test_versions_of_pep_440_are_taken(version: str) -> None:
    names.check_version(version)


def test_a_model_without_plan_and_card_is_refused(model_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.joblib"
    path.write_bytes(model_path.read_bytes())
    with pytest.raises(ModelError, match="has neither a plan nor a card: make bake MODEL_PATH="):
        package(path)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        package(tmp_path / "latest.joblib")


def test_a_release_is_packaged_as_no_other_version(model_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    path.write_bytes(model_path.read_bytes())
    path.with_suffix(".json").write_text('{"release": "1.1.0", "name": "penguins"}')
    with pytest.raises(ModelError, match=r"VERSION=1\.2\.0: .* is the release 1\.1\.0"):
        package(path, "1.2.0")


@pytest.mark.parametrize(
    ("example", "shown"),
    [({"a": "C:\\new"}, r"{'a': 'C:\\new'}"), ({"a": '"""'}, "..."), ({"a": "```"}, "..."), ({}, "...")],
)  # fmt: skip
def test_an_example_that_cannot_stand_in_a_docstring_is_left_out(
    example: dict[str, str], shown: str
) -> None:
    given = types.SimpleNamespace(card={"example": example})
    assert project.Package.example.__get__(given) == shown
