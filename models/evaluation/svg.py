"""Plots as SVG for a page that brings the colours: axes, lines, dots, bars, intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from models.evaluation.tags import plain

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 46
TICKS = 5
# The name of an axis may be a column of the data, in characters.
MAX_NAME = 60
# Shades of a heat map, from the least to the most.
SHADES = 5

Range = tuple[float, float]


class Plot:
    """One plot in the making: what is drawn lies in the ranges `x` and `y`; `str` gives the SVG.

    `label` says in a sentence what a person sees, for those who do not see it.
    """

    def __init__(self, label: str, x: Range, y: Range, names: tuple[str, str]) -> None:
        self._label = label
        self._x, self._y = _wide(x), _wide(y)
        self._parts: list[str] = []
        self._axes(*names)

    def x(self, value: float) -> float:
        """The place of a value on the horizontal axis, in pixels."""
        low, high = self._x
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """The place of a value on the vertical axis, in pixels."""
        low, high = self._y
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def _axes(self, x_name: str, y_name: str) -> None:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value in ticks(*self._x):
            at = self.x(value)
            self._parts.append(f'<path class="grid" d="M{at} {TOP}V{bottom}"/>')
            self._text(at, bottom + 16, short(value), "middle")
        for value in ticks(*self._y):
            at = self.y(value)
            self._parts.append(f'<path class="grid" d="M{LEFT} {at}H{right}"/>')
            self._text(LEFT - 7, at + 4, short(value), "end")
        self._text((LEFT + right) / 2, HEIGHT - 8, x_name, "middle", "axis")
        middle = (TOP + bottom) / 2
        turned = f' transform="rotate(-90 14 {middle:g})"'
        self._text(14, middle, y_name, "middle", "axis", turned)

    def _text(
        self, x: float, y: float, text: str, anchor: str, kind: str = "tick", more: str = ""
    ) -> None:
        self._parts.append(
            f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>'
            f"{plain(text, MAX_NAME)}</text>"
        )

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """A line through points; `kind` is its class."""
        path = "L".join(f"{self.x(x):g} {self.y(y):g}" for x, y in points)
        self._parts.append(f'<path class="line {kind}" d="M{path}"/>')

    def dots(self, points: Iterable[tuple[float, float]], radius: float = 2.5) -> None:
        """A dot at each point."""
        self._parts += [
            f'<circle class="dot" cx="{self.x(x):g}" cy="{self.y(y):g}" r="{radius:g}"/>'
            for x, y in points
        ]

    def intervals(self, ends: Iterable[tuple[float, float, float]]) -> None:
        """Vertical intervals: the place on the horizontal axis, the low and the high end."""
        for x, low, high in ends:
            at, bottom, top = self.x(x), self.y(low), self.y(high)
            caps = f"M{at - 4:g} {bottom}h8M{at - 4:g} {top}h8"
            self._parts.append(f'<path class="interval" d="M{at} {bottom}V{top}{caps}"/>')

    def bars(self, edges: Sequence[float], counts: Sequence[int]) -> None:
        """The bars of a histogram."""
        bottom = self.y(0)
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
            left, top = self.x(low), self.y(count)
            size = f'width="{max(self.x(high) - left - 1, 0.5):.1f}" height="{bottom - top:.1f}"'
            self._parts.append(f'<rect class="bar" x="{left:g}" y="{top:g}" {size}/>')

    def __str__(self) -> str:
        """The SVG."""
        return _svg(WIDTH, HEIGHT, self._label, "".join(self._parts))


def heat_map(label: str, shares: np.ndarray) -> str:
    """A square of n by n cells, darker for a larger share in `shares`, shape (n, n)."""
    count = len(shares)
    size = 400 / count
    shades = np.ceil(np.clip(shares, 0, 1) * SHADES).astype(int)
    paths = []
    for shade in range(1, SHADES + 1):
        cells = "".join(f"M{j} {i}h1v1h-1z" for i, j in np.argwhere(shades == shade))
        if cells:
            paths.append(f'<path class="heat h{shade}" d="{cells}"/>')
    frame = f'<rect class="frame" width="{count}" height="{count}"/>'
    body = f'<g transform="translate(2 2) scale({size:.4g})">{frame}{"".join(paths)}</g>'
    return _svg(404, 404, label, body)


def mark(low: float, value: float, high: float, scale: Range) -> str:
    """A value and its interval on a scale, small enough for the cell of a table."""
    start, end = _wide(scale)
    width, middle = 120, 8

    def at(number: float) -> str:
        return f"{3 + (width - 6) * min(max((number - start) / (end - start), 0), 1):.1f}"

    return (
        f'<svg class="mark" viewBox="0 0 {width} {2 * middle}" aria-hidden="true">'
        f'<path class="grid" d="M3 {middle}H{width - 3}"/>'
        f'<path class="interval" d="M{at(low)} {middle}H{at(high)}"/>'
        f'<circle class="dot" cx="{at(value)}" cy="{middle}" r="3.5"/></svg>'
    )


def _svg(width: int, height: int, label: str, body: str) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{plain(label)}">{body}</svg>'
    )


def _wide(span: Range) -> Range:
    """A range of more than one number."""
    low, high = span
    if high - low > abs(low) * 1e-9:
        return low, high
    reach = abs(low) / 2 or 0.5
    return low - reach, high + reach


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [each * step for each in range(first, last + 1)]


def short(value: float) -> str:
    """A number of an axis, as short as it can be."""
    size = abs(value)
    for power, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if power <= size < 1e12:
            return f"{value / (1e3 if letter == 'k' else power):.4g}{letter}"
    return f"{value:.4g}" if size > 1e-12 else "0"
