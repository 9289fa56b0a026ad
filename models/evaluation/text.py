"""An evaluation as lines for a terminal, no wider than WIDTH characters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from models.evaluation import words
from models.evaluation.classes import worst_pairs

if TYPE_CHECKING:
    from models.evaluation.measure import Evaluation

WIDTH = 100
MAX_TEXT, MAX_CELL = 23, 28
# A wider confusion matrix becomes a list of the most frequent mistakes.
MAX_MATRIX = 7
MAX_CLASSES = 20
MAX_PAIRS = 10


def text(evaluation: Evaluation) -> str:
    """The whole evaluation; see `Evaluation.__str__`."""
    blocks = [
        _head(evaluation),
        _scores(evaluation),
        _classes(evaluation),
        _confusion(evaluation),
        _calibration(evaluation),
        _spread(evaluation),
        _slices(evaluation),
        _gates(evaluation),
    ]
    return "\n\n".join("\n".join(block) for each in blocks if (block := list(each)))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> Iterator[str]:
    """An aligned table; the first `texts` columns are text, the others are numbers."""
    cells = [
        [_cut(cell, MAX_TEXT if i < texts else MAX_CELL) for i, cell in enumerate(row)]
        for row in (header, *rows)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = (
            cell.ljust(width) if i < texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(aligned).rstrip()


def _cut(cell: str, most: int) -> str:
    """A cell in one line: a label may be a long text with anything in it."""
    plain = "".join(c if c.isprintable() else " " for c in cell)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def wrapped(sentence: str) -> list[str]:
    """A sentence in lines; one without blanks may be longer than WIDTH."""
    plain = "".join(c if c.isprintable() else " " for c in sentence)
    return textwrap.wrap(plain, WIDTH, break_long_words=False, break_on_hyphens=False)


def _head(evaluation: Evaluation) -> Iterator[str]:
    yield from wrapped(f"{evaluation.title}: {evaluation.estimator}, {evaluation.model}")
    target = f", target {evaluation.target}" if evaluation.target else ""
    yield from wrapped(f"{words.rows(evaluation.rows)} of {evaluation.data}{target}")
    for reason, count in evaluation.left_out.items():
        yield from wrapped(f"{words.rows(count)} left out: {reason}")
    for note in evaluation.notes:
        yield from wrapped(f"Note: {note}")
    yield ""
    yield from wrapped(words.headline(evaluation))
    if found := evaluation.served:
        yield from wrapped(words.served(found, evaluation.version))
        for difference in found.first:
            yield from wrapped(f"  {difference}")


def _scores(evaluation: Evaluation) -> Iterator[str]:
    rows = [
        [name, words.number(score.value), words.interval(score)]
        for name, score in evaluation.scores.items()
    ]
    if rows:
        yield from table(["score", "value", "95 % interval"], rows)
    for name, reason in evaluation.unmeasured.items():
        yield from wrapped(f"no {name}: {reason}")


def _classes(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.classes:
        return
    shown = evaluation.classes
    if len(shown) > MAX_CLASSES:
        shown = sorted(shown, key=lambda each: each.f1)[:MAX_CLASSES]
        yield f"The {MAX_CLASSES} of {len(evaluation.classes)} classes with the lowest F1:"
    rows = [
        [
            each.label,
            f"{each.rows:,}",
            "-" if each.precision is None else words.number(each.precision.value),
            "-" if each.recall is None else words.number(each.recall.value),
            words.number(each.f1),
        ]
        for each in shown
    ]
    yield from table(["class", "rows", "precision", "recall", "F1"], rows)


def _confusion(evaluation: Evaluation) -> Iterator[str]:
    found = evaluation.confusion
    if found is None:
        return
    if len(found.labels) <= MAX_MATRIX:
        heads = [label[:9] for label in found.labels]
        rows = [
            [label, *(f"{count:,}" for count in counts)]
            for label, counts in zip(found.labels, found.counts, strict=True)
        ]
        yield from table(["true \\ predicted", *heads], rows)
        return
    pairs = worst_pairs(found, MAX_PAIRS)
    if len(pairs):
        yield "The most frequent mistakes:"
        cells = [[t, p, f"{n:,}"] for t, p, n in pairs.itertuples(index=False)]
        yield from table(["true", "predicted", "rows"], cells, texts=2)


def _calibration(evaluation: Evaluation) -> Iterator[str]:
    yield from wrapped(words.calibration(evaluation))


def _spread(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.residuals:
        found = evaluation.residuals.errors.quantiles
        yield "Errors (actual minus predicted):"
        yield from table(list(found), [list(map(words.number, found.values()))], texts=0)
    if evaluation.groups:
        rows = [
            [group.label, f"{group.rows:,}", words.percent(group.rows / evaluation.rows)]
            for group in evaluation.groups[:MAX_CLASSES]
        ]
        name = "" if evaluation.kind == "outliers" else "cluster"
        yield from table([name, "rows", "share"], rows)
    if evaluation.spread:
        found = evaluation.spread.quantiles
        yield "Scores of the rows (less is more of an outlier):"
        yield from table(list(found), [list(map(words.number, found.values()))], texts=0)


def _slices(evaluation: Evaluation) -> Iterator[str]:
    columns = dict.fromkeys(each.column for each in evaluation.slices)
    for column in columns:
        slices = [each for each in evaluation.slices if each.column == column]
        names = list(dict.fromkeys(name for each in slices for name in each.scores))
        rows = [
            [
                each.value,
                f"{each.rows:,}",
                *(_slice_score(each.scores.get(name)) for name in names),
                "*" if each.worse else "",
            ]
            for each in slices
        ]
        yield from table([column, "rows", *names, ""], rows)
        yield ""
    if columns:
        yield from wrapped(f"* {SLICES}")


SLICES = (
    "A slice is marked as worse if the 95 % interval of its difference from all other rows does "
    "not hold 0. For each score, chance marks one of 40 slices that are no worse."
)


def _slice_score(score: object) -> str:
    from models.evaluation.facts import Score

    if not isinstance(score, Score):
        return "-"
    ends = words.interval(score)
    return words.number(score.value) + (f" ({ends})" if ends else "")


def _gates(evaluation: Evaluation) -> Iterator[str]:
    for gate in evaluation.gates:
        yield from wrapped(f"FAILS  {gate.missed}" if gate.missed else f"holds  {gate.condition}")
