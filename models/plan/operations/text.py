"""Counts of the terms in texts, and numbers from mappings, as scikit-learn's vectorizers do it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..operation import operation
from .sparse import Sparse

WHITESPACE = re.compile(r"\s\s+")


@operation(counts="always")
def words(  # noqa: PLR0913  (as a CountVectorizer has)
    samples: list[tuple[Any, ...]],
    *,
    column: int,
    vocabulary: dict[str, int],
    pattern: str,
    stop: dict[str, int],
    lower: bool,
    accents: str | None,
    low: int,
    high: int,
    binary: bool,
) -> Sparse:
    """The counts of each known sequence of `low` to `high` words in each text.

    `vocabulary` and `stop` have one entry more, for None.
    """
    find = re.compile(pattern).findall

    def terms(text: str) -> list[str]:
        found = find(plain(text, lower=lower, accents=accents))
        if len(stop) > 1:
            found = [word for word in found if word not in stop]
        return found if high == 1 else joined(found, low, high)

    return counted([terms(sample[column]) for sample in samples], vocabulary, binary=binary)


@operation(counts="always")
def characters(  # noqa: PLR0913
    samples: list[tuple[Any, ...]],
    *,
    column: int,
    vocabulary: dict[str, int],
    within: bool,
    lower: bool,
    accents: str | None,
    low: int,
    high: int,
    binary: bool,
) -> Sparse:
    """The counts of each known sequence of characters in each text; `within` words, or across."""

    def terms(text: str) -> list[str]:
        text = WHITESPACE.sub(" ", plain(text, lower=lower, accents=accents))
        if not within:
            return pieces(text, low, high)
        return [term for word in text.split() for term in inside(f" {word} ", low, high)]

    return counted([terms(sample[column]) for sample in samples], vocabulary, binary=binary)


@operation()
def entries(samples: list[dict[str, Any]], *, vocabulary: dict[str, int], separator: str) -> Sparse:
    """The numbers of mappings by name, and a 1 for each known pair of a name and a text."""
    get = vocabulary.get
    rows, columns, data = [], [], []
    for row, sample in enumerate(samples):
        found = []
        for name, value in sample.items():
            text = isinstance(value, str)
            place = get(f"{name}{separator}{value}" if text else name)
            if place is not None:
                found.append((place, 1.0 if text else float(value)))
        found.sort(key=lambda each: each[0])
        rows += [row] * len(found)
        columns += [place for place, _ in found]
        data += [value for _, value in found]
    places = np.array(columns, dtype=np.intp)
    shape = (len(samples), len(vocabulary) - 1)
    return Sparse(np.array(rows, dtype=np.intp), places, np.array(data, dtype=np.float64), shape)


def plain(text: str, *, lower: bool, accents: str | None) -> str:
    """A text, perhaps in lower case and without accents."""
    if lower:
        text = text.lower()
    if accents == "ascii":
        return unicodedata.normalize("NFKD", text).encode("ASCII", "ignore").decode("ASCII")
    if accents == "unicode" and not text.isascii():
        combining = unicodedata.combining
        return "".join(c for c in unicodedata.normalize("NFKD", text) if not combining(c))
    return text


def joined(parts: Sequence[str], low: int, high: int) -> list[str]:
    """Every sequence of `low` to `high` words, as one term."""
    return [
        " ".join(parts[i : i + size])
        for size in range(low, min(high, len(parts)) + 1)
        for i in range(len(parts) - size + 1)
    ]


def pieces(text: str, low: int, high: int) -> list[str]:
    """Every sequence of `low` to `high` characters."""
    return [
        text[i : i + size]
        for size in range(low, min(high, len(text)) + 1)
        for i in range(len(text) - size + 1)
    ]


def inside(word: str, low: int, high: int) -> list[str]:
    """The sequences of characters of one word; the word itself if it is shorter."""
    return pieces(word, low, high) or [word]


def counted(
    documents: Iterable[Iterable[str]], vocabulary: dict[str, int], *, binary: bool
) -> Sparse:
    """The counts of each known term in each document."""
    get = vocabulary.get
    columns: list[int] = []
    counts: list[int] = []
    lengths: list[int] = []
    for terms in documents:
        found: dict[Any, int] = Counter(map(get, terms))
        found.pop(None, None)
        ordered = sorted(found)
        columns += ordered
        counts += map(found.__getitem__, ordered)
        lengths.append(len(ordered))
    places = np.array(columns, dtype=np.intp)
    data = np.ones(len(columns)) if binary else np.array(counts, dtype=np.float64)
    rows = np.arange(len(lengths)).repeat(lengths)
    return Sparse(rows, places, data, (len(lengths), len(vocabulary) - 1))
