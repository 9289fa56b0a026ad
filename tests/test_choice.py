"""A plan answers where it was proven, scikit-learn everywhere else."""

from __future__ import annotations

import hashlib
import io
import logging
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from api import create_app
from api.settings import Settings
from models.baking import bake
from models.engines.choose import load
from models.engines.plan import PlanEngine
from models.engines.scikit_learn import ScikitLearnEngine
from models.errors import ModelError
from models.files import plan_path
from models.plan import format as plans
from models.plan.errors import PlanError
from models.signature.types import NAN
from tests.test_rejections import GOOD

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(X[:, 0] > 0, "high", "low")


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("baked") / "latest.joblib"
    joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y), path)
    bake(path)
    return path.parent


@pytest.fixture
def path(baked: Path, tmp_path: Path) -> Path:
    """A baked model, of which anything may be changed."""
    shutil.copytree(baked, tmp_path, dirs_exist_ok=True)
    return tmp_path / "latest.joblib"


def engine_of(path: Path, engine: Any = "auto") -> Any:
    return type(load(path, engine=engine).engine)


def client(path: Path) -> FlaskClient:
    return create_app(Settings(model_path=str(path))).test_client()


def test_the_plan_is_taken_where_there_is_one(path: Path) -> None:
    assert engine_of(path) is PlanEngine
    assert engine_of(path, "plan") is PlanEngine


def test_scikit_learn_is_taken_where_it_is_asked_for(path: Path) -> None:
    assert engine_of(path, "sklearn") is ScikitLearnEngine


def test_scikit_learn_is_taken_where_there_is_no_plan(path: Path) -> None:
    plan_path(path).unlink()
    assert engine_of(path) is ScikitLearnEngine
    with pytest.raises(ModelError, match="there is no plan .*make bake"):
        engine_of(path, "plan")


