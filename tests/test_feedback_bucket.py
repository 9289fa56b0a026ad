"""Feedback in a bucket, on the small Google Cloud, as an account that may only create objects."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from api.feedback import bucket, lines, shipping
from api.feedback.facts import HOUR_SECONDS, Hour, Prediction, Selection, new_id
from api.feedback.lines import PREDICTIONS, SELECTIONS, STATISTICS
from api.feedback.shipping import Shipper
from api.feedback.store import FeedbackStore
from api.settings import Settings
from tests.google_cloud.cloud import PROJECT, Cloud
from tests.google_cloud.metadata import Machine
from tests.google_cloud.storage import Bucket, Buckets

ACCOUNT = f"ml-api-runtime@{PROJECT}.iam.gserviceaccount.com"
CREATOR = "roles/storage.objectCreator"
PREFIX = "our/feedback"
TICKS = itertools.count()
NAMES = ["island", "bill_length_mm"]
Objects = dict[str, bytes]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.enabled.add("storage.googleapis.com")
        yield cloud


@pytest.fixture
def cloud(small: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud with a bucket in which this machine's account may create objects, and no more."""
    monkeypatch.setenv("http_proxy", f"http://{small.address}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(bucket, "WAITS_SECONDS", (0.01,))
    small.part(Machine).account = ACCOUNT
    small.part(Buckets).all = {"ours": Bucket("ours"), "theirs": Bucket("theirs")}
    small.policies.set(
        f"projects/{PROJECT}/buckets/ours",
        {"bindings": [{"role": CREATOR, "members": [f"serviceAccount:{ACCOUNT}"]}]},
    )
    small.faults.clear()
    return small


@pytest.fixture
def objects(cloud: Cloud) -> Objects:
    return cloud.part(Buckets).all["ours"].objects


@pytest.fixture
def settings(cloud: Cloud) -> Settings:
    return Settings(
        feedback_uri=f"gs://ours/{PREFIX}/",
        gce_metadata_host=cloud.address,
        storage_emulator_host="http://storage.googleapis.test",
    )


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "feedback")


def made(at: float | None = None, **others: Any) -> Prediction:
    # Each is made some time after the one before.
    at = round(time.time() - 60 + next(TICKS) / 1000, 3) if at is None else at
    facts = {"id": new_id(at), "row": 0, "version": "v1", "owner": "alice", "method": "predict"}
    return Prediction(**{**facts, "at": at, "inputs": ["Biscoe", None], "label": 1, **others})


def chosen(prediction: Prediction, label: Any = None) -> Selection:
    return Selection(id=prediction.id, row=0, at=prediction.at + 1, label=label, owner="bob")


