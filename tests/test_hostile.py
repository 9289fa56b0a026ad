"""Hostile bodies cost little, and are told why: in time, in memory, in Python's lock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.hostile import HOSTILE, Hostile

# Of a busy machine; alone most take a twentieth of it.
MAX_SECONDS = 3
MAX_MIB = 140
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def mebibytes(name: str) -> int:
    """A figure of this process's memory."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
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
