"""Tables as an object of columns, as pandas writes them with `orient="columns"`.

Each column is a list of its values, or an object of values by the labels of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.formats.tables import Tables, repeated
from models.errors import InvalidRows, Place, limit_faults
from models.rows.batch import Batch
from models.rows.words import escape, name_of


def read_columns(tables: Tables, columns: dict[str, Any], at: str) -> Batch:
    """Read the table at the JSON Pointer `at`; raises as `Tables.check` does."""
    many = [values for values in columns.values() if isinstance(values, (list, dict))]
    if not many:
        # One row: each column has one value, without a list around it.
        return tables.check([columns], lambda _: at)
    longest = max(many, key=len)
    if places := _wrong_columns(tables, columns, longest, at):
        raise InvalidRows(limit_faults(places))
    tables.contract.check_count(len(longest))
    names = list(columns)
    lists = [
        [values[label] for label in longest] if isinstance(values, dict) else values
        for values in columns.values()
    ]
    samples = [tables.sample(names, row) for row in zip(*lists, strict=True)]
    steps = dict(zip(tables.features(names), map(escape, names), strict=True))
    # The first feature stands for the row. An unused one may be left out.
    start = next((steps[name] for name in tables.names.names if name in steps), escape(names[0]))
    labels = (
        [escape(label) for label in longest] if isinstance(longest, dict) else range(len(longest))
    )
    prefix = f"{at}/{start}/"
    try:
        return tables.check(samples, lambda i: f"{prefix}{labels[i]}")
    except InvalidRows as error:
        error.places = tuple(_turned(tables, place, prefix, at, steps) for place in error.places)
        raise


def _wrong_columns(
    tables: Tables, columns: dict[str, Any], longest: list[Any] | dict[str, Any], at: str
) -> list[Place]:
    places = repeated(columns, at)
    steps = (f"{at}/{escape(name)}" for name in columns)
    places += limit_faults(tables.wrong_columns(list(columns), steps, at))
    for name, values in columns.items():
        places += _wrong_labels(values, longest, f"{at}/{escape(name)}")
        if len(places) > len(columns):
            break
    return places


def _wrong_labels(values: Any, longest: list[Any] | dict[str, Any], at: str) -> list[Place]:
    """What is wrong with the length or the labels of a column beside the longest one."""
    if isinstance(longest, list):
        expected = f"expected a list of {len(longest)} values, as many as in the longest column"
        got: Any = len(values) if isinstance(values, list) else name_of(values)
        return [] if got == len(longest) else [Place(at, f"{expected}, got {got}")]
    if not isinstance(values, dict):
        return [Place(at, f"expected an object of values by row, got {name_of(values)}")]
    places = repeated(values, at)
    if values.keys() != longest.keys():
        places.append(Place(at, "expected the labels that the longest column has"))
    return places


def _turned(tables: Tables, place: Place, prefix: str, at: str, steps: Mapping[str, str]) -> Place:
    """A place in a row as the place in the column that the value came from."""
    label, _, step = place.pointer.removeprefix(prefix).partition("/")
    name = {escape(name): name for name in steps}.get(step, step)
    detail = place.detail if tables.names.open else f"{name}: {place.detail}"
    return Place(f"{at}/{steps.get(name, step)}/{label}", detail)
