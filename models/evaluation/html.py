"""An evaluation as one page that needs no script and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from models.evaluation import html_classes, svg, words
from models.evaluation.facts import Score
from models.evaluation.metrics import NOUNS
from models.evaluation.style import STYLE
from models.evaluation.tags import cell, figure, plain, table
from models.evaluation.text import SLICES

if TYPE_CHECKING:
    from models.evaluation.measure import Evaluation

MAX_GROUPS = 50
INTERVALS = (
    "These rows are a sample. The score on all rows of their kind lies within the 95 % interval in "
    "95 of 100 such samples."
)


def page(evaluation: Evaluation) -> str:
    """The whole document."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"Evaluation of {plain(evaluation.title)}"
    body = "\n".join(part for section in SECTIONS for part in section(evaluation))
    # A number and its percent sign stay in one line.
    body = body.replace(" %", "&#160;%")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body>"
        "</html>\n"
    )


def frame(evaluation: Evaluation) -> str:
    """The document in a frame of its own, for a notebook."""
    return (
        f'<iframe sandbox srcdoc="{escape(page(evaluation))}" width="100%" height="640" '
        f'title="Evaluation of {plain(evaluation.title)}"></iframe>'
    )


def _head(evaluation: Evaluation) -> Iterator[str]:
    yield f"<header><h1>Evaluation of {plain(evaluation.title)}</h1>"
    target = f" of {plain(evaluation.target)}" if evaluation.target else ""
    noun = NOUNS[evaluation.kind]
    article = "An" if noun[0] in "aeiou" else "A"
    yield f'<p class="quiet">{article} {noun}{target}: '
    yield f"{plain(evaluation.estimator)}, on {words.rows(evaluation.rows)} of "
    yield f"{plain(evaluation.data)}.</p></header>"
    yield f'<p class="lead">{plain(words.headline(evaluation))}</p>'
    yield from (f'<p class="note">{plain(note)}</p>' for note in evaluation.notes)
    if evaluation.gates:
        yield '<ul class="gates" aria-label="Gates">'
        for gate in evaluation.gates:
            if gate.missed:
                yield f'<li class="bad"><strong>Falls short:</strong> {plain(gate.missed)}</li>'
            else:
                yield f"<li><strong>Holds:</strong> {plain(gate.condition)}</li>"
        yield "</ul>"


