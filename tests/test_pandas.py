"""Whatever pandas writes of a frame predicts as `estimator.predict(frame)`, or is refused."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests import clients
from tests.test_parquet import OURS, PYARROW

ROOT = Path(__file__).parents[1]
FAULTS = ("wrong", "500", "unnamed")


def read(cell: str) -> str:
    """What a cell is: equal, cannot, refused, or a fault."""
    word = cell.partition(":")[0]
    return word if word in ("=", "cannot", *FAULTS) else "refused"


@pytest.fixture(scope="module")
def matrix() -> list[tuple[str, str, str, dict[str, str]]]:
    pins = [f"{name}=={metadata.version(name)}" for name in OURS]
    python = clients.environment("parquet", PYARROW, *pins) / "bin" / "python"
    run = subprocess.run(
        [python, "-c", "from tests import pandas_matrix; pandas_matrix.main()"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return [tuple(row) for row in json.loads(run.stdout)]


def test_no_cell_is_a_number_that_differs_or_a_fault_of_ours(matrix: Any) -> None:
    faults = [
        (type_, reader, how, writer, cell)
        for type_, reader, how, cells in matrix
        for writer, cell in cells.items()
        if read(cell) in FAULTS
    ]
    assert not faults, f"{len(faults)} of them: {faults[:20]}"
