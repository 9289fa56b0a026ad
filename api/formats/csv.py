"""The formats of tables as text: CSV, and CSV with tabs."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any

from api.formats.format import Format
from models.text.csv import CsvReader


def _example(delimiter: str, row: dict[str, Any]) -> str:
    """A header row and a line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(row)
    writer.writerow([str(v).lower() if isinstance(v, bool) else v for v in row.values()])
    return text.getvalue()


FORMAT = Format(
    "text/csv",
    lambda contract, header: partial(CsvReader(contract).read, header=header),
    "A header row with the names of the features, in any order; an empty field is a missing value, "
    "and so is NA or another of pandas' words for it. Semicolons, with decimal commas too, tabs "
    "and bars part fields as commas do.",
    aliases=(
        "application/csv",
        "application/x-csv",
        "text/x-csv",
        "text/comma-separated-values",
    ),
    suffixes=(".csv",),
    example=partial(_example, ","),
)
TABS = Format(
    "text/tab-separated-values",
    lambda contract, header: partial(CsvReader(contract).read, header=header, delimiter="\t"),
    "CSV with tabs.",
    aliases=("text/tsv",),
    suffixes=(".tsv",),
    example=partial(_example, "\t"),
)
