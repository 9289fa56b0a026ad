"""What a new version of the model is refused for, and what is said of it."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import json
import os
import resource
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from models import bound
from models.baking import bake
from models.candidate import Served, Verdict, bundle, check, results, sandbox, supervise
from models.candidate.facts import Job
from models.engines import choose
from models.files import plan_path
from models.plan import format as plans
from models.plan import proof_rows
from models.plan.builder import Builder, Outputs, Table, rule
from models.plan.errors import NotCompiled
from models.settings import ModelSettings

ROWS = np.random.default_rng(0).normal(size=(40, 3))
Y = np.where(ROWS[:, 0] > 0, "high", "low")
NAMES = ["a", "b", "c"]
X = pd.DataFrame(ROWS, columns=NAMES)
FEATURES = {name: {"dtype": "float64"} for name in NAMES}
CARD = {"example": {"a": 0.5, "b": 1.0, "c": -1.0}, "metrics": {"accuracy": 0.9}}
SETTINGS = ModelSettings(check_seconds=60, check_bytes=4 * 1024**3)


class Call:
    """Calls a function as it is unpickled."""

    def __init__(self, function: Callable[..., Any], *given: Any) -> None:
        self.call = function, given

    def __reduce__(self) -> Any:
        return self.call


def holding(function: Callable[..., Any], *given: Any) -> Any:
    """A good model, in which something else is called as it is loaded."""
    model = LogisticRegression().fit(X, Y)
    model.more_ = Call(function, *given)
    return model


class Own(ClassifierMixin, BaseEstimator):
    """A model whose code does as it is told once it answers."""

    def __init__(self, function: Any = None, given: tuple[Any, ...] = ()) -> None:
        self.function = function
        self.given = given

    def fit(self, X: Any, y: Any) -> Own:
        self.classes_ = np.unique(y)
        self.n_features_in_ = 3
        self.feature_names_in_ = np.array(NAMES, dtype=object)
        return self

    def predict(self, X: Any) -> Any:
        if self.function:
            self.function(*self.given)
        return np.repeat(self.classes_[:1], len(X))


def answering(function: Callable[..., Any], *given: Any) -> Any:
    return Own(function, given).fit(X, Y)


def write(path: str) -> None:
    Path(path).write_text("mine")


def fail(*_: Any) -> None:
    raise ValueError("it does not like this")


def allocate(count: int) -> None:
    np.ones(count)


def end(status: int) -> None:
    os._exit(status)


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def fork_in_secret() -> None:
    """Starts processes that outlive their parents, and hides what was refused."""
    with contextlib.suppress(OSError):
        os.fork()


def connect() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=1)


def run(*words: str) -> None:
    subprocess.run(words, check=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    path = save(tmp_path_factory.mktemp("served"), LogisticRegression().fit(X, Y))
    return Served.of(choose.load(path))


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model with its card and its plan."""
    path = save(tmp_path_factory.mktemp("baked"), LogisticRegression().fit(X, Y))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof_rows, "ROWS", 1_200)
        bake(path)
    return path


def copy(path: Path, folder: Path) -> Path:
    for each in path.parent.iterdir():
        shutil.copy(each, folder)
    return folder / path.name


def save(folder: Path, model: Any, card: dict[str, Any] | None = None) -> Path:
    path = folder / "new.joblib"
    joblib.dump(model, path)
    text = {"features": FEATURES} | CARD if card is None else card
    path.with_suffix(".json").write_text(json.dumps(text))
    return path


def forked(job: Job, report: int) -> Any:
    """The process of a check, as a copy of this one: it need not import scikit-learn again."""
    # The memory of this one, which has run other tests, is no memory of the check.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    own = pages * resource.getpagesize()
    settings = msgspec.structs.replace(job.settings, check_bytes=job.settings.check_bytes + own)
    job = msgspec.structs.replace(job, settings=settings)
    with warnings.catch_warnings():
        # From Python 3.12 on, of threads: these do nothing that a child waits for.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.setsid()
        faulthandler.disable()
        sys.argv = ["candidate", str(report)]
        sys.stdin = io.TextIOWrapper(io.BytesIO(msgspec.json.encode(job)))
        sys.modules.pop("models.candidate.__main__", None)
        try:
            runpy.run_module("models.candidate", run_name="__main__")
        finally:
            os._exit(0)

    class Started:
        pid = child

        def wait(self, timeout: float = 0) -> None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)

    return Started()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "start", forked)
    # Python traces no audit hook unless it says so.
    monkeypatch.setattr(sandbox.Watch._hook, "__cantrace__", True, raising=False)
    monkeypatch.setattr(proof_rows, "ROWS", 1_200)


