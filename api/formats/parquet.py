"""Parquet, which is read where pyarrow is installed."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

from api.errors import UnsupportedType
from api.formats.format import Format, Read
from models.text.contract import Contract


def reader(contract: Contract, **_: bool) -> Read:
    """What reads Parquet; raises UnsupportedType without pyarrow."""
    try:
        from api.formats import parquet_table
    except ModuleNotFoundError:
        raise UnsupportedType(
            "Parquet is read where pyarrow is installed, and here it is not: name it in "
            "models/requirements.txt, which the image is built with."
        ) from None
    return partial(parquet_table.read, contract)


FORMAT = Format(
    "application/vnd.apache.parquet",
    reader,
    "A table whose columns have the names of the features, in any order.",
    others=("application/x-parquet",),  # SageMaker's name
    aliases=("application/parquet",),
    suffixes=(".parquet",),
    start=b"PAR1",
    watch=None,
    available=lambda: find_spec("pyarrow") is not None,
)