def _scores(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.scores and not evaluation.unmeasured:
        return
    yield "<section><h2>Scores</h2>"
    rows = [
        [
            words.title(name),
            words.number(score.value),
            words.interval(score) or "unknown",
            f"<code>{name}</code>",
            plain(words.meaning(evaluation, name)),
        ]
        for name, score in evaluation.scores.items()
    ]
    header = ["Score", "Value", "95 % interval", "Name in gates", "Meaning"]
    yield table("Each score with its interval", header, rows, texts=(3, 4))
    yield f'<p class="quiet">{INTERVALS}</p>'
    for name, reason in evaluation.unmeasured.items():
        yield f'<p class="quiet">{words.title(name)} is not among them: {plain(reason)}.</p>'
    yield "</section>"


def _service(evaluation: Evaluation) -> Iterator[str]:
    found = evaluation.served
    if found is None:
        return
    said = plain(words.served(found, evaluation.version))
    yield f"<section><h2>The running service</h2><p>{said}</p>"
    if found.first:
        yield f"<ul>{''.join(f'<li>{plain(each)}</li>' for each in found.first)}</ul>"
    yield "</section>"


def _residuals(evaluation: Evaluation) -> Iterator[str]:
    found = evaluation.residuals
    if found is None:
        return
    yield '<section><h2>Errors</h2><div class="plots">'
    both = [number for pair in found.points for number in pair]
    span = (min(both), max(both))
    label = f"Predicted against actual {evaluation.target} of {len(found.points)} rows"
    plot = svg.Plot(label, span, span, (f"actual {evaluation.target}", "predicted"))
    plot.line([(span[0], span[0]), (span[1], span[1])], "guide")
    plot.dots(found.points)
    low, high = found.errors.quantiles["5 %"], found.errors.quantiles["95 %"]
    yield figure(
        str(plot),
        "Each dot is a row; on the dashed line, the prediction is the actual number. "
        f"{len(found.points)} rows drawn at random are shown.",
        "many",
    )
    yield figure(
        _bars(evaluation, "actual minus predicted"),
        f"Nine of ten errors lie between {words.number(low)} and {words.number(high)}; right of 0, "
        "the prediction is too low.",
    )
    yield "</div>"
    cells = [[words.number(value) for value in found.errors.quantiles.values()]]
    yield table("Quantiles of actual minus predicted", list(found.errors.quantiles), cells)
    yield "</section>"


def _bars(evaluation: Evaluation, name: str) -> str:
    """The histogram of residuals, or of the scores of outliers."""
    found = evaluation.residuals.errors if evaluation.residuals else evaluation.spread
    assert found  # noqa: S101 - the section is made for one of them
    label = f"Histogram of {name}, from {found.edges[0]:.4g} to {found.edges[-1]:.4g}"
    ends, counts = (found.edges[0], found.edges[-1]), (0.0, float(max(found.counts)))
    plot = svg.Plot(label, ends, counts, (name, "rows"))
    plot.bars(found.edges, found.counts)
    return str(plot)


def _groups(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.groups:
        return
    outliers = evaluation.kind == "outliers"
    yield f"<section><h2>{'Outliers' if outliers else 'Clusters'}</h2>"
    rows = [
        [cell(group.label), f"{group.rows:,}", words.percent(group.rows / evaluation.rows)]
        for group in evaluation.groups[:MAX_GROUPS]
    ]
    yield table("Sizes", ["Rows said to be" if outliers else "Cluster", "Rows", "Share"], rows)
    if len(evaluation.groups) > MAX_GROUPS:
        yield f"<p>These are the largest of {len(evaluation.groups):,}.</p>"
    if evaluation.spread:
        said = "The scores of the rows: the lower a score, the more a row is an outlier."
        yield figure(_bars(evaluation, "score"), said)
    yield "</section>"


def _slices(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.slices:
        return
    yield "<section><h2>Slices</h2>"
    for column in dict.fromkeys(each.column for each in evaluation.slices):
        slices = [each for each in evaluation.slices if each.column == column]
        names = list(dict.fromkeys(name for each in slices for name in each.scores))
        header = [cell(column), "Rows"]
        for name in names:
            header += [words.title(name), "95 % interval"]
        # A table with a picture of each score would be too wide.
        span = _span([each.scores.get(name) for each in slices for name in names[:1]])
        rows = []
        for each in slices:
            row = [cell(each.value), f"{each.rows:,}"]
            for name in names:
                row += _score(each.scores.get(name), worse=name in each.worse)
            rows.append([*row, _mark(each.scores.get(names[0]), span)] if names else row)
        picture = [f"{words.title(names[0])}, drawn"] if names else []
        yield table(f"Scores by {column}", header + picture, rows, kind="short")
    yield f'<p class="quiet">{SLICES}</p></section>'


def _span(scores: Sequence[Score | None]) -> tuple[float, float]:
    """The range that all these scores and their intervals lie in."""
    known = [score for score in scores if score]
    ends = [each for s in known for each in (s.low, s.value, s.high) if each is not None]
    return min(ends, default=0.0), max(ends, default=1.0)


def _score(score: Score | None, *, worse: bool) -> list[str]:
    """The cells of a slice's score: its value, and its interval."""
    if score is None:
        return ["none", ""]
    value = words.number(score.value)
    if worse:
        value = f'<span class="worse">{value} worse</span>'
    return [value, words.interval(score) or "unknown"]


def _mark(score: Score | None, span: tuple[float, float]) -> str:
    if score is None:
        return ""
    low, high = (score.value if end is None else end for end in (score.low, score.high))
    return svg.mark(low, score.value, high, span)


def _facts(evaluation: Evaluation) -> Iterator[str]:
    yield "<section><h2>What was evaluated</h2><dl>"
    facts = {
        "Model": f"<code>{plain(evaluation.model)}</code>",
        "SHA-256 of the model": f"<code>{evaluation.version}</code>",
        "Estimator": plain(evaluation.estimator),
        "Data": f"<code>{plain(evaluation.data)}</code>",
        "SHA-256 of the data": f"<code>{evaluation.sha256}</code>" if evaluation.sha256 else "",
        "Target": plain(evaluation.target),
        "Rows": f"{evaluation.rows:,}",
        "Rows left out": "; ".join(
            f"{count:,}: {plain(reason)}" for reason, count in evaluation.left_out.items()
        )
        or "none",
    }
    yield from (f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items() if value)
    yield "</dl></section>"


SECTIONS: tuple[Callable[[Evaluation], Iterator[str]], ...] = (
    _head,
    _scores,
    _service,
    html_classes.classes,
    html_classes.probabilities,
    _residuals,
    _groups,
    _slices,
    _facts,
)
