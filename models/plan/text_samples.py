"""Texts and mappings to prove a plan on: known terms, unknown ones, and odd characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .format import Plan

# Separators, characters whose lower case or accents are difficult, and other scripts.
ODD = (
    *(".", ",", "!?", "'", "-", "_", "\t", "\n\n", "  ", "\u00a0", "\u2003", "\u200b", "\x00"),
    *("a", "I", "don't", "e-mail@host.org", "3.14", "007", "word" * 20, "snake_case", "CamelCase"),
    *("Ünïcödé", "naïve", "straße", "İstanbul", "ﬁn", "ŉ", "Ǆ", "Σίσυφος", "e\u0301", "½"),
    *("日本語", "한국어", "עברית", "हिन्दी", "🙂", "👩\u200d🔬"),
)
ACCENTS = ("\u0301", "\u0308", "\u0327")
BETWEEN = (" ", " ", " ", " ", ", ", ". ", "\n", "", "-")
MAX_TERMS = 24
VALUES = (0, 1, -3, 0.5, 1e9, True, False, "", "another text", "1")


class Vocabulary(NamedTuple):
    """The terms that a step looks for in one column of a row, or by name in a mapping."""

    terms: list[str]
    column: int | None
    separator: str | None


def vocabularies(plan: Plan) -> list[Vocabulary]:
    """The vocabularies of the steps of a plan."""
    return [
        Vocabulary(
            step.settings["vocabulary"]["places"],
            step.settings.get("column"),
            step.settings.get("separator"),
        )
        for step in plan.steps
        if "vocabulary" in step.settings
    ]


def texts(known: Sequence[Vocabulary], count: int, generator: np.random.Generator) -> list[str]:
    """Texts of known terms in many spellings, and of odd terms; some are empty."""
    terms = [term for each in known for term in each.terms]
    # Each term at least once, if there are enough texts.
    lengths = generator.integers(0, MAX_TERMS, count)
    places = generator.permutation(max(len(terms), int(lengths.sum()))) % len(terms)
    kinds = generator.random(len(places))
    gaps = generator.integers(len(BETWEEN), size=len(places))
    pieces = [
        spelled(terms[place], kind) + BETWEEN[gap]
        for place, kind, gap in zip(places, kinds, gaps, strict=True)
    ]
    ends = np.cumsum(lengths)
    found = ["".join(pieces[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
    return [*ODD, *found][:count]


def spelled(term: str, kind: float) -> str:
    """A term unchanged, in upper case, with an accent, reversed, or odd; by `kind` below 1."""
    if kind < 0.6:
        return term
    if kind < 0.7:
        return term.upper() if kind < 0.65 else term.title()
    if kind < 0.8:
        accent = ACCENTS[int(kind * 1000) % len(ACCENTS)]
        return unicodedata.normalize("NFC", term[:1] + accent + term[1:])
    if kind < 0.9:
        return term[::-1]
    return ODD[int(kind * 10_000) % len(ODD)]


def mappings(
    known: Sequence[Vocabulary], count: int, generator: np.random.Generator
) -> list[dict[str, Any]]:
    """Mappings with known names and values, and with others; some are empty."""
    items: list[tuple[str, Any]] = []
    for each in known:
        for term in each.terms:
            name, found, value = term.partition(each.separator or "\0")
            items += [(name, value)] if found else [(name, None)]
    items += [(name, "unknown") for name, _ in items[:50]] + [("another name", None), ("", "")]
    rows: list[dict[str, Any]] = [{}, *({name: value or 1} for name, value in items[:count])]
    numbers = np.where(
        generator.random(count) < 0.5, generator.normal(size=count) * 100, generator.integers(9)
    ).tolist()
    for number in numbers[len(rows) :]:
        chosen = generator.integers(len(items), size=int(generator.integers(0, MAX_TERMS)))
        row: dict[str, Any] = {}
        for place in chosen.tolist():
            name, value = items[place]
            odd = VALUES[(place + len(row)) % len(VALUES)]
            row[name] = value if value is not None else (number if place % 3 else odd)
        rows.append(row)
    return rows
