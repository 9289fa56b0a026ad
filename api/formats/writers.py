"""All formats that results are written in, and which of them Accept likes best.

A new format is a function, and a line in WRITERS.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from api.errors import NotAcceptable
from api.formats import npy, results
from models.text.results import JSON_TYPES, as_python, count, csv_lines, finite

Classes = list[Any] | None
# Gives the names of the columns of a result.
Columns = Callable[[], list[str]]


class Writer(NamedTuple):
    """One format of answers.

    `write(result, classes, columns, max_bytes)` encodes one result a row, and raises TooLarge
    before much more than `max_bytes` are made. `classes` are those that the columns of the result
    stand for, if they do.
    """

    write: Callable[[Any, Classes, Columns, int], bytes]
    is_text: bool = True


def write_one(result: Any, classes: Classes) -> bytes:
    """Encode as JSON the only result of a request, which is a Python object already."""
    if type(result) not in JSON_TYPES:
        result = finite(result)
    return _document([result], classes)


def write_json(result: Any, classes: Classes, _: Columns, max_bytes: int) -> bytes:
    """`{"predictions": [...], "classes": [...]}`."""
    if isinstance(result, np.ndarray) and results.is_small(result):
        return _document(as_python(result), classes)
    lists = results.encoded(result, msgspec.json.encode, count(result), max_bytes)
    return _document(msgspec.Raw(results.joined(lists)), classes)


def write_csv(result: Any, _: Classes, columns: Columns, max_bytes: int) -> bytes:
    """A header row with the columns, and one line a row."""
    numbers, names = itertools.count(), columns()

    def lines(plain: list[Any]) -> bytes:
        return csv_lines(plain, names, header=next(numbers) == 0)

    return b"".join(results.encoded(result, lines, count(result), max_bytes))


def write_npy(result: Any, _: Classes, __: Columns, max_bytes: int) -> bytes:
    """One array, its rows first."""
    found = results.array(result, max_bytes)
    results.check_size(found.nbytes, len(found), max_bytes)
    return npy.write(found)


JSON = "application/json"
ANY = "*/*"
WRITERS = {
    JSON: Writer(write_json),
    "text/csv": Writer(write_csv),
    "application/x-npy": Writer(write_npy, is_text=False),
}
TYPES = tuple(WRITERS)


@functools.lru_cache
def choose(accept: str) -> str:
    """The media type of results that Accept likes best; raises NotAcceptable."""
    if found := preferred(accept, TYPES):
        return found
    raise NotAcceptable(f"The answer can be {', '.join(TYPES[:-1])} or {TYPES[-1]}.")


def preferred(accept: str, types: Sequence[str]) -> str | None:
    """The type that Accept likes best, or the first if it says nothing; None if it likes none."""
    if accept in ("", ANY):
        return types[0]
    if ";" not in accept:
        # The common case without werkzeug, which is slow to import.
        named = {name.strip().lower() for name in accept.split(",")}
        if found := [name for name in types if name in named]:
            return found[0]
        if {name for name in named if "*" in name} == {ANY}:
            return types[0]
    from werkzeug.datastructures import MIMEAccept
    from werkzeug.http import parse_accept_header

    parsed = parse_accept_header(accept, MIMEAccept)
    return parsed.best_match(types) if parsed else types[0]


def _document(predictions: list[Any] | msgspec.Raw, classes: Classes) -> bytes:
    document: dict[str, Any] = {"predictions": predictions}
    if classes is not None:
        document["classes"] = classes
    return msgspec.json.encode(document)
