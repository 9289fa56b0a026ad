"""Hostile bodies cost little, and are told why: in time, in memory, in Python's lock."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.hostile import HOSTILE, Hostile
from tests.test_rejections import GOOD
from tests.test_serving import Server, serving, workers

# Of a busy machine; alone most take a twentieth of it.
MAX_SECONDS = 3
MAX_MIB = 140
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def mebibytes(name: str, status: Path = STATUS) -> int:
    """A figure of a process's memory, by default of this one."""
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) >> 10


@pytest.mark.parametrize("hostile", HOSTILE, ids=[hostile.name for hostile in HOSTILE])
def test_a_hostile_body_costs_little(penguins: FlaskClient, hostile: Hostile) -> None:
    body = hostile.body
    CLEAR.write_text("5")  # the peak is what it is now
    before = mebibytes("VmHWM")
    started = time.perf_counter()
    answer = penguins.post(hostile.path, data=body, headers=hostile.all_headers)
    took = time.perf_counter() - started
    assert (answer.status_code, took < MAX_SECONDS) == (hostile.status, True)
    assert mebibytes("VmHWM") - before <= MAX_MIB


def test_the_server_answers_hostile_bodies_and_does_not_grow(
    baked_path: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, traced=False, MODEL_PATH=baked_path, PROCESSES=1) as server:
        (worker,) = workers(server.process)
        status = Path(f"/proc/{worker}/status")
        before = mebibytes("VmHWM", status)
        # The others are sent above, without a server in between.
        for hostile in HOSTILE[::5]:
            assert send(server, hostile) == hostile.status, hostile.name
        assert mebibytes("VmHWM", status) - before <= MAX_MIB
        assert server.post("/predict", GOOD) == {"predictions": ["Gentoo"]}


def send(server: Server, hostile: Hostile) -> int:
    """The status that the server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", hostile.path, hostile.body, hostile.all_headers)
        return connection.getresponse().status
    finally:
        connection.close()
