"""The sections of a report on a classifier: its classes, and its probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation import svg, words
from models.evaluation.classes import worst_pairs
from models.evaluation.facts import Score
from models.evaluation.parts import Confusion
from models.evaluation.tags import cell, figure, table

if TYPE_CHECKING:
    from models.evaluation.measure import Evaluation

# A larger confusion matrix is drawn.
MAX_MATRIX = 12
MAX_CLASSES = 60
MAX_PAIRS = 10


def classes(evaluation: Evaluation) -> Iterator[str]:
    """The section on classes: each one's scores, and the confusion matrix."""
    found = evaluation.confusion
    if found is None:
        return
    yield "<section><h2>Classes</h2>"
    shown = evaluation.classes
    if len(shown) > MAX_CLASSES:
        shown = sorted(shown, key=lambda each: each.f1)[:MAX_CLASSES]
        count = f"{MAX_CLASSES} of {len(evaluation.classes):,}"
        yield f"<p>These {count} classes have the lowest F1.</p>"
    rows = [
        [
            cell(each.label),
            f"{each.rows:,}",
            *_share(each.precision),
            *_share(each.recall),
            words.number(each.f1),
        ]
        for each in shown
    ]
    header = ["Class", "Rows", "Precision", "95 % interval", "Recall", "95 % interval", "F1"]
    yield table("Scores of each class", header, rows)
    yield (
        '<p class="quiet">Precision: of the rows said to be of the class, the share that are. '
        "Recall: of the rows of the class, the share that were found.</p>"
    )
    if len(found.labels) <= MAX_MATRIX:
        yield _matrix(found)
    else:
        yield _heat_map(found)
    yield from _pairs(found)
    yield "</section>"


def _share(score: Score | None) -> list[str]:
    return ["none", ""] if score is None else [words.number(score.value), words.interval(score)]


def _matrix(found: Confusion) -> str:
    """The confusion matrix as a table, darker where a larger share of a class is."""
    rows = []
    for i, (label, counts) in enumerate(zip(found.labels, found.counts, strict=True)):
        total = max(sum(counts), 1)
        cells = []
        for j, count in enumerate(counts):
            shade = -(-count * svg.SHADES // total)
            kinds = [f"h{shade}"] * (shade > 0) + ["right"] * (i == j)
            cells.append(
                f'<td class="{" ".join(kinds)}">{count:,}</td>' if kinds else f"<td>{count}</td>"
            )
        rows.append([cell(label), *cells])
    header = ["True ↓ Predicted →", *map(cell, found.labels)]
    return table("Confusion matrix: rows by true and predicted class", header, rows, kind="matrix")


def _heat_map(found: Confusion) -> str:
    counts = np.array(found.counts, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right, total = int(counts.diagonal().sum()), int(counts.sum())
    label = (
        f"Confusion matrix of {len(counts)} classes: {right:,} of {total:,} rows are on the "
        "diagonal, where the prediction is right"
    )
    said = (
        f"The confusion matrix of {len(counts)} classes in the order of the model: from the top "
        "for true and from the left for predicted ones. The darker, the larger the share of the "
        "true class; the diagonal is right."
    )
    return figure(svg.heat_map(label, shares), said)


def _pairs(found: Confusion) -> Iterator[str]:
    pairs = worst_pairs(found, MAX_PAIRS)
    if not len(pairs):
        yield "<p>No row was mistaken for another class.</p>"
        return
    rows = [[cell(t), cell(p), f"{n:,}"] for t, p, n in pairs.itertuples(index=False)]
    header = ["True class", "Predicted class", "Rows"]
    yield table("The most frequent mistakes", header, rows, texts=(1,))


def probabilities(evaluation: Evaluation) -> Iterator[str]:
    """The section on probabilities: calibration, and ROC curves."""
    if not evaluation.calibration and not evaluation.curves:
        return
    heading = "Probabilities" if evaluation.calibration else "Ranking"
    yield f'<section><h2>{heading}</h2><div class="plots">'
    if evaluation.calibration:
        yield _calibration(evaluation)
    if evaluation.curves:
        yield _curves(evaluation)
    yield "</div></section>"


def _calibration(evaluation: Evaluation) -> str:
    found = evaluation.calibration
    assert found  # noqa: S101 - see above
    of = f"for {found.label}" if found.label else "of the predicted class"
    said = words.calibration(evaluation)
    share = "share that came true"
    plot = svg.Plot(f"Calibration. {said}", (0, 1), (0, 1), (f"predicted probability {of}", share))
    plot.line([(0, 0), (1, 1)], "guide")
    points = [(each.predicted, each.observed.value) for each in found.bins]
    plot.intervals(
        (each.predicted, each.observed.low or 0.0, each.observed.high or 0.0) for each in found.bins
    )
    plot.line(points, "c1")
    plot.dots(points, 3.5)
    return figure(
        str(plot),
        "On the dashed line, a probability of 80 % comes true in 80 of 100 rows; below it, the "
        f"model is too sure. {said}",
    )


def _curves(evaluation: Evaluation) -> str:
    found = evaluation.curves
    areas = ", ".join(f"{each.label} {words.number(each.area)}" for each in found)
    label = f"ROC curves with their areas: {areas}"
    plot = svg.Plot(
        label, (0, 1), (0, 1), ("share of other rows taken for the class", "share found")
    )
    plot.line([(0, 0), (1, 1)], "guide")
    keys = []
    for i, curve in enumerate(found, 1):
        plot.line(curve.points, f"c{i}")
        line = f'<path class="line c{i}" d="M0 4H24"/>'
        sample = f'<svg viewBox="0 0 24 8" aria-hidden="true">{line}</svg>'
        keys.append(f"<li>{sample}{cell(curve.label)}, area {words.number(curve.area)}</li>")
    many = len(evaluation.classes) > len(found) > 1
    which = f" The {len(found)} classes with the smallest areas are shown." if many else ""
    said = (
        "ROC curve: how many rows of a class are found, for how many others are taken for it. The "
        f"dashed line is chance.{which}"
    )
    drawn = figure(str(plot), said)
    key = f'<ul class="key" aria-label="Curves">{"".join(keys)}</ul>'
    return drawn.replace("<figcaption>", f"{key}<figcaption>", 1)
