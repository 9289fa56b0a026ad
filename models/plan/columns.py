"""The columns of a table while it is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .format import INPUT
from .signature import Signature

# The number of a value: 0 is the request's rows, i the result of step i, counted from 1.
Value = int


class _Unknown:
    """The meaning of all values of a column that are none of its categories."""


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Number:
    """A column of numbers: column `index` of an array.

    `dtype` is the column's dtype in scikit-learn; the array may have float64 instead.
    """

    value: Value
    index: int
    dtype: str = "float64"


@dataclass(frozen=True)
class Category:
    """A column with few different values: `value` has a code for each row.

    `meanings` are the values that the codes stand for. The last two began as a missing value, None
    or NaN (`Feature.null`), and as UNKNOWN; an imputer replaces them.
    """

    value: Value
    meanings: tuple[Any, ...]


@dataclass(frozen=True)
class Raw:
    """A column of texts as they are sent; without an index, whole rows, each a mapping."""

    index: int | None


Column = Number | Category | Raw
Table = tuple[Column, ...]
Outputs = Mapping[str, Value]


def runs(table: Table) -> list[tuple[Value | Category | Raw, list[int]]]:
    """Neighbouring columns of one array as its value and their indices; each other column alone."""
    found: list[tuple[Value | Category | Raw, list[int]]] = []
    for column in table:
        if not isinstance(column, Number):
            found.append((column, []))
        elif found and found[-1][0] == column.value:
            found[-1][1].append(column.index)
        else:
            found.append((column.value, [column.index]))
    return found


def input_table(signature: Signature, builder: Any) -> Table:
    """The columns of a request's rows."""
    if signature.form == "text":
        return (Raw(0),)
    if signature.form == "mapping":
        return (Raw(None),)
    if signature.form != "table":
        return ()
    if signature.numeric:
        numeric: Table = builder.columns(INPUT, len(signature.features))
        return numeric
    places = [
        i
        for i, feature in enumerate(signature.features)
        if feature.kind in ("number", "boolean") and feature.categories is None
    ]
    numbers = iter(
        builder.columns(builder.do("numbers", INPUT, columns=places), len(places)) if places else ()
    )
    table: list[Column] = []
    for i, feature in enumerate(signature.features):
        if i in places:
            table.append(next(numbers))
            continue
        if feature.kind == "string" and feature.categories is None:
            table.append(Raw(i))
            continue
        known = list(feature.categories or ())
        codes = builder.do("codes", INPUT, column=i, places={"places": known})
        table.append(Category(codes, (*known, feature.null, UNKNOWN)))
    return tuple(table)