def hour(counts: list[int], number: int = 0, **others: Any) -> Hour:
    this = int(time.time() // HOUR_SECONDS) + number
    facts = {"hour": this, "version": "v1", "layout": "l", "answers": sum(counts), **others}
    return Hour(**facts, counts=np.array(counts, np.int64))


def features(version: str) -> list[str] | None:
    return NAMES if version == "v1" else None


def read(objects: Objects, kind: str) -> list[Any]:
    """The records of all objects of one kind."""
    found = sorted(name for name in objects if name.startswith(f"{PREFIX}/{kind}/"))
    return [each for name in found for each in lines.read(kind, objects[name])]


def sums(hours: list[Hour]) -> dict[Any, Any]:
    """The counts by hour, version and layout, added."""
    found: dict[Any, Any] = {}
    for each in hours:
        key = (each.hour, each.version, each.layout)
        values = np.array([each.answers, *each.counts])
        found[key] = found.get(key, 0) + values
    return {key: values.tolist() for key, values in found.items()}


def equal(one: list[Hour], other: list[Hour]) -> bool:
    return sums(one) == sums(other)


# Lines

HOUR_LINE = (
    b'{"hour": "2026-11-29T00:00:00Z", "version": "", "layout": "", "answers": 1, "counts": [%s]}'
)
KINDS = {"STRING": str, "INTEGER": int, "TIMESTAMP": str, "BOOLEAN": bool}
RECORDS: dict[str, list[Any]] = {
    PREDICTIONS: [made(), made(label="a", ranked=[0.5, 0.5]), made(version="v2", label=None)],
    SELECTIONS: [chosen(made(), "a"), chosen(made()), chosen(made(), 1.5)],
    STATISTICS: [hour([1, 2]), hour([0, 2**40], version="")],
}


@pytest.mark.parametrize("kind", RECORDS)
def test_lines_have_the_columns_that_bigquery_is_told(kind: str) -> None:
    columns = [each.split(":") for each in lines.COLUMNS[kind].split(",")]
    for line in lines.write(kind, RECORDS[kind], features).splitlines():
        facts = json.loads(line)
        assert {*facts} == {name for name, _ in columns}
        for name, its_type in columns:
            assert its_type == "JSON" or isinstance(facts[name], KINDS[its_type]), name


@pytest.mark.parametrize("kind", RECORDS)
def test_lines_are_read_as_the_records_that_were_written(kind: str) -> None:
    found: list[Any] = [*lines.read(kind, lines.write(kind, RECORDS[kind], features))]
    if kind == STATISTICS:
        assert equal(found, RECORDS[kind])
    else:
        assert found == RECORDS[kind]


def test_inputs_are_written_by_their_names_where_these_are_known() -> None:
    known, unknown = lines.write(PREDICTIONS, RECORDS[PREDICTIONS], features).splitlines()[1:]
    assert b'"inputs":{"island":"Biscoe","bill_length_mm":null}' in known
    assert b'"inputs":["Biscoe",null]' in unknown
    assert b'"at":"20' in known


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (PREDICTIONS, b"{"),
        (PREDICTIONS, b"[]"),
        (PREDICTIONS, b"{}"),
        (SELECTIONS, b'{"at": "now"}'),
        (SELECTIONS, b'{"at": "2026-11-29T00:00:00Z", "id": 1}'),
        (SELECTIONS, b'{"at": "2026-11-29T00:00:00Z", "id": "x", "row": 0, "label": 1}'),
        (STATISTICS, b'{"hour": "2026-11-29T00:00:00Z", "counts": ["a"]}'),
        (STATISTICS, b'{"hour": "now", "version": "", "layout": "", "answers": 1, "counts": [1]}'),
        (STATISTICS, HOUR_LINE % b"9223372036854775808"),
    ],
)
def test_a_line_that_is_no_record_is_named(kind: str, line: bytes) -> None:
    with pytest.raises(lines.Malformed, match=f"^line 1 is none of {kind}: "):
        [*lines.read(kind, line)]


# Objects


def test_selections_are_written_as_one_object(settings: Settings, objects: Objects) -> None:
    selections = [chosen(made(), "a"), chosen(made())]
    bucket.write(settings, selections)
    ((name, _),) = objects.items()
    assert name.startswith(f"{PREFIX}/selections/{bucket.today()}/")
    assert name.endswith(".ndjson")
    assert read(objects, SELECTIONS) == selections


def test_a_whole_bucket_may_be_the_folder(settings: Settings, objects: Objects) -> None:
    bucket.put(msgspec.structs.replace(settings, feedback_uri="gs://ours"), "a/b", b"c")
    assert objects == {"a/b.ndjson": b"c"}


def test_a_storage_that_is_away_for_a_moment_is_asked_again(
    cloud: Cloud, settings: Settings, objects: Objects
) -> None:
    fault = cloud.fault("POST", "upload", 503)
    bucket.put(settings, "a", b"b")
    assert fault.seen == 1
    assert len(objects) == 1


def test_an_object_that_an_earlier_try_has_written_stays(
    settings: Settings, objects: Objects
) -> None:
    objects[f"{PREFIX}/a.ndjson"] = b"first"
    bucket.put(settings, "a", b"second")
    assert objects == {f"{PREFIX}/a.ndjson": b"first"}


