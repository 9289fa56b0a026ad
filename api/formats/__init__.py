"""Bytes to rows and results to bytes: JSON, CSV, NDJSON and npy."""

from __future__ import annotations

from api.errors import UnsupportedType
from api.formats import csv, npy
from api.formats.json import JsonReader
from api.formats.rows import Batch
from api.signature import Signature

READ = ("application/json", "text/csv", "application/x-ndjson", "application/x-npy")


class Reader:
    """Reads bodies into rows that fit a signature; `json` reads those that are JSON."""

    def __init__(self, signature: Signature, max_rows: int) -> None:
        self._signature = signature
        self._max_rows = max_rows
        self.json = JsonReader(signature, max_rows)

    def read(self, body: bytes, media_type: str) -> Batch:
        """Read a body of this Content-Type, without parameters; none means JSON.

        Raises UnsupportedType, MalformedBody, InvalidRows, TooLarge.
        """
        if media_type in ("application/json", ""):
            return self.json.read(body)
        if media_type == "text/csv":
            return csv.read(self._signature, self._max_rows, body)
        if media_type in ("application/x-ndjson", "application/jsonl"):
            return self.json.read_lines(body)
        if media_type == "application/x-npy":
            return npy.read(self._signature, self._max_rows, body)
        hint = ""
        if media_type == "application/x-www-form-urlencoded":
            hint = (
                " (curl -d says so unless told otherwise: add -H 'content-type: application/json')"
            )
        raise UnsupportedType(
            f"The Content-Type {media_type}{hint} is not read: send {', '.join(READ)}."
        )
