"""The rows of one request, checked against a signature."""

from __future__ import annotations

import functools
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import chain, starmap
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from models.engines import Rows
from models.signature.types import Signature

NO_UNKNOWN: Mapping[str, int] = MappingProxyType({})


class Batch(msgspec.Struct, eq=False):
    """The rows of one request.

    `pointers` gives the JSON Pointer of row i in the body; `unknown` counts, for each feature, the
    categories that the model's encoder has not seen and lets pass. `only_row` is the values of the
    only row, if it came as JSON and there is no other: its array, `made`, is made when `rows` is
    first read. `ignored` are the names in the body that mean no feature, and were ignored.
    """

    made: Rows | None
    pointers: Callable[[int], str]
    unknown: Mapping[str, int] = NO_UNKNOWN
    only_row: tuple[Any, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def rows(self) -> Rows:
        """All rows, as an engine takes them."""
        if self.made is None:
            self.made = np.array([self.only_row], dtype=np.float64)
        return self.made

    @property
    def count(self) -> int:
        """The number of rows."""
        return 1 if self.only_row else len(self.rows)


def row_pointer(i: int) -> str:
    """The JSON Pointer of row i in a body that is a list of rows."""
    return f"/{i}"


def array_of(rows: list[tuple[float | None, ...]]) -> np.ndarray:
    """Rows of numbers as one array of float64, shape (n_rows, n_features); None becomes NaN."""
    width = len(rows[0])
    try:
        # 3 x faster than fromiter, and 4 x than np.array, which has to find the shape.
        flat = np.frombuffer(bytearray().join(starmap(struct.Struct(f"{width}d").pack, rows)))
    except struct.error:
        flat = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * width)
    return flat.reshape(len(rows), width)


@functools.lru_cache(1024)
def _known(categories: tuple[Any, ...]) -> frozenset[Any]:
    return frozenset((*categories, None))


def count_unknown(signature: Signature, rows: Rows) -> Counter[str] | None:
    """Count the categories of each feature that its encoder has not seen in training.

    None if an encoder refuses unknown categories, or if rounding to float32 may make one known.
    """
    unknown: Counter[str] = Counter()
    for j, feature in enumerate(signature.features):
        if feature.categories is None:
            continue
        known = _known(feature.categories)
        if known.issuperset(map(itemgetter(j), rows)):
            continue
        if feature.unknown == "refused" or feature.dtype == "float32":
            return None
        unknown[feature.name] = sum(row[j] not in known for row in rows)
    return unknown