def test_a_plan_of_another_model_is_refused(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    with caplog.at_level(logging.WARNING, "models"):
        assert engine_of(path) is ScikitLearnEngine
    assert "belongs to another model: make bake" in caplog.text
    with pytest.raises(ModelError, match="belongs to another model"):
        engine_of(path, "plan")


def zero_entry(raw: bytes) -> bytes:
    """A valid digest around an array that the operation does not take."""
    with np.load(io.BytesIO(raw)) as file:
        entries = dict(file)
    entries["0"] = np.array(["text"])
    return signed(entries)


def signed(entries: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **entries)  # type: ignore[arg-type]
    with zipfile.ZipFile(buffer, "a") as file:
        file.comment = b"0" * plans.DIGEST_BYTES
    content = buffer.getvalue()[: -plans.DIGEST_BYTES]
    return content + hashlib.sha256(content).hexdigest().encode()


DAMAGED = {
    "empty": lambda raw: b"",
    "no plan": lambda raw: b"no plan",
    "an empty zip file": lambda raw: b"PK\x05\x06" + b"\0" * 18,
    "half of it": lambda raw: raw[: len(raw) // 2],
    "one byte less": lambda raw: raw[:-1],
    "one byte more": lambda raw: raw + b"0",
    "a flipped bit": lambda raw: raw[:300] + bytes([raw[300] ^ 1]) + raw[301:],
    "a plan without its digest": lambda raw: raw[: -plans.DIGEST_BYTES],
    "an array of text": zero_entry,
    "no document": lambda raw: signed({"0": np.zeros(1)}),
    "another document": lambda raw: signed({"plan": np.frombuffer(b"[]", np.uint8)}),
    "too few arrays": lambda raw: signed({"plan": np.load(io.BytesIO(raw))["plan"]}),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_plan_is_passed_over_in_a_sentence(
    path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    place = plan_path(path)
    place.write_bytes(damage(place.read_bytes()))
    with caplog.at_level(logging.WARNING, "models"):
        assert engine_of(path) is ScikitLearnEngine
    (line,) = caplog.messages
    assert line.startswith(f"the plan {place} ")
    assert line.endswith(": make bake; until then scikit-learn serves")
    with pytest.raises(ModelError, match=r"latest.plan.npz .*: make bake$"):
        engine_of(path, "plan")


def test_a_damaged_plan_stops_the_start_where_scikit_learn_is_not_installed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_path(path).write_bytes(b"")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="is damaged.*: make bake; scikit-learn is not installed"):
        engine_of(path)


def test_a_plan_that_cannot_be_read_is_passed_over(path: Path) -> None:
    plan_path(path).unlink()
    plan_path(path).mkdir()
    assert engine_of(path) is ScikitLearnEngine
    with pytest.raises(ModelError, match=r"cannot be read \(Is a directory\): make bake"):
        engine_of(path, "plan")


def test_no_flipped_bit_is_overlooked(path: Path) -> None:
    place = plan_path(path)
    raw = place.read_bytes()
    generator = np.random.default_rng(0)
    for position in generator.integers(len(raw) * 8, size=200).tolist():
        flipped = bytearray(raw)
        flipped[position // 8] ^= 1 << position % 8
        place.write_bytes(flipped)
        with pytest.raises(PlanError, match="is damaged"):
            plans.load(place)


def test_a_plan_of_another_format_is_passed_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "FORMAT", 999)
    with pytest.raises(ModelError, match=r"is of format 3, not 999: make bake"):
        engine_of(path, "plan")


def test_a_plan_with_an_operation_of_another_version_is_passed_over(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = plan_path(path)
    plan = plans.load(place)
    steps = (plans.Step("of_another_version", (0,), {}), *plan.steps[1:])
    plans.save(msgspec.structs.replace(plan, steps=steps), place)
    said = f"the plan {place} has operations of another version (of_another_version): make bake"
    with caplog.at_level(logging.WARNING, "models"):
        answer = client(path).post("/predict", json=X[:1].tolist())
    assert answer.status_code == 200
    assert caplog.messages == [f"{said}; until then scikit-learn serves"]
    with pytest.raises(ModelError) as stopped:
        create_app(Settings(model_path=str(path), engine="plan"))
    assert str(stopped.value) == said


def test_a_plan_knows_none_from_nan(path: Path) -> None:
    place = plan_path(path)
    plan = plans.load(place)
    nulls = [None, NAN, "?"]
    features = tuple(
        msgspec.structs.replace(feature, null=null)
        for feature, null in zip(plan.signature.features, nulls, strict=True)
    )
    signature = msgspec.structs.replace(plan.signature, features=features)
    plans.save(msgspec.structs.replace(plan, signature=signature), place)
    assert [feature.null for feature in plans.load(place).signature.features] == [None, NAN, "?"]


def test_a_plan_alone_has_no_other_methods(path: Path) -> None:
    engine = PlanEngine(plans.load(plan_path(path)))
    with pytest.raises(PlanError, match="lacks this method"):
        engine.run("transform", X)


def test_both_answer_alike(path: Path) -> None:
    answers = [
        create_app(Settings(model_path=str(path), engine=engine))
        .test_client()
        .post("/predict_proba", json=X[:5].tolist())
        .json
        for engine in ("plan", "sklearn")
    ]
    assert answers[0] == answers[1]


def test_the_metadata_are_the_same_without_scikit_learn(path: Path) -> None:
    own, plan = (
        create_app(Settings(model_path=str(path), engine=engine))
        .test_client()
        .get("/metadata")
        .json
        for engine in ("sklearn", "plan")
    )
    assert plan == own


def test_a_method_that_the_plan_lacks_is_answered_by_scikit_learn(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(DecisionTreeClassifier(random_state=0).fit(X, Y), path)
    bake(path)
    plan = plans.load(plan_path(path))
    plans.save(
        plans.Plan(
            **{name: getattr(plan, name) for name in plan.__struct_fields__}
            | {
                "methods": {"predict": plan.methods["predict"]},
                "fallback": {"predict_proba": "a test"},
            }
        ),
        plan_path(path),
    )
    here = client(path)
    assert here.post("/predict", json=X[:2].tolist()).json["predictions"] == Y[:2].tolist()
    for _ in range(2):
        answer = here.post("/predict_proba", json=X[:2].tolist())
        assert answer.json["classes"] == ["high", "low"]


def test_a_plan_knows_what_its_columns_are_called(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(StandardScaler().fit(X), path)
    bake(path)
    answer = client(path).post("/transform", json=X[:1].tolist(), headers={"Accept": "text/csv"})
    assert engine_of(path) is PlanEngine
    assert answer.text.splitlines()[0] == ",".join(StandardScaler().fit(X).get_feature_names_out())


def test_a_file_that_was_replaced_answers_no_method_that_was_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(DecisionTreeClassifier(random_state=0).fit(X, Y), path)
    bake(path)
    plan = plans.load(plan_path(path))
    left = {"predict_proba": "a test"}
    methods = {"predict": plan.methods["predict"]}
    plans.save(msgspec.structs.replace(plan, methods=methods, fallback=left), plan_path(path))
    here = client(path)
    joblib.dump(DecisionTreeClassifier(random_state=0).fit(X[::-1], Y), path)
    assert here.post("/predict", json=X[:2].tolist()).status_code == 200
    answer = here.post("/predict_proba", json=X[:2].tolist())
    assert answer.status_code == 503
    assert "The model's file was replaced" in answer.json["detail"]


def test_scikit_learn_is_not_imported_while_the_plan_answers(path: Path) -> None:
    program = (
        "import sys; from api import create_app; from api.settings import Settings\n"
        f"client = create_app(Settings(model_path={str(path)!r})).test_client()\n"
        "for method in ('predict', 'predict_proba', 'predict_log_proba', 'decision_function'):\n"
        "    assert client.post('/' + method, json=[[1, 2, 3]]).status_code == 200\n"
        "assert client.get('/metadata').status_code == client.get('/metrics').status_code == 200\n"
        "print([m for m in ('sklearn', 'scipy', 'joblib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_where_scikit_learn_is_not_installed_the_plan_serves_what_it_can(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = load(path)
    assert model.methods == ("predict", "predict_proba", "predict_log_proba", "decision_function")


def test_where_scikit_learn_is_not_installed_a_model_without_a_plan_says_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "models.fitted")
    monkeypatch.setitem(sys.modules, "joblib", None)
    monkeypatch.delattr("models.fitted")
    plan_path(path).unlink()
    with pytest.raises(ModelError, match="has no plan and joblib is not installed: make bake"):
        engine_of(path)


def test_the_example_is_served_by_its_plan(penguins_path: Path) -> None:
    own = client(penguins_path).post("/predict_proba", json=GOOD).json
    bake(penguins_path)
    try:
        assert engine_of(penguins_path) is PlanEngine
        here = client(penguins_path)
        assert here.post("/predict_proba", json=GOOD).json == own
        odd = GOOD | {"island": None, "body_mass_g": None}
        assert here.post("/predict", json=odd).status_code == 200
    finally:
        plan_path(penguins_path).unlink()


def test_a_file_that_is_not_there_is_told_without_scikit_learn() -> None:
    program = (
        "import sys; from models.engines import choose\n"
        "try: choose.load('nowhere.joblib')\n"
        "except Exception as error: print(error, 'sklearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("there is no file nowhere.joblib")
    assert done.stdout.endswith("False\n")
