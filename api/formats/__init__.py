"""Bytes to rows and results to bytes: JSON, CSV, NDJSON, npy and Parquet."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from api.formats import media, npy, parquet
from api.formats.csv import CsvReader
from api.formats.frames import FrameReader
from api.formats.json import JsonReader
from api.formats.limits import Limits, Watch
from models.rows.check import Batch
from models.signature.types import Signature


class Reader:
    """Reads bodies into rows that fit a signature."""

    def __init__(self, signature: Signature, max_rows: int, max_bytes: int) -> None:
        self._signature = signature
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._limits = Limits(signature, max_rows)
        self._json = JsonReader(signature, max_rows)
        self._frames = FrameReader(signature, max_rows, self._json)
        self._csv = CsvReader(signature, max_rows)

    def watch(self, content_type: str) -> Callable[[bytes], None] | None:
        """A check of such a body while it is decompressed; None if there is none."""
        if media.is_text(content_type):
            return Watch(self._limits)
        return npy.Watch(self._limits) if content_type == media.NPY else None

    def check_json(self, body: bytes) -> None:
        """Raise TooLarge if JSON holds more than a request may."""
        self._limits.check_json(body)

    def read(self, body: bytes, content_type: str = media.JSON, *, ignore: bool = False) -> Batch:
        """Read a body of this Content-Type; none means JSON.

        With `ignore`, names that are no features are ignored.

        Raises UnsupportedType, MalformedBody, InvalidRows, TooLarge.
        """
        if content_type in ("application/json", ""):
            return self._json.read_fast(body) or self._read_slowly(body, ignore=ignore)
        data, given, header = media.identify(body, content_type)
        if given == media.JSON:
            return self._json.read_fast(data) or self._read_slowly(data, ignore=ignore)
        if given in (media.CSV, media.TSV):
            likely = "\t" if given == media.TSV else ","
            return self._csv.read(data, header=header, delimiter=likely, ignore=ignore)
        if given == media.NDJSON:
            return self._json.read_lines(data, ignore=ignore)
        if given == media.NPY:
            return npy.read(self._signature, self._max_rows, data, ignore=ignore)
        return parquet.read(self._signature, self._max_rows, self._max_bytes, data, ignore=ignore)

    def _read_slowly(self, body: bytes, *, ignore: bool) -> Batch:
        """Read JSON that `read_fast` does not: with a byte order mark, a table, or with errors."""
        if body.startswith(codecs.BOM_UTF8):
            body = body.removeprefix(codecs.BOM_UTF8)
            if batch := self._json.read_fast(body):
                return batch
        self._limits.check_json(body)
        return self._frames.read(body) or self._json.explain(body, ignore=ignore)
