"""Match the names in a body to the features of a model.

A name that is not exactly a feature's may still mean one: in another Unicode normal form, with
blanks around it, or as the number of a column without a name. It is matched only if exactly one
feature and one name of the body fit.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from models.errors import Place
from models.rows.words import escape
from models.signature.types import Signature


class Repeated(dict[str, Any]):
    """A JSON object in which a name stands twice."""

    name: str

    def place(self, pointer: str) -> Place:
        """The place of the repeated name, in an object at `pointer`."""
        return Place(f"{pointer}/{escape(self.name)}", "stands twice in one object")


class Names:
    """The names of a model's features."""

    def __init__(self, signature: Signature) -> None:
        self.names = [feature.name for feature in signature.features]
        self.known = frozenset(self.names)
        # The model never looks at an unused feature, so a row may leave it out.
        self.required = [f.name for f in signature.features if f.kind != "unused"]
        # Each name in an object of a mapping is a feature.
        self.open = signature.form == "mapping"
        self._named = signature.named
        counts = Counter(map(plain_name, self.names))
        self._spellings = {
            plain_name(name): name for name in self.names if counts[plain_name(name)] == 1
        }
        # pandas numbers columns that nobody has named.
        numbers = {} if signature.named else {str(j): n for j, n in enumerate(self.names)}
        self._numbers = {number: n for number, n in numbers.items() if number not in self.known}

    def resolve(self, given: Iterable[Any], *, numbers: bool = True) -> dict[Any, str]:
        """The feature that each of these names means, for those that mean one.

        `numbers` lets the number of a column mean it where the model has no names.
        """
        given = list(given)
        known = self._spellings | self._numbers if numbers else self._spellings
        if self.open:
            return {name: name for name in given}
        meant = {name: name for name in given if name in self.known}
        others = {
            name: known[plain_name(name)]
            for name in given
            if isinstance(name, str) and name not in meant and plain_name(name) in known
        }
        counts = Counter([*meant.values(), *others.values()])
        return meant | {name: feature for name, feature in others.items() if counts[feature] == 1}

    def column(self, given: Any) -> Any:
        """The feature that a column names, by its number too where the model has no names."""
        numbered = type(given) is int and not self._named
        return self.names[given] if numbered and 0 <= given < len(self.names) else given

    def are_numbers(self, given: Iterable[str]) -> bool:
        """Whether one of these names means a feature by its number only."""
        return not self._numbers.keys().isdisjoint(map(plain_name, given))

    def fit(self, given: Iterable[Any], *, ignore: bool, numbers: bool = True) -> bool:
        """Whether these names are the features; with `ignore`, others may stand among them."""
        given = list(given)
        meant = self.resolve(given, numbers=numbers)
        complete = frozenset(meant.values()).issuperset(self.required)
        return complete and bool(meant) and (ignore or len(meant) == len(given))

    def rows(self, samples: Sequence[Any], *, ignore: bool) -> tuple[list[Any], tuple[str, ...]]:
        """The samples by the features' names, and, with `ignore`, the names without a feature."""
        ignored: dict[str, None] = {}
        rows = [self._row(sample, ignored if ignore else None) for sample in samples]
        return rows, tuple(ignored)

    def _row(self, sample: Any, ignored: dict[str, None] | None) -> Any:
        if self.open or not isinstance(sample, dict) or isinstance(sample, Repeated):
            return sample
        if sample.keys() <= self.known:
            return sample
        meant = self.resolve(sample)
        if ignored is None:
            return {meant.get(name, name): value for name, value in sample.items()}
        ignored |= {name: None for name in sample if name not in meant}
        return {meant[name]: value for name, value in sample.items() if name in meant}


def plain_name(name: str) -> str:
    """A name without blanks around it, in Unicode's normal form NFC."""
    return unicodedata.normalize("NFC", name).strip()


def as_mapping(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """A row of a table as an object, without the names whose value is missing."""
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if value is not None}
