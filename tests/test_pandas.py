"""Whatever pandas writes of a frame predicts as `estimator.predict(frame)`, or is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.formats import npy
from models import threads
from tests import clients, pandas_matrix
from tests.conftest import Serve
from tests.tables import check_table
from tests.test_parquet import OURS, PYARROW

# The columns of the table in the docs, each with the ways to write that it stands for.
COLUMNS = {
    "`json.dumps`": ("json.dumps",),
    "`to_json`": ("records", "split", "columns", "index", "values", "lines"),
    '`"iso"`, `"table"`': (
        *(f"{orient}, iso" for orient in ("records", "split", "columns", "index", "values")),
        "lines, iso",
        "table",
        "15 digits",
    ),
    "`to_csv`": ("CSV", "CSV ;"),
    "Parquet": ("Parquet",),
    "`to_numpy`": ("npy",),
    "`to_records`": ("npy, records",),
    "MLflow": ("split (MLflow)", "records (MLflow)"),
    "v2": ("v2",),
    "v2 binary": ("v2, binary",),
}
ROOT = Path(__file__).parents[1]
FAULTS = ("wrong", "500", "unnamed")


def read(cell: str) -> str:
    """What a cell is: equal, cannot, refused, or a fault."""
    word = cell.partition(":")[0]
    return word if word in ("=", "cannot", *FAULTS) else "refused"


def reason(cell: str) -> str:
    """What is wrong with a refused row, whatever stands around it."""
    found = re.search(r"(expected|this float|whether|the model) .*", cell)
    sentence = re.split(r"; [:,/]|\.'", found[0] if found else cell)[0]
    return re.sub(r"one of .*", "one of the categories", sentence)


def table(matrix: list[tuple[str, str, str, dict[str, str]]]) -> str:
    """All cells: rows of the same type and cells are one row, and refusals have a number."""
    reasons: dict[str, int] = {}

    def cell(cells: dict[str, str], writers: tuple[str, ...]) -> str:
        found = [cells[writer] for writer in writers if writer in cells]
        refused = sorted({reason(each) for each in found if read(each) == "refused"})
        numbers = [reasons.setdefault(each, len(reasons) + 1) for each in refused]
        if numbers:
            return "refused " + " ".join(map(str, numbers))
        return "=" if "=" in found else ""

    rows: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for type_, reader, how, cells in matrix:
        line = (type_, *(cell(cells, writers) for writers in COLUMNS.values()))
        rows.setdefault(line, {}).setdefault(reader, []).append(how)
    lines = [["column", "read first by", *COLUMNS], ["---"] * (len(COLUMNS) + 2)]
    for (type_, *cells_), readers in rows.items():
        by_ways: dict[tuple[str, ...], list[str]] = {}
        for reader, ways in readers.items():
            by_ways.setdefault(tuple(ways), []).append(reader)
        names = "; ".join(f"{', '.join(r)} ({', '.join(ways)})" for ways, r in by_ways.items())
        lines.append([type_, names, *cells_])
    counts = Counter(read(each) for *_, cells in matrix for each in cells.values())
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"{number}. {each}" for each, number in reasons.items())
    return (
        f"{counts['=']:,} cells are equal, {counts['refused']:,} are refused, none is wrong; "
        f"{counts['cannot']:,} bodies cannot be written.\n\n{text}\n\nRefused:\n\n{notes}"
    )


@pytest.fixture(scope="module")
def matrix() -> list[tuple[str, str, str, dict[str, str]]]:
    pins = [f"{name}=={metadata.version(name)}" for name in OURS]
    python = clients.environment("parquet", PYARROW, *pins) / "bin" / "python"
    found = []
    # Of dates, lines are executed that no other test does; to trace all takes twice as long.
    for types, env in (("date", dict(os.environ)), ("-date", clients.untraced())):
        run = subprocess.run(
            [python, "-c", "from tests import pandas_matrix; pandas_matrix.main()", types],
            cwd=ROOT,
            env=env | dict.fromkeys(threads.VARIABLES, "1"),
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        found += [tuple(row) for row in json.loads(run.stdout)]
    order = list(pandas_matrix.TYPES)
    return sorted(found, key=lambda row: order.index(row[0]))


def test_no_cell_is_a_number_that_differs_or_a_fault_of_ours(matrix: Any) -> None:
    faults = [
        (type_, reader, how, writer, cell)
        for type_, reader, how, cells in matrix
        for writer, cell in cells.items()
        if read(cell) in FAULTS
    ]
    assert not faults, f"{len(faults)} of them: {faults[:20]}"


def test_the_table_of_the_docs_is_what_was_found(matrix: Any) -> None:
    check_table("pandas", table(matrix))


@pytest.mark.parametrize(
    ("type_", "reader", "value", "sentence"),
    [
        ("int64", "astype(str)", 10115.0, "v: this float may have been an integer"),
        ("int64 above 2**53", "one-hot, ignore", 2.0**53, "v: this float may have been an integer"),
    ],
)
def test_an_integer_that_an_array_has_lost_is_refused(
    serve: Serve, type_: str, reader: str, value: float, sentence: str
) -> None:
    frame = pandas_matrix.frame_of(type_)
    client = serve(pandas_matrix.model_of(reader).fit(frame, frame["n"]))
    answer = client.post(
        "/predict",
        data=npy.write(np.array([[value, 0.5]])),
        content_type="application/x-npy",
    )
    assert answer.status_code == 422
    assert answer.json["errors"][0]["detail"].startswith(sentence)
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [value, 0.5]}
    answer = client.post("/v2/models/model/infer", json={"inputs": [tensor]})
    assert answer.status_code == 422
    assert sentence in answer.json["error"]


@pytest.mark.parametrize("text", ["2026-01-15T06:30:15.000", "NaT"])
def test_a_text_that_may_be_a_date_is_refused_where_nothing_tells(serve: Serve, text: str) -> None:
    frame = pandas_matrix.frame_of("str with NaN")
    client = serve(pandas_matrix.model_of("isna(), == True").fit(frame, frame["n"]))
    answer = client.post("/predict", json={"v": text, "n": 0.5})
    assert answer.status_code == 422
    assert "make card DATA=..." in answer.json["errors"][0]["detail"]
