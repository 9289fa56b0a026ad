"""The parts of a check, each alone: the contract, the ending of its process, what it reports."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from models import saved
from models.candidate import Served, __main__, bundle, compare, supervise
from models.candidate.facts import Column, Fault, Job, Message
from models.files import plan_path
from models.settings import ModelSettings
from tests.test_candidate import CARD, FEATURES, SETTINGS, X, Y, judge, quick, save, served

__all__ = ["quick", "served"]


def contract(*columns: Column, form: str = "table", **more: Any) -> Served:
    return Served(version="0" * 64, form=form, columns=columns, methods=("predict",), **more)


A, B = Column("a", "number", optional=False), Column("b", "string", optional=False)

# The old columns, the new ones, a sentence, and the name that is refused; "" if nothing is.
COLUMNS = [
    ([A], [A], "", ""),
    ([A, B], [A], "the feature b is gone", "b"),
    ([A], [A, B], "the feature b is new and required", "b"),
    ([A], [A, Column("b", "any", optional=True)], "the feature b is new, and may be null", ""),
    ([A], [Column("a", "string", optional=False)], "the feature a was number, and is string now", "a"),
    ([A], [Column("a", "any", optional=False)], "the feature a was number, and is any now", ""),
    ([A], [Column("a", "unused", optional=True)], "the feature a was number, and is unused now", ""),
    ([Column("a", "any", optional=False)], [A], "the feature a was any, and is number now", "a"),
    ([A], [Column("a", "number", optional=False, dtype="int64")], "the dtype of a was ?, is int64 now", ""),
    ([Column("a", "number", optional=True)], [A], "the feature a could be null, and is required now", "a"),
    ([A], [Column("a", "number", optional=True)], "", ""),
    ([A, B], [B, A], "the features are in another order, in which a row sent as a list would be misread", "order"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence", "name"), COLUMNS)
def test_columns_are_compared(
    old: list[Column], new: list[Column], sentence: str, name: str
) -> None:
    said, refused = compare.changes(contract(*old), contract(*new), ())
    assert said == ([sentence] if sentence else [])
    assert refused == ({name: sentence} if name else {})
    assert compare.changes(contract(*old), contract(*new), {name}) == (said, {})


CLASSES = [
    (["a", "b"], ["a", "b"], ""),
    (None, ["a", "b"], "there were no classes, and are now"),
    (["a", "b"], None, "there are no classes now"),
    (["a", "b"], ["b", "a"], "the classes are in another order, which is that of the probabilities"),
    (["a", "b"], ["a", "c"], "the classes are others: lost 'b', new 'c'"),
    ([0, 1], [0.0, 1.0], "the classes are others: their types have changed"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), CLASSES)
def test_classes_are_compared(old: Any, new: Any, sentence: str) -> None:
    before, after = contract(A, classes=old), contract(A, classes=new)
    said, refused = compare.changes(before, after, ())
    if [type(label) for label in old or ()] == [type(label) for label in new or ()]:
        assert said == ([sentence] if sentence else [])
    assert refused == ({"classes": said[0]} if said else {})


def test_another_form_and_other_methods_are_told() -> None:
    said, refused = compare.changes(contract(A), contract(A, form="text"), ())
    assert said == ["the rows were of the form table, and are text now"]
    assert list(refused) == ["form"]
    more = msgspec.structs.replace(contract(A), methods=("predict", "transform"))
    assert compare.changes(contract(A), more, ()) == (["the methods transform are new"], {})


def test_all_that_is_refused_is_said_at_once_with_the_names_to_accept() -> None:
    old, new = contract(A, Column("bill length", "number", optional=False)), contract(B)
    with pytest.raises(Fault) as fault:
        compare.check_contract(old, new, ())
    assert str(fault.value) == (
        "the feature a is gone; the feature bill length is gone; the feature b is new and "
        "required: to take it all the same, say so by name, as in ?accept=a,bill%20length,b or "
        "MODEL_ACCEPT=a,bill length,b"
    )


ENDINGS = [
    (0, 9.0, None),
    (3, 0.1, Message(kind="process", reason="the process that checked it ended with the status 3")),
    (-11, 0.1, Message(kind="process", reason="the process that checked it died of SIGSEGV")),
    (-9, 0.1, Message(kind="memory", reason="the process that checked it was killed, as where the machine's memory runs out")),
    (-9, 5.1, Message(kind="time", reason="its check took more than 5 seconds of CPU time (CHECK_SECONDS)")),
    (-24, 5.1, Message(kind="time", reason="its check took more than 5 seconds of CPU time (CHECK_SECONDS)")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "cpu", "message"), ENDINGS)
def test_the_ending_of_the_process_is_said(code: int, cpu: float, message: Message | None) -> None:
    assert __main__.ending(code, cpu, 5) == message


EXAMPLES: list[tuple[dict[str, Any], Any, str]] = [
    (CARD, None, ""),
    (CARD | {"example": {"a": 1}}, None, "it refuses the example row of its card: /b: is required"),
    ({}, {"a": 1, "b": 1, "c": 1}, ""),
    ({}, {"a": 1, "b": 1, "c": "x"}, "it refuses the example row of the model that is served now: /c"),
    ({}, {"a": "x"}, ""),
    ({}, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("card", "known", "words"), EXAMPLES)
def test_the_example_is_the_cards_or_the_served_models(
    quick: None, tmp_path: Path, card: dict[str, Any], known: Any, words: str
) -> None:
    old = contract(A, example=known)
    path = save(tmp_path, LogisticRegression().fit(X, Y), {"features": FEATURES} | card)
    accept = frozenset({"b", "c", "classes"})
    settings = msgspec.structs.replace(SETTINGS, engine="sklearn")
    verdict = judge(path, old, settings, accept=accept)
    assert (verdict.kind, words in verdict.reason) == ("example" if words else "", True), verdict


def test_a_made_up_row_may_be_refused(quick: None, tmp_path: Path) -> None:
    path = save(tmp_path, FunctionTransformer(no_answer).fit(X), {})
    settings = msgspec.structs.replace(SETTINGS, engine="sklearn")
    assert judge(path, None, settings).reason == ""


def no_answer(X: Any) -> Any:
    raise ValueError("not these rows")


REPORTS = [
    (b"", "its check ended without a word"),
    (b"nonsense\n", "its check did not end as it should (JSON is malformed"),
    (b'{"step": "load"}\n' * 100_000, "its check did not end as it should (it says too much)"),
]


@pytest.mark.parametrize(("said", "words"), REPORTS)
def test_a_process_that_reports_nonsense_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: bytes, words: str
) -> None:
    def start(_: Job, report: int) -> Any:
        line, count = said[:17], len(said) // 17 or 1
        return process(f"import os; os.write({report}, {line!r} * {count})", report)

    monkeypatch.setattr(supervise, "start", start)
    verdict = judge(save(tmp_path, LogisticRegression().fit(X, Y)), None)
    assert (verdict.kind, verdict.reason[: len(words)]) == ("process", words)


def process(code: str, report: int) -> Any:
    import subprocess

    return subprocess.Popen(
        [sys.executable, "-S", "-c", code], pass_fds=(report,), start_new_session=True
    )


def test_a_process_that_does_not_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervise, "GRACE_SECONDS", 0.2)
    started = []

    def start(_: Job, report: int) -> Any:
        started.append(process("import time; time.sleep(60)", report))
        return started[0]

    monkeypatch.setattr(supervise, "start", start)
    settings = msgspec.structs.replace(SETTINGS, check_seconds=0.1)
    verdict = judge(save(tmp_path, LogisticRegression().fit(X, Y)), None, settings)
    assert verdict.reason.endswith("(it has not ended after 0.3 seconds)")
    assert started[0].returncode == -14


def test_a_file_on_another_disk_is_copied(quick: None, tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm") / f"candidate-{os.getpid()}.joblib"
    joblib.dump(LogisticRegression().fit(X, Y), elsewhere)
    folder = tmp_path / "folder"
    folder.mkdir()
    try:
        assert bundle.unpack(elsewhere, folder).read_bytes() == elsewhere.read_bytes()
    finally:
        elsewhere.unlink()


def test_a_bundle_may_have_no_card(tmp_path: Path) -> None:
    plan = tmp_path / "new.plan.npz"
    plan.write_bytes(b"plan")
    packed = bundle.pack(plan, None, tmp_path / "packed")
    assert bundle.kind_of(packed) == ".plan.npz"
    folder = tmp_path / "folder"
    folder.mkdir()
    assert bundle.unpack(packed, folder).read_bytes() == b"plan"
    assert [path.name for path in folder.iterdir()] == ["model.plan.npz"]


def test_a_zip_that_is_no_bundle_is_judged_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "new.joblib"
    path.write_bytes(b"PK\x03\x04 nothing")
    assert bundle.kind_of(path) == ".joblib"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "1")
    assert bundle.kind_of(path) == ".joblib"


@pytest.fixture
def skops(tmp_path: Path) -> Path:
    from skops import io

    path = tmp_path / "sent"
    io.dump(LogisticRegression().fit(X, Y), path)
    return path


def test_a_skops_file_is_taken_by_its_plan(quick: None, skops: Path, served: Served) -> None:
    verdict = judge(skops, served, hostile=True)
    assert (verdict.reason, verdict.plan_only) == ("", True)
    assert plan_path(skops.parent / "folder" / "model").exists()


def test_types_that_skops_does_not_trust_are_refused_by_name(quick: None, tmp_path: Path) -> None:
    from skops import io

    path = tmp_path / "sent"
    io.dump(FunctionTransformer(no_answer).fit(X), path)
    verdict = judge(path, None, hostile=True)
    name = f"{__name__}.no_answer"
    how = f"if you trust them, set MODEL_TRUSTED_TYPES={name}"
    assert verdict.reason == f"it holds types that are not trusted: {name}; {how}"
    assert verdict.kind == "type"
    (tmp_path / "folder").rmdir()
    settings = ModelSettings.from_env({"MODEL_TRUSTED_TYPES": name, "ENGINE": "sklearn"})
    assert judge(path, None, settings, hostile=True).reason == ""


def test_a_skops_file_of_the_same_minor_version_is_read(
    quick: None, skops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = f"{saved.minor(sklearn.__version__)}.99"
    monkeypatch.setattr("sklearn.__version__", patch)
    monkeypatch.setattr("sklearn.base.__version__", patch)
    settings = msgspec.structs.replace(SETTINGS, engine="sklearn")
    assert judge(skops, None, settings).reason == ""


def test_a_skops_file_of_another_scikit_learn_is_refused(
    quick: None, skops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sklearn.__version__", "1.1.3")
    monkeypatch.setattr("sklearn.base.__version__", "1.1.3")
    verdict = judge(skops, None)
    assert verdict.kind == "unreadable"
    assert "was saved with scikit-learn 1.9" in verdict.reason
    assert verdict.reason.startswith("sent ")


def test_a_skops_file_is_told_what_is_missing(
    quick: None, skops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skops", None)
    verdict = judge(skops, None)
    assert verdict.reason.startswith("it is a skops file, and skops is not installed: add the line")