def test_a_storage_that_looks_at_rights_before_conditions_says_the_same(
    settings: Settings, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects[f"{PREFIX}/a.ndjson"] = b"first"
    # Without the condition an account that may not delete is refused.
    monkeypatch.setattr(bucket, "CONDITION", "")
    bucket.put(settings, "a", b"second")
    assert objects == {f"{PREFIX}/a.ndjson": b"first"}


@pytest.mark.parametrize(
    ("uri", "account", "sentence"),
    [
        (
            "gs://theirs/f",
            ACCOUNT,
            r"cannot write gs://theirs/f/a.ndjson \(403 .*make add-roles grants$",
        ),
        ("gs://none", ACCOUNT, r"cannot write gs://none/a.ndjson \(403 .*make add-roles grants$"),
        (
            "gs://ours",
            "",
            r"cannot write gs://ours/a.ndjson \(it needs a token, and the metadata .*\)$",
        ),
    ],
)
def test_a_bucket_that_takes_no_objects_is_named_with_the_mend(
    cloud: Cloud, settings: Settings, uri: str, account: str, sentence: str
) -> None:
    cloud.part(Machine).account = account
    with pytest.raises(OSError, match=f"^{sentence}"):
        bucket.put(msgspec.structs.replace(settings, feedback_uri=uri), "a", b"b")


def test_a_storage_that_does_not_answer_is_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "WRITE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        silenced = msgspec.structs.replace(settings, storage_emulator_host=address)
        started = time.monotonic()
        with pytest.raises(OSError, match=r"a.ndjson: no answer came in time$"):
            bucket.put(silenced, "a", b"b")
        assert time.monotonic() - started < 1


# Shipping


@pytest.fixture
def ship(store: FeedbackStore, settings: Settings) -> Callable[[], None]:
    return Shipper(store, settings, features).ship


def test_what_is_new_is_shipped_once(
    store: FeedbackStore, ship: Callable[[], None], objects: Objects
) -> None:
    first, second = made(), made()
    store.add([first])
    store.add_counts([hour([1, 2])])
    ship()
    ship()
    names = sorted(name.removeprefix(f"{PREFIX}/") for name in objects)
    instance = names[0].rpartition("/")[2].partition("-")[0]
    assert names == [
        f"{kind}/{bucket.today()}/{instance}-000001.ndjson" for kind in (PREDICTIONS, STATISTICS)
    ]
    store.add([second])
    store.add_counts([hour([0, 5]), hour([3])])
    ship()
    assert read(objects, PREDICTIONS) == sorted([first, second], key=lambda each: each.id)
    assert equal(read(objects, STATISTICS), store.hours(0))


def test_the_last_seconds_are_shipped_when_all_have_written_them_or_at_the_end(
    store: FeedbackStore, settings: Settings, objects: Objects
) -> None:
    store.add([made(time.time())])
    shipper = Shipper(store, settings, features)
    shipper.ship()
    assert read(objects, PREDICTIONS) == []
    shipper.finish()
    assert len(read(objects, PREDICTIONS)) == 1


def test_many_rows_are_shipped_in_several_objects(
    store: FeedbackStore,
    ship: Callable[[], None],
    objects: Objects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shipping, "OBJECT_ROWS", 2)
    at = time.time() - 60
    rows = [made(at + number / 1000) for number in range(5)]
    store.add(rows)
    ship()
    assert [each.id for each in read(objects, PREDICTIONS)] == [each.id for each in rows]
    assert len(objects) == 3


def test_what_cannot_be_written_is_shipped_later(
    store: FeedbackStore,
    ship: Callable[[], None],
    cloud: Cloud,
    objects: Objects,
) -> None:
    store.add([made()])
    store.add_counts([hour([1, 2])])
    cloud.fault("POST", "upload", 403)
    with pytest.raises(OSError, match="^cannot write gs://ours/"):
        ship()
    store.add_counts([hour([4, 4])])
    ship()
    ship()
    assert len(read(objects, PREDICTIONS)) == 1
    assert equal(read(objects, STATISTICS), store.hours(0))


def test_the_end_does_not_wait_for_a_storage_that_is_away(
    store: FeedbackStore, settings: Settings, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    store.add([made()])
    cloud.fault("POST", "upload", 503)
    Shipper(store, settings, features).finish()
    assert "the newest feedback of this instance is not shipped" in caplog.text


@limits(max_examples=20, deadline=None, suppress_health_check=[*HealthCheck])
@given(steps=st.lists(st.sampled_from(["add", "count", "ship", "crash"]), max_size=8))
def test_crashes_at_any_moment_lose_and_double_nothing(
    settings: Settings, objects: Objects, tmp_path: Path, steps: list[str]
) -> None:
    objects.clear()
    store = FeedbackStore(tmp_path / new_id())
    shipper = Shipper(store, settings, features)
    for step in steps:
        if step == "add":
            store.add([made()])
        elif step == "count":
            store.add_counts([hour([1, 0], -1), hour([0, 1])])
        elif step == "ship":
            shipper.ship()
        else:
            _crash(store, settings)
    shipper.finish()
    kept = store.predictions_after(shipping.FIRST, -1, time.time() + 60, 100)
    assert read(objects, PREDICTIONS) == kept
    assert equal(read(objects, STATISTICS), store.hours(0))


def _crash(store: FeedbackStore, settings: Settings) -> None:
    """Ship, but for the note that it is done."""
    with pytest.MonkeyPatch.context() as patch:
        note = store.set_note

        def noted(name: str, value: Any) -> None:
            if value[1] is None:
                raise OSError("the process is killed")
            note(name, value)

        patch.setattr(store, "set_note", noted)
        with contextlib.suppress(OSError):
            Shipper(store, settings, features).ship()
