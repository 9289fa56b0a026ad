"""The record of a format of bodies: its media types, its reader, and its documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from models.rows.batch import Batch
from models.text.limits import Limits, Watch


class Read(Protocol):
    """Reads a body into rows; raises MalformedBody, InvalidRows, TooLarge, UnsupportedType."""

    def __call__(self, body: bytes, *, ignore: bool) -> Batch:
        """Read a body; with `ignore`, names that are no features are ignored."""


class Format(NamedTuple):
    """One format of bodies.

    `reader(contract, header=...)` gives what reads bodies of a contract; `header` is False if the
    Content-Type says that there is no header row. `others` are further media types, which the
    documentation names, `aliases` those that it does not name. `suffixes` are the ends of names of
    files, and `start` is the first bytes of each file. `watch` checks a body while it is
    decompressed.

    For the documentation `about` describes a body, `example` writes one with one row, if it is a
    text, `mappings` says whether rows may have names of their own, and `available` whether the
    format can be read here.
    """

    media_type: str
    reader: Callable[..., Read]
    about: str
    others: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    start: bytes = b""
    watch: Callable[[Limits], Callable[[bytes], None]] | None = Watch
    example: Callable[[dict[str, Any]], str] | None = None
    mappings: bool = True
    available: Callable[[], bool] = lambda: True

    @property
    def is_text(self) -> bool:
        """Whether a body is a text, in any charset."""
        return self.example is not None
