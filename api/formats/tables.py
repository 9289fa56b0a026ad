"""The columns of tables in decoded JSON, and their rows as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from api.formats.contract import Contract
from models.errors import Place
from models.rows.batch import Batch
from models.rows.check import check
from models.rows.names import Repeated, as_mapping
from models.rows.words import IGNORE_HINT, NOT_A_FEATURE, name_of


class Tables:
    """Checks tables against a contract; with `ignore`, columns that are no features are ignored."""

    def __init__(self, contract: Contract, *, ignore: bool) -> None:
        self.contract = contract
        self.names = contract.names
        self.ignore = ignore

    def check(self, samples: Sequence[Any], pointers: Callable[[int], str]) -> Batch:
        """Turn samples into rows; raises InvalidRows with the places, TooLarge."""
        self.contract.check_count(len(samples))
        rows, ignored = self.names.rows(samples, ignore=self.ignore)
        return check(self.contract.signature, rows, pointers, ignored)

    def sample(self, columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
        """A row of a table as an object."""
        return as_mapping(columns, row) if self.names.open else dict(zip(columns, row, strict=True))

    def features(self, columns: Iterable[Any]) -> list[Any]:
        """The feature that each column means; a column that means none is left as it is."""
        columns = list(columns)
        meant = self.names.resolve(columns)
        return [meant.get(column, column) for column in columns]

    def wrong_columns(
        self, columns: Sequence[Any], steps: Iterable[str], at: str
    ) -> Iterator[Place]:
        """What is wrong with the names of columns; `steps` are the JSON Pointers of the names."""
        seen = set()
        meant = self.names.resolve(column for column in columns if isinstance(column, str))
        for column, step in zip(columns, steps, strict=False):
            if not isinstance(column, str):
                yield Place(step, f"expected the name of a column, got {name_of(column)}")
            elif column in seen:
                yield Place(step, "this column stands twice")
            else:
                seen.add(meant.get(column, column))
                if column not in meant and not self.ignore:
                    yield Place(step, f"{NOT_A_FEATURE}; {IGNORE_HINT}")
        for name in self.names.required:
            if name not in seen:
                yield Place(at, f"lacks the feature {name}")


def repeated(document: dict[str, Any], at: str) -> list[Place]:
    """The place of the repeated name of an object, if it has one."""
    return [document.place(at)] if isinstance(document, Repeated) else []
