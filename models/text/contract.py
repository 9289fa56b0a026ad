"""The contract of requests: rows of a signature, within the limits of the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import msgspec

from models.errors import InvalidRows, Place
from models.rows.batch import Batch
from models.rows.check import check
from models.rows.names import Names
from models.signature.types import Signature
from models.text.limits import Limits


class Contract(msgspec.Struct, frozen=True, dict=True, eq=False):
    """The rows that requests have, and the most rows and bytes of a request and of its answer."""

    signature: Signature
    max_rows: int
    max_bytes: int = 2**63
    max_answer_bytes: int = 2**63

    @cached_property
    def names(self) -> Names:
        """The names of the features."""
        return Names(self.signature)

    @cached_property
    def limits(self) -> Limits:
        """The most values, containers and lines of a body."""
        return Limits(self.signature, self.max_rows)

    @property
    def width(self) -> int:
        """The number of features."""
        return len(self.signature.features)

    def check(
        self, samples: Sequence[Any], pointers: Callable[[int], str], *, ignore: bool
    ) -> Batch:
        """Turn samples into rows; with `ignore`, names that are no features are ignored.

        Raises InvalidRows with the places, TooLarge.
        """
        self.check_count(len(samples))
        rows, ignored = self.names.rows(samples, ignore=ignore)
        return check(self.signature, rows, pointers, ignored)

    def check_count(self, count: int) -> None:
        """Raise InvalidRows if a request has no rows, TooLarge if it has too many."""
        if count == 0:
            raise InvalidRows([Place("", "expected at least one sample")])
        self.limits.check_rows(count)
