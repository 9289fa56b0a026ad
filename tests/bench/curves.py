"""Latency against the load as a picture: a panel for p50 and one for p99, in SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.bench.load import Latency
from tests.bench.loads import CURVE, Pace
from tests.bench.plot import HEAD, MARGIN, PANEL, SHORT, page

Latencies = Mapping[str, Mapping[Pace, Latency]]
Span = tuple[float, float]

LEFT, RIGHT, TALL, FOOT = 44, 24, 260, 40
# The class of each server's line, its colour, and its colour in the dark.
COLORS = (
    ("one", "#0969da", "#4493f8"),
    ("two", "#bc4c00", "#f0883e"),
    ("three", "#1a7f37", "#3fb950"),
    ("four", "#59636e", "#9198a1"),
)


def _rules(number: int) -> str:
    return " ".join(
        f"polyline.{color[0]} {{ stroke: {color[number]} }} "
        f"circle.{color[0]}, text.{color[0]} {{ fill: {color[number]} }}"
        for color in COLORS
    )


STYLE = f"""
  line {{ stroke: #d1d9e0 }} polyline {{ fill: none; stroke-width: 2 }}
  .middle {{ text-anchor: middle }} .end {{ text-anchor: end }} {_rules(1)}
  @media (prefers-color-scheme: dark) {{ line {{ stroke: #3d444d }} {_rules(2)} }}
"""
FIGURES: tuple[tuple[str, Callable[[Latency], float]], ...] = (
    ("p50, ms from when a request was due", lambda latency: latency.p50),
    ("p99, ms from when a request was due", lambda latency: latency.p99),
)


def svg(latencies: Latencies) -> str:
    """Both panels, on the same scales; all scales are logarithmic. Connections are kept."""
    kept = {
        name: [several[pace] for pace in CURVE]
        for name, several in latencies.items()
        if set(CURVE) <= set(several)
    }
    known = [each for several in kept.values() for each in several]
    across = _span([each.rate for each in known])
    up = _span([time for each in known for time in (each.p50, each.p99)])
    parts = []
    for number, (title, value) in enumerate(FIGURES):
        x = MARGIN + number * (PANEL + MARGIN // 2)
        parts.append(f'<g transform="translate({x},{MARGIN})">')
        parts += _panel(kept, title, value, across, up)
        parts.append("</g>")
    return page(MARGIN + HEAD + TALL + FOOT + MARGIN, "Latency against the load", parts, STYLE)


def _panel(
    kept: Mapping[str, Sequence[Latency]],
    title: str,
    value: Callable[[Latency], float],
    across: Span,
    up: Span,
) -> Iterator[str]:
    bottom = HEAD + TALL
    yield f'<text class="head" x="0" y="14">{title}</text>'
    for tick in _ticks(up):
        y = _place(tick, up, bottom, HEAD)
        yield f'<line x1="{LEFT}" x2="{PANEL - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="quiet end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:,g}</text>'
    for tick in _ticks(across):
        x = _place(tick, across, LEFT, PANEL - RIGHT)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD}" y2="{bottom}"/>'
        yield f'<text class="quiet middle" x="{x:.1f}" y="{bottom + 16}">{tick:,.0f}</text>'
    middle = (LEFT + PANEL - RIGHT) / 2
    yield f'<text class="quiet middle" x="{middle}" y="{bottom + 34}">requests/s</text>'
    for row, ((color, *_), (name, several)) in enumerate(zip(COLORS, kept.items(), strict=False)):
        points = [
            (
                _place(each.rate, across, LEFT, PANEL - RIGHT),
                _place(value(each), up, bottom, HEAD),
            )
            for each in several
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline class="{color}" points="{line}"/>'
        for x, y in points:
            yield f'<circle class="{color}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        y = HEAD + 16 + row * 16
        yield f'<text class="{color} head" x="{LEFT + 8}" y="{y}">{SHORT[name]}</text>'


def _span(values: Sequence[float]) -> Span:
    """From and to a power of ten, or half or a fifth of one, so that all values are within."""
    steps = [digit * 10.0**power for power in range(-4, 8) for digit in (1, 2, 5)]
    low = max(step for step in steps if step <= min(values))
    return low, min(step for step in steps if step >= max(values) and step > low)


def _ticks(span: Span) -> Iterator[float]:
    low, high = span
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for digit in (1, 2, 5):
            if low <= (tick := digit * 10.0**power) <= high:
                yield tick


def _place(value: float, span: Span, first: float, last: float) -> float:
    """Where a value is between two ends, on a logarithmic scale."""
    low, high = map(math.log, span)
    return first + (math.log(value) - low) / (high - low) * (last - first)
