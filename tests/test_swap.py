"""Another version takes over between two requests: in one process, and in those of the server."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from werkzeug.test import Client

from api import keeping, swap
from api.errors import Conflict
from api.feedback.recorder import Recorder
from api.http.request import Environ
from api.server import process
from api.server.board import Board
from api.settings import Settings
from api.swap import Swap
from models.baking import bake
from models.errors import ModelError
from models.files import version_of
from models.versions import Store, Version
from tests.kept import errors_in
from tests.test_serving import Server, serving

KEY = "an administrator's key"
ADMIN_KEYS = f"admin:{hashlib.sha256(KEY.encode()).hexdigest()}"
ADMIN = {"X-Api-Key": KEY}


class Models(NamedTuple):
    """Two models with the same features, whose answers differ by `OFFSET` on each row."""

    one: Path
    other: Path


OFFSET = 1000.0
ROWS = np.arange(20.0).reshape(10, 2)


def linear(path: Path, constant: float, rows: Any = ROWS) -> Path:
    joblib.dump(LinearRegression().fit(rows, rows.sum(axis=1) + constant), path)
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("pair")
    found = Models(linear(folder / "one.joblib", 0), linear(folder / "other.joblib", OFFSET))
    for path in found:
        bake(path)
    return found


class House(NamedTuple):
    """A service in this process that keeps versions: `one` is active and `other` is kept."""

    swap: Swap
    client: Client
    store: Store
    one: str
    other: str


@contextlib.contextmanager
def house(folder: Path, pair: Models, **settings: Any) -> Iterator[House]:
    path = folder / "latest.joblib"
    path.write_bytes(pair.one.read_bytes())
    given = Settings(
        model_path=str(path), admin_keys=ADMIN_KEYS, processes=1, log_level="info", **settings
    )
    found, _ = keeping.begin(given)
    other = found.store.adopt(pair.other).version
    yield House(found, Client(found), found.store, version_of(pair.one), other)


@pytest.fixture
def served(tmp_path: Path, pair: Models) -> Iterator[House]:
    with house(tmp_path, pair) as found, following(found.swap):
        yield found


@contextlib.contextmanager
def following(swap: Swap) -> Iterator[None]:
    """The thread that follows swaps in each process of the server."""
    done = threading.Event()
    swap._board.enter(0)

    def follow() -> None:
        while not done.wait(0.002):
            swap.look()

    thread = threading.Thread(target=follow)
    thread.start()
    yield
    done.set()
    thread.join()


def ask(client: Client) -> tuple[str, float]:
    """The version that answers, and how far its answer is from the sum of the row."""
    answer = client.post("/predict", json=[[1, 2]])
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return answer.headers["X-Model-Version"], round(answer.json["predictions"][0] - 3)


def change(client: Client, verb: str, body: Any = None, status: int = 200) -> Any:
    answer = client.post(f"/model/{verb}", json=body, headers=ADMIN)
    assert answer.status_code == status, answer.text
    return answer.json


def test_the_version_that_is_activated_answers(served: House) -> None:
    assert ask(served.client) == (served.one, 0)
    told = change(served.client, "activate", {"version": served.other[:12]})
    assert (told["active"], told["before"]) == (served.other, served.one)
    assert ask(served.client) == (served.other, OFFSET)


def test_a_rollback_brings_the_version_before_back(served: House) -> None:
    change(served.client, "activate", {"version": served.other})
    told = change(served.client, "rollback")
    assert (told["active"], told["before"]) == (served.one, served.other)
    assert ask(served.client) == (served.one, 0)
    change(served.client, "rollback")
    assert ask(served.client) == (served.other, OFFSET)


def test_the_time_of_a_swap_is_told_with_what_each_version_answered(
    keeps_feedback: Recorder, served: House
) -> None:
    ask(served.client)
    keeps_feedback.fold(everything=True)
    change(served.client, "activate", {"version": served.other})
    told: Any = served.client.get("/content/models").json
    assert [(each["version"], each["state"], each["answers"]) for each in told["versions"]] == [
        (served.other, "active", 0),
        (served.one, "before", 1),
    ]
    assert {each["version"] for each in told["swaps"]} == {served.one, served.other}
    accuracy: Any = served.client.get("/content/accuracy").json
    assert [each["verdict"] for each in accuracy["versions"]] == ["unknown"]


def test_a_swap_to_the_active_version_changes_nothing(served: House) -> None:
    before = served.store.active()
    change(served.client, "activate", {"version": served.one})
    assert served.store.active() == before


def test_the_versions_are_listed_with_their_state(served: House) -> None:
    change(served.client, "activate", {"version": served.other})
    told = served.client.get("/model/versions").json
    assert told is not None
    assert {each["version"]: each["state"] for each in told["versions"]} == {
        served.one: "before",
        served.other: "active",
    }


def test_without_versions_the_model_is_the_only_one(pair: Models, tmp_path: Path) -> None:
    from api import create_app

    client = create_app(Settings(model_path=str(pair.one))).test_client()
    told = client.get("/model/versions").json
    assert told is not None
    assert [each["state"] for each in told["versions"]] == ["active"]
    assert told["active"] == version_of(pair.one)
    locked = create_app(Settings(model_path=str(pair.one), admin_keys=ADMIN_KEYS)).test_client()
    answer = locked.post("/model/rollback", headers=ADMIN)
    assert answer.status_code == 409
    assert "keeps no versions" in answer.text


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"version": "0123456789ab"}, 404, "No version begins with '0123456789ab': this service has"),
        ({"version": ""}, 404, "No version begins with ''"),
        ({"version": 7}, 400, 'Expected {"version": "1350f591f8b2"}'),
        ({}, 400, 'Expected {"version": "1350f591f8b2"}'),
        ({"version": "a", "force": True}, 400, "force"),
        ([], 400, 'Expected {"version": "1350f591f8b2"}'),
    ],
)  # fmt: skip
def test_what_cannot_be_activated_is_told(
    served: House, body: Any, status: int, words: str
) -> None:
    assert words in change(served.client, "activate", body, status)["detail"]
    assert ask(served.client) == (served.one, 0)


def test_a_body_of_another_type_is_refused(served: House) -> None:
    answer = served.client.post(
        "/model/activate", data="version\na", content_type="text/csv", headers=ADMIN
    )
    assert answer.status_code == 415


def test_there_must_be_a_version_before(served: House) -> None:
    assert "No version served before" in change(served.client, "rollback", None, 409)["detail"]


@pytest.mark.parametrize("path", ["/model/activate", "/model/rollback"])
def test_only_an_administrator_changes_the_model(served: House, path: str) -> None:
    body = {"version": served.other}
    assert served.client.post(path, json=body).status_code == 401
    assert served.client.post(path, json=body, headers={"X-Api-Key": "no"}).status_code == 401
    assert ask(served.client) == (served.one, 0)


def test_a_version_that_cannot_be_loaded_is_refused_and_the_old_one_serves(served: House) -> None:
    path = served.store.find(served.other).path
    path.write_bytes(path.read_bytes()[:-20])
    told = change(served.client, "activate", {"version": served.other}, 409)
    assert told["detail"].startswith("This version cannot be served: ")
    assert "SHA-256" in told["detail"]
    assert ask(served.client) == (served.one, 0)
    active = served.store.active()
    assert active is not None
    assert active.version == served.one


def test_what_other_code_raises_is_told_too(served: House) -> None:
    def fail(_: Version) -> Any:
        raise ZeroDivisionError("division by zero")

    served.swap._build = fail
    told = change(served.client, "activate", {"version": served.other}, 409)
    assert "ZeroDivisionError: division by zero" in told["detail"]


def test_a_version_that_takes_too_long_is_dropped(
    served: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = served.swap._build
    slow = threading.Event()

    def wait(version: Version) -> Any:
        slow.wait(5)
        return build(version)

    served.swap._build = wait
    found = served.store.find(served.other)
    with pytest.raises(Conflict, match="takes too long to load"):
        served.swap.activate(found, 0.05)
    slow.set()
    assert ask(served.client) == (served.one, 0)
    # What was dropped does not come back under the number of the next swap.
    served.swap._build = build
    served.swap.activate(served.store.find(served.other))
    assert ask(served.client) == (served.other, OFFSET)


def test_two_swaps_wait_for_each_other(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "LOCK_SECONDS", 0.01)
    with served.store.locked(0):
        told = change(served.client, "activate", {"version": served.other}, 503)
    assert told["detail"] == "Another change of the model takes too long: ask again later."


def test_a_full_disk_is_told(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(served.store, "prepare", fail)
    told = change(served.client, "activate", {"version": served.other}, 409)
    assert told["detail"] == "The version cannot be written down (No space left on device)."
    assert ask(served.client) == (served.one, 0)


def test_old_versions_go(tmp_path: Path, pair: Models) -> None:
    with house(tmp_path, pair, keep_versions=2) as found, following(found.swap):
        for constant in (1.0, 2.0):
            path = linear(tmp_path / f"{constant}.joblib", constant)
            found.swap.activate(found.store.adopt(path))
        assert len(found.store.versions()) == 2
        assert ask(found.client)[1] == 2


def test_a_thread_that_begins_before_its_process_has_a_number_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = iter([0, 0, 2])
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(worker_id=lambda: next(numbers)))
    assert process.place() == 1


def test_a_process_that_died_is_not_waited_for(tmp_path: Path, pair: Models) -> None:
    with house(tmp_path, pair) as found, following(found.swap):
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        board = found.swap._board = Board(2, 1)
        board.enter(0)
        board._words[board_place(1)] = dead.pid
        found.swap.activate(found.store.find(found.other))
        assert ask(found.client) == (found.other, OFFSET)


def board_place(place: int) -> int:
    from api.server.board import HEAD_WORDS, PID, SLOT_WORDS

    return HEAD_WORDS + place * SLOT_WORDS + PID


def test_a_version_that_ends_process_after_process_is_refused(
    tmp_path: Path, pair: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, pair) as found:
        board = found.swap._board
        pids = iter(range(10_000_000, 11_000_000))
        real = board.slots
        monkeypatch.setattr("api.server.process.is_running", lambda _: True)

        def respawn() -> Any:
            board._words[board_place(0)] = next(pids)
            return real()

        monkeypatch.setattr(board, "slots", respawn)
        with pytest.raises(Conflict, match="ends the processes that load it"):
            found.swap.activate(found.store.find(found.other))


class Respawned(NamedTuple):
    """A process that was forked from a master with the old version, after a swap."""

    house: House
    active: str


@pytest.fixture
def respawned(tmp_path: Path, pair: Models) -> Iterator[Respawned]:
    with house(tmp_path, pair) as found:
        active = found.store.activate(found.other, number=5)
        found.swap._board.active = active.number
        yield Respawned(found, found.other)


def test_a_process_that_was_forked_late_loads_what_is_active(respawned: Respawned) -> None:
    assert ask(respawned.house.client) == (respawned.active, OFFSET)


def test_a_process_that_cannot_load_what_is_active_says_so_until_it_can(
    respawned: Respawned, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(swap, "HEAL_SECONDS", 0.05)
    found = respawned.house
    path = found.store.find(respawned.active).path
    content = path.read_bytes()
    path.write_bytes(b"broken")
    for _ in range(2):
        answer = found.client.post("/predict", json=[[1, 2]])
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.json is not None
        assert answer.json["detail"].startswith("The active version cannot be loaded: ")
    head = found.client.head("/health")
    assert (head.status_code, head.text) == (503, "")
    found.swap.look()
    assert "cannot be loaded" in caplog.text
    path.write_bytes(content)
    time.sleep(0.06)
    assert ask(found.client) == (respawned.active, OFFSET)


def test_what_is_active_must_be_written_down(respawned: Respawned) -> None:
    (respawned.house.store.folder / "active.json").unlink()
    answer = respawned.house.client.post("/predict", json=[[1, 2]])
    assert answer.status_code == 503
    assert "has no active.json any more" in answer.text


def test_other_failures_are_told_by_their_name(respawned: Respawned) -> None:
    def fail(_: Version) -> Any:
        raise ZeroDivisionError("division by zero")

    respawned.house.swap._build = fail
    answer = respawned.house.client.post("/predict", json=[[1, 2]])
    assert "ZeroDivisionError: division by zero" in answer.text


@pytest.mark.parametrize("written", [True, False])
def test_a_swap_whose_process_died_counts_if_it_was_written_down(
    tmp_path: Path, pair: Models, *, written: bool
) -> None:
    with house(tmp_path, pair) as found:
        board, store = found.swap._board, found.store
        board.enter(0)
        number = board.next_number(1)
        board.stage(number, found.other)
        found.swap.look()
        assert [slot.ready for slot in board.slots()] == [number]
        if written:
            store.activate(found.other, number=number)
        with store.locked(0):
            # Another process is at it still.
            found.swap._heal()
            assert board.active != number
        found.swap._heal()
        found.swap.look()
        assert ask(found.client) == ((found.other, OFFSET) if written else (found.one, 0))
        assert board.staged == board.active
        # There is nothing left to mend, or to drop.
        found.swap._heal()
        found.swap._drop()


def test_a_swap_that_is_over_is_passed_by(tmp_path: Path, pair: Models) -> None:
    """Its version may be that of the next one by now."""
    with house(tmp_path, pair) as found:
        board = found.swap._board
        board.enter(0)
        number = board.next_number(1)
        board.stage(number, found.other)
        board.active = number
        found.swap._get_ready(number)
        assert [slot[1:] for slot in board.slots()] == [(0, 0)]


def test_a_request_keeps_the_version_it_began_with(served: House) -> None:
    """It is inside while another version takes over."""
    inside, go_on = threading.Event(), threading.Event()
    built = served.swap._house.built

    def slow(environ: Environ, start: Callable[..., Any]) -> Any:
        inside.set()
        go_on.wait(5)
        return built.app(environ, start)

    served.swap._house = served.swap._house._replace(app=slow)
    found: list[tuple[str, float]] = []
    thread = threading.Thread(target=lambda: found.append(ask(served.client)))
    thread.start()
    assert inside.wait(5)
    served.swap.activate(served.store.find(served.other))
    assert ask(Client(served.swap)) == (served.other, OFFSET)
    go_on.set()
    thread.join()
    assert found == [(served.one, 0)]


def test_a_process_that_has_ended_does_not_run_though_its_parent_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not process.is_running(0)
    assert process.is_running(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert not process.is_running(ended.pid)
        # Where there is no /proc, it cannot be told.
        monkeypatch.setattr(process, "PROCESSES", tmp_path / "none")
        assert process.is_running(ended.pid)
    assert not process.is_running(ended.pid)


def test_a_bell_that_rings_is_not_rung_again() -> None:
    board = Board(1, 0)
    for _ in range(70_000):
        board.ring()
    assert os.read(board.bell(0), 10) == b"!" * 10


def test_a_long_reason_is_cut() -> None:
    board = Board(1, 0)
    board.say_failed(0, 1, "é" * 5000)
    assert board.reason.startswith("éé")
    assert next(board.slots()).failed == 1


# What the service begins with.


def begin(folder: Path, **settings: Any) -> str:
    """The version that a service in this folder begins with."""
    path = folder / "latest.joblib"
    found, service = keeping.begin(Settings(model_path=str(path), processes=1, **settings))
    assert found.version == service.model.version
    return found.version


def test_a_restart_loads_what_is_active(tmp_path: Path, pair: Models) -> None:
    with house(tmp_path, pair) as found:
        found.store.activate(found.other, base=found.one)
        assert begin(tmp_path) == found.other


def test_a_file_that_was_put_there_after_the_last_swap_is_newer(
    tmp_path: Path, pair: Models, caplog: pytest.LogCaptureFixture
) -> None:
    with house(tmp_path, pair) as found:
        found.store.activate(found.other, base=found.one)
        newest = version_of(linear(tmp_path / "latest.joblib", 7))
        assert begin(tmp_path) == newest
        assert "was put there after version" in caplog.text
        active = found.store.active()
        assert active is not None
        assert (active.version, active.before) == (newest, found.other)


def test_a_file_that_is_active_already_is_no_news(
    tmp_path: Path, pair: Models, caplog: pytest.LogCaptureFixture
) -> None:
    with house(tmp_path, pair) as found:
        found.store.activate(found.other, base=found.one)
        (tmp_path / "latest.joblib").write_bytes(pair.other.read_bytes())
        assert begin(tmp_path) == found.other
        assert caplog.text == ""


def test_an_active_version_whose_file_is_gone_stops_the_start(tmp_path: Path, pair: Models) -> None:
    with house(tmp_path, pair) as found:
        found.store.activate(found.other, base=found.one)
        found.store.find(found.other).path.unlink()
        found.store.folder.joinpath(f"model-{found.other[:12]}.plan.npz").unlink(missing_ok=True)
        with pytest.raises(ModelError, match=r"delete active\.json and source\.json to serve"):
            begin(tmp_path)
        # The advice, followed.
        (tmp_path / "active.json").unlink()
        assert begin(tmp_path) == found.one


def test_a_store_without_room_stops_the_start(
    tmp_path: Path, pair: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    with (
        pytest.raises(ModelError, match="No space left on device.*MODEL_STORE"),
        house(tmp_path, pair),
    ):
        pass


def test_the_model_is_called_by_the_name_that_people_gave_it(served: House, tmp_path: Path) -> None:
    told = served.client.get("/model/versions").json
    assert told is not None
    assert str(tmp_path / "latest.joblib") in {each["origin"] for each in told["versions"]}


def test_cloud_run_is_told_that_a_change_reaches_one_instance(
    tmp_path: Path, pair: Models, caplog: pytest.LogCaptureFixture
) -> None:
    with house(tmp_path, pair, k_service="penguins"):
        assert "change one instance only" in caplog.text


# The real server.

CLIENTS = 4
SWAPS = 12


@pytest.fixture
def server(tmp_path: Path, pair: Models) -> Iterator[tuple[Server, list[str]]]:
    store = Store(tmp_path, "model")
    known = [store.adopt(path).version for path in pair]
    with serving(
        tmp_path, MODEL_PATH=pair.one, MODEL_STORE=tmp_path, ADMIN_KEYS=ADMIN_KEYS, PROCESSES=2
    ) as server:
        yield server, known


class Asker(threading.Thread):
    """Asks without a pause, on one connection or a new one each time, and looks at each answer."""

    def __init__(self, port: int, offsets: dict[str, float], *, keeps: bool) -> None:
        super().__init__()
        self.port, self.offsets, self.keeps = port, offsets, keeps
        self.stop = threading.Event()
        self.faults: list[str] = []
        self.lost = 0
        self.seen: set[str] = set()

    def run(self) -> None:
        connection = None
        number = 0
        while not self.stop.is_set():
            number += 1
            rows = [[number % 7, i] for i in range(1 + number % 3)]
            connection = connection or http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=30
            )
            try:
                connection.request(
                    "POST", "/predict", json.dumps(rows), {"Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                self.lost += 1
                connection.close()
                connection = None
                continue
            if answer.status != 200:
                self.faults.append(text.decode())
                continue
            version = answer.headers["X-Model-Version"]
            self.seen.add(version)
            for given, row in zip(json.loads(text)["predictions"], rows, strict=True):
                if abs(given - sum(row) - self.offsets[version]) > 1e-6:
                    self.faults.append(f"{version} answers {given} for {row}")
            if not self.keeps or answer.headers["Connection"] == "close":
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


@contextlib.contextmanager
def asking(port: int, known: list[str]) -> Iterator[list[Asker]]:
    offsets = dict(zip(known, (0.0, OFFSET), strict=True))
    askers = [Asker(port, offsets, keeps=bool(i % 2)) for i in range(CLIENTS)]
    for asker in askers:
        asker.start()
    try:
        yield askers
    finally:
        for asker in askers:
            asker.stop.set()
        for asker in askers:
            asker.join()


def post(port: int, path: str, body: Any) -> tuple[int, str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/json", **ADMIN}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["X-Model-Version"], json.loads(answer.read())


def test_nothing_is_lost_or_mixed_while_versions_take_turns(
    server: tuple[Server, list[str]],
) -> None:
    served, known = server
    with asking(served.port, known) as askers:
        for turn in range(SWAPS):
            version = known[(turn + 1) % 2]
            status, _, told = post(served.port, "/model/activate", {"version": version})
            assert (status, told.get("active")) == (200, version), told
            # No process answers by the old one any more.
            assert {post(served.port, "/predict", [[0, 0]])[1] for _ in range(4)} == {version}
    assert [asker.faults for asker in askers] == [[]] * CLIENTS
    assert [asker.lost for asker in askers] == [0] * CLIENTS
    # On a busy machine some may have asked only once.
    assert set().union(*(asker.seen for asker in askers)) == set(known)
    counted = urlopen(served.port, "/metrics")
    assert f'model_swaps_total{{outcome="done"}} {SWAPS}.0' in counted
    for version in known:
        assert f'http_requests_by_version_total{{version="{version}"}}' in counted


def urlopen(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def children(pid: int) -> list[int]:
    """The processes that answer: the foreman of tasks has one thread."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if threads(child) > 1]


