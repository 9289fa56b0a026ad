"""A list within an answer of `/content/` as CSV."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

Path = tuple[str, ...]


def write(document: msgspec.Struct, path: str) -> bytes:
    """The list at a path as `answers.bins`, a line for each of its objects.

    Without a path, a line for each value of the document: its name, and the value.
    """
    if not path:
        found = _lines(msgspec.to_builtins(document))
        return _csv([["name", "value"], *found])
    kind: Any = type(document)
    rows: Any = document
    for name in path.split("."):
        kind = _kind_of(kind, name)
        rows = getattr(rows, name, [])
    columns = _columns(kind)
    header = ["_".join(column) for column in columns]
    return _csv([header, *([_value(row, column) for column in columns] for row in rows)])


def _csv(lines: Iterable[Iterable[Any]]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(lines)
    return file.getvalue().encode()


def _lines(value: Any, path: Path = ()) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _lines(each, (*path, name))
    elif isinstance(value, list):
        yield "_".join(path), ", ".join(map(str, value))
    else:
        yield "_".join(path), value


def _kind_of(struct: type, name: str) -> type:
    """The type of a field, or of the objects in its list."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)  # noqa: S101  (a path leads through objects)
    found = _plain({field.name: field.type for field in info.fields}[name])
    if isinstance(found, inspect.ListType):
        found = _plain(found.item_type)
    assert isinstance(found, inspect.StructType)  # noqa: S101
    return found.cls


@functools.cache
def _columns(struct: type) -> list[Path]:
    """The fields of an object and of the objects in it, without lists and free objects."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)  # noqa: S101  (rows are objects)
    found: list[Path] = []
    for field in info.fields:
        kind = _plain(field.type)
        if isinstance(kind, inspect.StructType):
            found += [(field.name, *inner) for inner in _columns(kind.cls)]
        elif not isinstance(kind, (inspect.ListType, inspect.DictType)):
            found.append((field.name,))
    return found


def _plain(kind: inspect.Type) -> inspect.Type:
    """A type without its description, and without null."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        others = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return _plain(others[0])
    return kind


def _value(row: Any, column: Path) -> Any:
    for name in column:
        row = getattr(row, name, None)
    return row
