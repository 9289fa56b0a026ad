"""What can go wrong with a model, and with a call of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

MAX_PLACES = 20


class ModelError(Exception):
    """The model cannot be served; the message says why, and what to do."""


class Place(msgspec.Struct, frozen=True):
    """One wrong place in rows: a JSON Pointer (RFC 6901), and a sentence."""

    pointer: str
    detail: str


class CallError(Exception):
    """A call that cannot be answered: `detail` says why, `places` say where the rows are wrong."""

    def __init__(self, detail: str, places: Sequence[Place] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.places = tuple(places)

    def __str__(self) -> str:
        """The detail and all places in one line."""
        if not self.places:
            return self.detail
        wrong = "; ".join(f"{place.pointer or '/'}: {place.detail}" for place in self.places)
        return f"{self.detail.removesuffix(' see errors.')} {wrong}."


class MalformedBody(CallError):
    """A text, or another body, is not of the format that its name says."""


class TooLarge(CallError):
    """A text or a body, or the answer to it, is over a limit."""


class InvalidRows(CallError):
    """Rows do not fit the signature, or the estimator rejects their values."""

    def __init__(self, places: Sequence[Place]) -> None:
        count = f"the first {MAX_PLACES} places" if len(places) > MAX_PLACES else "see errors"
        super().__init__(f"The rows do not fit the model: {count}.", places[:MAX_PLACES])


class Unexplained(CallError):
    """The model's answers cannot be explained; the detail says why, and what to do."""


class Replaced(CallError):
    """The model's file was replaced, and a method that was not loaded before is asked for."""

    def __init__(self) -> None:
        super().__init__(
            "The model's file was replaced or taken away while it is served, and this method was "
            "not loaded before: restart the service."
        )


class RowRejected(Exception):
    """The estimator rejects the values of one row that fits the signature."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        self.reason = reason


def limit_faults(places: Iterable[Place]) -> list[Place]:
    """As many places as an answer names, and one more, which tells that there are more.

    A body of a few bytes may unpack to millions of wrong places.
    """
    return list(islice(places, MAX_PLACES + 1))


def brief(error: BaseException) -> str:
    """An exception's type, and the first line of its message if it has one."""
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
