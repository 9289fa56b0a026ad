"""Bytes to rows and results to bytes, in the formats of `readers` and `writers`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache

from api.formats import media
from api.formats.format import Read
from api.formats.json import JsonReader
from api.formats.readers import READERS
from api.formats.writers import JSON
from models.rows.batch import Batch
from models.text.contract import Contract


class Reader:
    """Reads bodies into rows that fit a contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._json = JsonReader(contract)
        # Reads samples in JSON, the common case; gives None where `read_others` has to go on.
        self.read_samples = self._json.samples.read
        self.read_others = self._json.read_others
        # Others are made when the first body in their format comes.
        self._reader = cache(self._make)

    def watch(self, content_type: str) -> Callable[[bytes], None] | None:
        """A check of such a body while it is decompressed; None if there is none."""
        found = media.format_of(content_type)
        return found.watch(self.contract.limits) if found and found.watch else None

    def read(self, body: bytes, content_type: str = "", *, ignore: bool = False) -> Batch:
        """Read a body of this Content-Type; none means JSON.

        With `ignore`, names that are no features are ignored.

        Raises UnsupportedType, MalformedBody, InvalidRows, TooLarge.
        """
        data, found, header = media.identify(body, content_type)
        return self._reader(found.media_type, header=header)(data, ignore=ignore)

    def read_enveloped(self, body: bytes, names: Collection[str], *, ignore: bool) -> Batch:
        """Read JSON that must be `{name: [...]}` with one of these names; raises as `read` does."""
        return self._json.read_enveloped(body, names, ignore=ignore)

    def _make(self, media_type: str, *, header: bool) -> Read:
        if media_type == JSON:
            return self._json.read
        return READERS[media_type].reader(self.contract, header=header)