def judge(
    path: Path, served: Served | None, settings: ModelSettings = SETTINGS, **more: Any
) -> Verdict:
    folder = path.parent / "folder"
    folder.mkdir()
    return check(path, folder, served=served, settings=settings, **more)


HOSTILE = {
    "forks as it is loaded": (
        holding(fork), "process", "the model starts a process (os.fork) while it is loaded"),
    "forks in secret": (
        holding(fork_in_secret), "process", "the model starts a process (os.fork) while"),
    "forks as it answers": (
        answering(fork), "process", "the model starts a process (os.fork) while it is loaded and tried"),
    "runs a command": (
        holding(run, "true"), "process", "the model starts a process (subprocess.Popen)"),
    "runs a shell": (
        holding(os.system, "true"), "process", "the model starts a process (os.system)"),
    "becomes another program": (
        holding(os.execv, "/bin/true", ["true"]), "process", "the model starts a process (os.exec)"),
    "signals its parent": (
        holding(os.kill, 1, 9), "process", "the model signals a process (os.kill)"),
    "writes a file": (
        holding(write, "/tmp/owned"), "file", "the model writes the file /tmp/owned while it is"),
    "writes a file as it answers": (
        answering(write, "/tmp/owned"), "file", "the model writes the file /tmp/owned while it is"),
    "removes a file": (
        holding(os.remove, "/tmp/owned"), "file", "the model changes (os.remove) /tmp/owned while"),
    "renames a file": (
        holding(os.rename, "mine", "/tmp/owned"), "file", "the model changes (os.rename)"),
    "opens a connection": (
        holding(connect), "network", "the model uses the network (socket.getaddrinfo, 127.0.0.1)"),
    "opens a connection as it answers": (
        answering(connect), "network", "the model uses the network (socket.getaddrinfo"),
    "resolves a name": (
        holding(socket.gethostbyname, "example.com"), "network", "(socket.gethostbyname, example.com)"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_model_that_does_what_no_model_has_to_is_refused_by_name(
    quick: None, served: Served, tmp_path: Path, name: str
) -> None:
    model, kind, words = HOSTILE[name]
    verdict = judge(save(tmp_path, model), served, hostile=True)
    assert (verdict.kind, words in verdict.reason) == (kind, True), verdict
    assert not list((tmp_path / "folder").iterdir())
    assert not Path("/tmp/owned").exists()


LIMITS = {
    "sleeps as it is loaded": (
        lambda: holding(time.sleep, 60), {"check_seconds": 1}, "time", "its check took longer than 1 seconds (CHECK_SECONDS)"),
    "sleeps as it answers": (
        lambda: answering(time.sleep, 60), {"check_seconds": 1}, "time", "its check took longer than 1 seconds"),
    "calculates for ever": (
        lambda: holding(spin), {"check_seconds": 1}, "time", "(CHECK_SECONDS)"),
    "eats memory as it is loaded": (
        lambda: holding(allocate, 10**10), {}, "memory", " bytes of memory (CHECK_BYTES)"),
    "eats memory as it answers": (
        lambda: answering(allocate, 10**10), {}, "memory", " bytes of memory (CHECK_BYTES)"),
    "ends its process": (
        lambda: holding(end, 3), {}, "process", "the process that checked it ended with the status 3"),
    "ends its process and says that all is well": (
        lambda: holding(end, 0), {}, "process", "its check ended without a word"),
    "ends Python": (
        lambda: holding(sys.exit, "bye"), {}, "unreadable", "it cannot be loaded: SystemExit: bye"),
    "is killed for want of memory": (
        lambda: holding(signal.raise_signal, signal.SIGKILL), {}, "memory", "was killed, as where the machine's memory runs out"),
    "crashes as it is loaded": (
        lambda: holding(ctypes.string_at, 0), {}, "process", "the process that checked it died of SIGSEGV"),
    "raises as it is loaded": (
        lambda: holding(fail), {}, "unreadable", "new.joblib cannot be loaded with scikit-learn"),
    "raises as it answers": (
        lambda: answering(fail), {}, "example", "it does not answer the example row of its card: ValueError: it does not like this"),
    "ends Python as it answers": (
        lambda: answering(sys.exit, "bye"), {}, "example", "it does not answer the example row of its card: SystemExit: bye"),
}  # fmt: skip


def spin() -> None:
    while True:
        pass


@pytest.mark.parametrize("name", LIMITS)
def test_a_model_that_harms_its_process_is_refused_with_the_limit_or_the_ending(
    quick: None, served: Served, tmp_path: Path, name: str
) -> None:
    model, limits, kind, words = LIMITS[name]
    settings = msgspec.structs.replace(SETTINGS, **limits)
    verdict = judge(save(tmp_path, model()), served, settings)
    assert (verdict.kind, words in verdict.reason) == (kind, True), verdict


def other(columns: dict[str, Any], y: Any = Y, **card: Any) -> tuple[Any, dict[str, Any]]:
    """A model fitted on other columns, and its card."""
    frame = pd.DataFrame({name: X["a"] if kind is None else kind for name, kind in columns.items()})
    example = {
        name: value.item() if hasattr(value, "item") else value
        for name, value in frame.iloc[0].items()
    }
    features = {name: {"dtype": str(frame[name].dtype)} for name in frame}
    return LogisticRegression().fit(frame, y), {"features": features, "example": example, **card}


SAME = dict.fromkeys(NAMES)
CONTRACT: dict[str, tuple[Callable[[], Any], str, str, str]] = {
    "a lost feature": (lambda: other({"a": None, "b": None}), "features", "the feature c is gone", "c"),
    "a new required feature": (
        lambda: other({**SAME, "d": None}), "features", "the feature d is new and required", "d"),
    "another order": (
        lambda: other({"b": None, "a": None, "c": None}), "features",
        "the features are in another order, in which a row sent as a list would be misread", "order"),
    "a lost class": (
        lambda: other(SAME, np.where(Y == "low", "low", "high ")), "classes",
        "the classes are others: lost 'high', new 'high '", "classes"),
    "a new class": (
        lambda: other(SAME, np.where(ROWS[:, 1] > 1, "top", Y)), "classes", "the classes are others: new 'top'", "classes"),
    "classes of another type": (
        lambda: other(SAME, Y == "low"), "classes", "the classes are others: lost 'high', 'low', new False, True", "classes"),
    "lost methods": (
        lambda: (SVC().fit(X, Y), CARD), "methods", "the methods predict_proba, predict_log_proba are gone", "methods"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRACT)
def test_a_model_with_another_contract_is_refused_unless_that_is_accepted_by_name(
    quick: None, served: Served, tmp_path: Path, name: str
) -> None:
    make, kind, words, accept = CONTRACT[name]
    model, card = make()
    path = save(tmp_path, model, card)
    verdict = judge(path, served)
    assert (verdict.kind, verdict.step) == (kind, "signature"), verdict
    assert verdict.reason == (
        f"{words}: to take it all the same, say so by name, as in ?accept={accept} or "
        f"MODEL_ACCEPT={accept}"
    )
    (tmp_path / "folder").rmdir()
    settings = msgspec.structs.replace(SETTINGS, model_accept=f"x,{accept}", engine="sklearn")
    assert judge(path, served, settings).changes == (words,)


def test_what_was_accepted_by_the_caller_is_taken_too(
    quick: None, served: Served, tmp_path: Path
) -> None:
    path = save(tmp_path, *other({"a": None, "b": None}))
    verdict = judge(path, served, accept=frozenset({"c"}))
    assert (verdict.reason, verdict.changes) == ("", ("the feature c is gone",))


METRICS = [
    ("accuracy>=0.95", "the card says accuracy = 0.9, and MODEL_MIN asks for >= 0.95", ()),
    ("accuracy<=0.1", "the card says accuracy = 0.9, and MODEL_MIN asks for <= 0.1", ()),
    ("accuracy>=0.9", "", ()),
    ("r2>=0.1", "", ("the card has no r2, of which MODEL_MIN asks >= 0.1",)),
]


@pytest.mark.parametrize(("minimum", "reason", "changes"), METRICS)
def test_the_metrics_of_the_card_have_to_meet_the_minimum(
    quick: None, served: Served, tmp_path: Path, minimum: str, reason: str, changes: tuple[str, ...]
) -> None:
    settings = msgspec.structs.replace(SETTINGS, model_min=minimum, engine="sklearn")
    verdict = judge(save(tmp_path, LogisticRegression().fit(X, Y)), served, settings)
    assert (verdict.reason, verdict.changes) == (reason, changes)
    assert verdict.kind == ("metrics" if reason else "")


def test_a_card_whose_metrics_are_no_numbers_has_none(
    quick: None, served: Served, tmp_path: Path
) -> None:
    card = CARD | {"metrics": {"accuracy": "good", "passed": True}}
    settings = msgspec.structs.replace(SETTINGS, model_min="accuracy>=0.9", engine="sklearn")
    verdict = judge(save(tmp_path, LogisticRegression().fit(X, Y), card), served, settings)
    assert verdict.metrics == {}
    path = tmp_path / "again"
    path.mkdir()
    verdict = judge(save(path, LogisticRegression().fit(X, Y), CARD | {"metrics": [1]}), None)
    assert (verdict.reason, verdict.metrics) == ("", {})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def replace_text(old: bytes, new: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes().replace(old, new))


def text(words: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(words)


def to_bundle(
    change: Callable[[Path], object] = lambda _: None,
    then: Callable[[Path], object] = lambda _: None,
) -> Callable[[Path], None]:
    """Make a bundle of the model at a path, in its place; its files are changed, then it is."""

    def make(path: Path) -> None:
        change(path)
        bundle.pack(plan_path(path), path.with_suffix(".json"), path.with_suffix(".zip"))
        path.with_suffix(".zip").replace(path)
        then(path)

    return make


def put_more(name: str, how: int) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        with zipfile.ZipFile(path, "a", how) as archive:
            archive.writestr(name, "1")

    return put


def compress(path: Path) -> None:
    with np.load(plan_path(path)) as held:
        np.savez_compressed(plan_path(path), **held)
    sign(plan_path(path))


def sign(path: Path) -> None:
    """Give a plan a digest that fits, as whoever writes one can."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"0" * 64
    content = path.read_bytes()[:-64]
    path.write_bytes(content + plans._digest(content))


def of_another_model(path: Path) -> None:
    plan = plans.load(plan_path(path))
    plans.save(msgspec.structs.replace(plan, model="0" * 64, methods={}), plan_path(path))


FILES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "cut short": (cut, "unreadable", "new.joblib is damaged or cut short"),
    "empty": (text(""), "unreadable", "new.joblib is empty"),
    "a page": (text("<html>log in</html>"), "unreadable", "new.joblib is a HTML page"),
    "no estimator": (lambda path: joblib.dump([1], path), "unreadable", "new.joblib holds a builtins.list"),
    "not fitted": (
        lambda path: joblib.dump(LogisticRegression(), path), "unreadable", "holds a LogisticRegression that is not fitted"),
    "another scikit-learn": (
        replace_text(b"1.9.1", b"1.1.3"), "unreadable", "was saved with scikit-learn 1.1.3, and"),
    "a package that is not here": (
        replace_text(b"sklearn.linear_model._logistic", b"nowhere.linear_model._logistic"), "unreadable", "nowhere"),
    "a card that is no JSON": (
        lambda path: path.with_suffix(".json").write_text("{"), "unreadable", "the card model.json cannot be read"),
    "an example that it refuses": (
        lambda path: path.with_suffix(".json").write_text('{"example": {"a": "x", "b": 1, "c": 1}}'), "example",
        "it refuses the example row of its card: /a: expected a number"),
    "a bundle cut short": (
        to_bundle(then=cut), "unreadable", "new.joblib is cut short or damaged"),
    "a bundle with a file more": (
        to_bundle(then=put_more("run.py", zipfile.ZIP_STORED)), "unreadable",
        "new.joblib has a file 'run.py', which no bundle has"),
    "a bundle with two cards": (
        to_bundle(then=put_more("model.json", zipfile.ZIP_DEFLATED)), "unreadable",
        "new.joblib is compressed: make export-plan writes a bundle"),
    "a bundle with a byte changed": (
        to_bundle(then=replace_text(b'"accuracy"', b'"ACCURACY"')), "unreadable",
        "new.joblib is damaged (Bad CRC-32"),
    "a plan with a byte changed": (
        to_bundle(lambda path: replace_text(b"predict_proba", b"predict_probs")(plan_path(path))), "plan", "is damaged, or of another version"),
    "a compressed plan": (to_bundle(compress), "plan", "is compressed, as no plan is"),
    "a plan without methods": (to_bundle(of_another_model), "unreadable", "has no method"),
    "a plan that loses methods": (
        to_bundle(lambda path: drop_method(path, "predict_proba")), "methods", "the methods predict_proba are gone"),
}  # fmt: skip


def drop_method(path: Path, name: str) -> None:
    plan = plans.load(plan_path(path))
    methods = {method: value for method, value in plan.methods.items() if method != name}
    plans.save(msgspec.structs.replace(plan, methods=methods), plan_path(path))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_model_to_serve_is_refused(
    quick: None, served: Served, baked: Path, tmp_path: Path, name: str
) -> None:
    change, kind, words = FILES[name]
    path = copy(baked, tmp_path)
    change(path)
    verdict = judge(path, served, hostile=True)
    assert (verdict.kind, words in verdict.reason) == (kind, True), verdict
    assert str(tmp_path) not in verdict.reason


def test_another_sha256_than_the_one_that_is_pinned_is_refused(
    quick: None, served: Served, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(SETTINGS, model_sha256="0" * 64)
    verdict = judge(save(tmp_path, LogisticRegression().fit(X, Y)), served, settings)
    assert (verdict.kind, verdict.step) == ("hash", "hash")
    assert (
        verdict.reason == f"it has the SHA-256 {verdict.version}, and MODEL_SHA256 says {'0' * 64}"
    )


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "folder").iterdir())


def test_a_good_model_is_taken_with_its_card_and_its_plan(
    quick: None, served: Served, tmp_path: Path
) -> None:
    steps: list[str] = []
    path = save(tmp_path, LogisticRegression().fit(X, Y))
    verdict = judge(path, served, say=steps.append)
    assert (verdict.reason, verdict.kind, verdict.plan_only) == ("", "", False)
    assert (verdict.file, verdict.metrics) == ("model.joblib", {"accuracy": 0.9})
    assert names(tmp_path) == ["model.joblib", "model.json", "model.plan.npz"]
    assert steps == ["hash", "start", "load", "example", "signature", "metrics", "bake", "serve"]
    model = choose.load(
        tmp_path / "folder" / verdict.file, verdict.version, plan_sha256=verdict.plan
    )
    assert (model.version, model.card["example"]) == (verdict.version, CARD["example"])


def test_only_the_plan_of_a_strangers_model_is_taken_where_it_answers_all(
    quick: None, served: Served, tmp_path: Path
) -> None:
    verdict = judge(save(tmp_path, LogisticRegression().fit(X, Y)), served, hostile=True)
    assert (verdict.reason, verdict.plan_only, verdict.file) == ("", True, "model.plan.npz")
    assert names(tmp_path) == ["model.json", "model.plan.npz"]


def test_a_bundle_is_taken_without_a_bake(
    quick: None, served: Served, baked: Path, tmp_path: Path
) -> None:
    path = copy(baked, tmp_path)
    to_bundle()(path)
    steps: list[str] = []
    verdict = judge(path, served, hostile=True, say=steps.append)
    assert (verdict.reason, verdict.plan_only) == ("", True)
    assert steps == ["hash", "start", "load", "example", "signature", "metrics"]
    assert names(tmp_path) == ["model.json", "model.plan.npz"]


class AtBake(LogisticRegression):
    """Does something where its plan is made, in a process of its own."""

    def __init__(self, do: Any = None) -> None:
        super().__init__()
        self.do = do


@rule(AtBake, predicts=True)
def at_bake(builder: Builder, estimator: AtBake, table: Table) -> Outputs:
    estimator.do()
    raise NotCompiled("it has no rule")


def die() -> None:
    os._exit(4)


def crash() -> None:
    signal.raise_signal(signal.SIGKILL)


AT_BAKE = [
    (fail, "the rule for AtBake does not fit it (ValueError: it does not like this)"),
    (die, "the process that made its plan ended with the status 4"),
    (crash, "the process that made its plan ended with SIGKILL"),
    (spin, "the process that made its plan took more than 0.1 seconds (BAKE_SECONDS)"),
]


@pytest.mark.parametrize(("do", "words"), AT_BAKE)
def test_a_model_that_fails_at_its_bake_is_served_by_scikit_learn(
    quick: None,
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    do: Any,
    words: str,
) -> None:
    monkeypatch.setattr(bound, "GRACE_SECONDS", 0)
    path = save(tmp_path, AtBake(do).fit(X, Y))
    settings = msgspec.structs.replace(SETTINGS, bake_seconds=0.1 if do is spin else 60)
    verdict = judge(path, served, settings)
    assert (verdict.reason, verdict.file) == ("", "model.joblib")
    plan = plans.load(tmp_path / "folder" / "model.plan.npz")
    assert words in next(iter(plan.fallback.values()))


def test_a_model_without_a_plan_is_refused_where_one_is_demanded(
    quick: None, served: Served, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(SETTINGS, engine="plan")
    verdict = judge(save(tmp_path, AtBake(die).fit(X, Y)), served, settings)
    assert (verdict.kind, verdict.step) == ("plan", "serve")
    assert "has no plan: the process that made its plan ended" in verdict.reason


def test_a_strangers_model_that_does_more_at_its_bake_is_refused(
    quick: None, served: Served, tmp_path: Path
) -> None:
    verdict = judge(save(tmp_path, AtBake(connect).fit(X, Y)), served, hostile=True)
    assert (verdict.kind, verdict.step) == ("network", "bake")


def test_a_strangers_model_whose_plan_does_not_answer_all_comes_with_its_file(
    quick: None, served: Served, tmp_path: Path
) -> None:
    path = save(tmp_path, Own().fit(X, Y))
    settings = msgspec.structs.replace(SETTINGS, model_accept="methods")
    verdict = judge(path, served, settings, hostile=True)
    assert (verdict.reason, verdict.plan_only, verdict.file) == ("", False, "model.joblib")
    shutil.rmtree(tmp_path / "folder")
    settings = msgspec.structs.replace(settings, engine="plan")
    verdict = judge(path, served, settings, hostile=True)
    assert (verdict.kind, verdict.reason) == (
        "plan",
        "ENGINE=plan, and predict has no plan: there is no rule for Own",
    )


def swap_for_link(path: str, target: str) -> None:
    Path(path).unlink()
    Path(path).symlink_to(target)


def append(path: str) -> None:
    with Path(path).open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("how", ["writes", "links"])
def test_a_model_that_changes_its_own_file_is_refused(
    quick: None, served: Served, tmp_path: Path, how: str
) -> None:
    place = str(tmp_path / "folder" / "work" / "model.joblib")
    change: tuple[Any, ...] = (append, place)
    if how == "links":
        change = (swap_for_link, place, str(tmp_path / "new.joblib"))
    settings = msgspec.structs.replace(SETTINGS, model_accept="methods", engine="sklearn")
    verdict = judge(save(tmp_path, answering(*change)), served, settings, hostile=True)
    assert (verdict.kind, verdict.reason) == (
        "process",
        "its file was changed while it was checked",
    )


def test_a_link_in_the_place_of_the_card_is_left_behind(
    quick: None, served: Served, tmp_path: Path
) -> None:
    place = str(tmp_path / "folder" / "work" / "model.json")
    model = answering(swap_for_link, place, str(tmp_path / "new.json"))
    settings = msgspec.structs.replace(SETTINGS, model_accept="methods", engine="sklearn")
    path = save(tmp_path, model)
    verdict = judge(path, None, settings)
    assert (verdict.kind, names(tmp_path)) == ("", ["model.joblib"])


def facts(estimator: Any) -> None:
    """Tell what this process can do, by C and past Python's hooks."""
    # It asks joblib for the number of cores, which runs a program to find out.
    estimator.predict(X)
    libc = ctypes.CDLL(None)
    raise ValueError(
        json.dumps(
            {
                "environment": sorted(os.environ),
                "interfaces": len(socket.if_nameindex()),
                "pid": os.getpid(),
                "writes": libc.open(b"/tmp/owned", os.O_WRONLY | os.O_CREAT, 0o600) >= 0,
            }
        )
    )


def works(function: Callable[..., bool], *given: Any) -> bool:
    """Whether the system allows something, tried in a process apart."""
    child = os.fork()
    if child == 0:
        os._exit(function(*given))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_strangers_model_has_no_environment_no_network_and_one_folder(
    served: Served, tmp_path: Path
) -> None:
    model = HistGradientBoostingClassifier(max_iter=1).fit(X, Y)
    verdict = judge(save(tmp_path, answering(facts, model)), served, hostile=True)
    found = json.loads(verdict.reason.partition("ValueError: ")[2])
    # The tests themselves set this one for all processes.
    assert set(found["environment"]) <= {"OMP_WAIT_POLICY"}
    if works(sandbox.leave_namespaces):
        assert (found["interfaces"], found["pid"]) == (1, 1)
    if works(sandbox.lock_files, str(tmp_path)):
        assert not found["writes"]
    Path("/tmp/owned").unlink(missing_ok=True)


def linger(path: str) -> None:
    """Leave a process behind that has left its session, and note its pid."""
    if os.fork():
        return
    os.setsid()
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def test_what_a_model_has_started_ends_with_its_check(
    quick: None, served: Served, tmp_path: Path
) -> None:
    path = save(tmp_path, holding(linger, str(tmp_path / "pid")))
    settings = msgspec.structs.replace(SETTINGS, engine="sklearn")
    assert judge(path, served, settings).reason == ""
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def bind() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))


def use_files() -> None:
    """Do what code may do: read, and write into its own folder."""
    Path(__file__).read_bytes()
    Path(os.devnull).write_bytes(b"1")
    with tempfile.TemporaryFile() as file:
        file.write(b"1")
    link = Path(tempfile.gettempdir()) / "link"
    link.unlink(missing_ok=True)
    link.symlink_to("nowhere")


@pytest.mark.parametrize("do", [bind, use_files])
def test_a_strangers_model_may_do_what_hurts_nobody(
    quick: None, served: Served, tmp_path: Path, do: Callable[[], None]
) -> None:
    settings = msgspec.structs.replace(SETTINGS, engine="sklearn")
    assert judge(save(tmp_path, holding(do)), served, settings, hostile=True).reason == ""


@pytest.mark.parametrize("hostile", [False, True])
def test_a_model_with_a_plan_is_taken_where_one_is_demanded(
    quick: None, served: Served, tmp_path: Path, hostile: Any
) -> None:
    settings = msgspec.structs.replace(SETTINGS, engine="plan")
    path = save(tmp_path, LogisticRegression().fit(X, Y))
    assert judge(path, served, settings, hostile=hostile).reason == ""


def test_a_plan_that_the_model_has_put_there_is_refused(
    quick: None, baked: Path, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(SETTINGS, engine="sklearn")
    place = str(tmp_path / "folder" / "work" / "model.plan.npz")
    for change, words in (
        ((write, place), "is damaged, or of another version"),
        ((shutil.copyfile, str(plan_path(baked)), place), "its plan belongs to another model"),
    ):
        verdict = judge(save(tmp_path, answering(*change)), None, settings, hostile=True)
        assert (verdict.kind, words in verdict.reason) == ("plan", True)
        shutil.rmtree(tmp_path / "folder")


def test_a_card_may_not_be_as_large_as_a_model(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_CARD_BYTES", 10)
    settings = msgspec.structs.replace(SETTINGS, engine="sklearn")
    verdict = judge(save(tmp_path, LogisticRegression().fit(X, Y)), None, settings)
    assert verdict.reason == "its card has more than 10 bytes"


def test_a_kernel_without_landlock_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "LANDLOCK_CREATE_RULESET", 9_999)
    assert not sandbox.lock_files("/tmp")


@pytest.fixture
def slim(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without scikit-learn, and without what only that needs."""
    for name in (
        "joblib",
        "pandas",
        "scipy.sparse",
        "sklearn",
        "sklearn.pipeline",
        "threadpoolctl",
    ):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("models.fitted", "models.engines.trial", "models.engines.scikit_learn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("models.fitted", raising=False)


def test_a_slim_image_takes_a_plan(slim: None, served: Served, baked: Path, tmp_path: Path) -> None:
    path = copy(baked, tmp_path)
    to_bundle()(path)
    verdict = judge(path, served, hostile=True)
    assert (verdict.reason, verdict.plan_only) == ("", True)


def test_a_slim_image_says_what_to_send(
    slim: None, served: Served, baked: Path, tmp_path: Path
) -> None:
    verdict = judge(copy(baked, tmp_path), served, hostile=True)
    assert verdict.reason.startswith("this service has no scikit-learn to read it with: send what")
    assert verdict.kind == "type"
