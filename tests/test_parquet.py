"""Parquet, read by the service in an environment that has pyarrow."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests import clients
from tests.test_clients_mlflow import BOTH, ROWS, said

# The service's own, as they are here, and those that read Parquet.
OURS: tuple[str, ...] = (
    "coverage",
    "flask",
    "joblib",
    "msgspec",
    "numpy",
    "pandas",
    "prometheus-client",
)
OURS += ("python-dotenv", "scikit-learn")
PYARROW = "pyarrow==26.0.1"


@pytest.fixture(scope="module")
def answers(penguins_path: Path) -> Any:
    pins = [f"{name}=={metadata.version(name)}" for name in OURS]
    place = clients.environment("parquet", PYARROW, *pins)
    return said(clients.run(place, "parquet_server.py", penguins_path, json.dumps(ROWS)))


@pytest.mark.parametrize(
    "table",
    [
        "a frame",
        "columns in another order",
        "a frame with an index",
        "a feature as the index",
        "categories",
        "missing values",
        "a column of nulls",
        "long texts",
        "numbers",
        "numbers, turned",
        "numbers, with holes",
        "integers",
        "objects",
    ],
)
def test_a_table_gives_the_same_as_its_rows_to_the_last_bit(answers: Any, table: str) -> None:
    ours, reference = answers["same"][table]
    assert ours == reference
    assert ours[0] == 200


def test_a_file_of_a_form_may_have_columns_that_are_passed_over(answers: Any) -> None:
    assert answers["ignored"] == [200, answers["same"]["a frame"][1][1], "id"]


@pytest.mark.parametrize(
    ("table", "status", "sentence"),
    [
        ("not Parquet", 400, "The body is not Parquet that can be read"),
        ("cut in the middle", 400, "The body is not Parquet that can be read"),
        ("no text", 400, "The body is not Parquet that can be read"),
        ("an index that is none", 400, "The body is not Parquet that can be read"),
        ("too many nulls", 413, "Unpacked, the body is over the limit of 50000 bytes"),
        ("no rows", 422, "expected at least one sample"),
        ("too many rows", 413, "2 rows are over the limit of 1"),
        ("a column too few", 422, "/sex: the table lacks this feature"),
        ("a column too many", 422, "/colour: is not a feature of the model"),
        ("a column twice", 422, "/sex: this column stands twice"),
        ("a date", 422, "/0/body_mass_g: expected a number, got a string"),
        ("lists", 422, "/sex: expected numbers, text, booleans or dates, got list"),
        ("a wrong value", 422, '/1/island: expected one of "Biscoe", "Dream", "Torgersen"'),
        ("a missing number", 422, "this model takes no missing value here"),
        (
            "packed with zstd",
            415,
            "Parquet is read uncompressed, or with snappy as pandas writes it.",
        ),
        ("too many values", 413, "The body has over 310000 values"),
        (
            "too many groups",
            413,
            "bytes to describe, over the limit of 4194304: send fewer of them",
        ),
        ("too large unpacked", 413, "Unpacked, the body is over the limit of 50000 bytes"),
    ],
)
def test_a_table_that_does_not_fit_is_told_why(
    answers: Any, table: str, status: int, sentence: str
) -> None:
    got, answer = answers["refused"][table]
    assert got == status
    assert sentence in answer["message"]


def test_it_is_documented_where_it_is_read(answers: Any) -> None:
    assert {"/predict", "/invocations", "/explain"} <= set(answers["documented"])


def test_sagemakers_name_for_it_is_known(answers: Any) -> None:
    assert answers["sagemaker"] == [200, {"predictions": BOTH}]
