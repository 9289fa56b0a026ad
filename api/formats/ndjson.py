"""NDJSON as a format of bodies."""

from __future__ import annotations

import msgspec

from api.formats.format import Format
from models.text.ndjson import LinesReader

FORMAT = Format(
    "application/x-ndjson",
    lambda contract, **_: LinesReader(contract).read,
    "A row on each line, as JSON.",
    others=("application/jsonl", "application/jsonlines"),  # the second is SageMaker's name
    aliases=("application/ndjson", "application/x-jsonl", "application/x-jsonlines"),
    suffixes=(".ndjson", ".jsonl"),
    example=lambda row: msgspec.json.encode(row).decode() + "\n",
)