def threads(pid: str) -> int:
    """How many threads a process has: 0 if it has ended."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except FileNotFoundError:
        return 0


def test_a_worker_that_is_killed_comes_back_with_the_active_version(
    server: tuple[Server, list[str]],
) -> None:
    served, known = server
    with asking(served.port, known) as askers:
        for turn in range(2):
            version = known[(turn + 1) % 2]
            deadline = time.monotonic() + 30
            while len(workers := children(served.process.pid)) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(workers[turn], signal.SIGKILL)
            while True:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    status, _, told = post(served.port, "/model/activate", {"version": version})
                    assert status == 200, told
                    break
                assert time.monotonic() < deadline
            answers: set[tuple[str, int]] = set()
            while len(answers) < 6:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answers.add((post(served.port, "/predict", [[0, 0]])[1], len(answers)))
            assert {answer for answer, _ in answers} == {version}
    assert [asker.faults for asker in askers] == [[]] * CLIENTS


def test_a_restart_of_the_server_begins_with_the_active_version(
    server: tuple[Server, list[str]], pair: Models, tmp_path: Path
) -> None:
    served, known = server
    post(served.port, "/model/activate", {"version": known[1]})
    served.stop()
    with serving(
        tmp_path, MODEL_PATH=pair.one, MODEL_STORE=tmp_path, ADMIN_KEYS=ADMIN_KEYS
    ) as again:
        assert post(again.port, "/predict", [[0, 0]])[1] == known[1]


TOLD = {"unknown": 0, "expired": 0, "unknown_places": [], "expired_places": []}
TRUTHS: dict[str, Any] = {
    "old": ["a", "b", "c"] * 2,
    "without a card": ["a", "b", "b"] * 2,
    "new": ["b", "c", "c"] * 2,
    "number": [1.5, 2, 3] * 2,
}


@pytest.fixture
def trained(tmp_path: Path) -> dict[str, Path]:
    """A model of each of the truths, and its card."""
    found = {}
    for name, values in TRUTHS.items():
        model = DecisionTreeRegressor() if name == "number" else DecisionTreeClassifier()
        path = found[name] = tmp_path / name / "model.joblib"
        path.parent.mkdir()
        joblib.dump(model.fit(np.arange(12.0).reshape(6, 2), values), path)
        classes = [] if name == "number" else sorted({*values})
        if name != "without a card":
            card = {"sha256": version_of(path), "classes": classes}
            path.with_suffix(".json").write_text(json.dumps(card))
    return found


def test_the_truth_of_an_old_version_s_prediction_is_one_of_its_classes(
    tmp_path: Path, keeps_feedback: Recorder, trained: dict[str, Path]
) -> None:
    settings = Settings(model_path=str(trained["old"]), model_store=str(tmp_path / "store"))
    service, _ = keeping.begin(settings)
    client = Client(service)
    ids: dict[str, str] = {}

    def tell(of: str, *labels: Any) -> list[int]:
        bodies = [{"prediction_id": ids[of], "row": 1, "label": label} for label in labels]
        return [client.put("/inference/select", json=body).status_code for body in bodies]

    with following(service):
        for name, path in trained.items():
            service.activate(service.store.adopt(path))
            answer = client.post("/predict", json=[[0, 1], [2, 3]])
            ids[name] = answer.headers["X-Prediction-Id"]
        assert tell("old", "a", "c", "d", 1.5) == [200, 200, 422, 422]
        assert tell("number", 7, "a") == [200, 422]
        service.activate(service.store.adopt(trained["new"]))
        assert tell("old", "a", "c", "d", 1.5) == [200, 200, 422, 422]
        assert tell("number", 7, "a") == [200, 422]
        # Its own classes are not known: those of the version that serves.
        assert tell("without a card", "c", "a") == [200, 422]
    body = [{"prediction_id": f"{ids['number']}/{i}", "label": 2} for i in range(2)]
    assert client.post("/feedback", json=body).json == {**TOLD, "kept": 2}
    (errors,) = errors_in(keeps_feedback.store)
    assert errors.count == 2
