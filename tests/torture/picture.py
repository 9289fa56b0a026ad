"""The outcome of a simulation as a picture: accuracy by blocks of rows, the change, and the swaps."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.learning import Outcome

WIDTH, HEIGHT = 900, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 24, 56, 96
BLOCK = 100
STYLE = """
  rect.page { fill: #ffffff } text { fill: #1f2328; font: 12px system-ui, sans-serif }
  .head { font-weight: 600; font-size: 14px } .quiet { fill: #59636e } .mid { text-anchor: middle }
  .end { text-anchor: end } path { fill: none } .grid { stroke: #d1d9e0 }
  .line { stroke: #0969da; stroke-width: 2 } .best { stroke: #59636e; stroke-dasharray: 5 4 }
  .change { stroke: #b3261e; stroke-width: 1.5 } .bad { fill: #b3261e }
  .swap { stroke: #1a7f37; stroke-width: 1.5 } .good { fill: #1a7f37 }
  circle { fill: #ffffff; stroke: #59636e; stroke-width: 1.5 } circle.on { fill: #1a7f37; stroke: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    rect.page { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9198a1 }
    .grid { stroke: #3d444d } .line { stroke: #4493f8 } .best { stroke: #9198a1 }
    .change { stroke: #ff7b72 } .bad { fill: #ff7b72 } .swap { stroke: #3fb950 }
    .good { fill: #3fb950 } circle { fill: #0d1117; stroke: #9198a1 }
    circle.on { fill: #3fb950; stroke: #3fb950 }
  }
"""


def svg(outcome: Outcome) -> str:
    """The picture, with its own background, for light and dark pages."""
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    title = (
        f"Accuracy in blocks of {BLOCK} rows: it falls as the truth changes after "
        f"{outcome.change:,} rows, and is back once a version that learnt of it takes over"
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {size} role="img">'
    )
    parts = [head, f"<title>{title}</title>", f"<style>{STYLE}</style>"]
    parts += [f'<rect class="page" {size} rx="8"/>', *_Chart(outcome).parts(), "</svg>"]
    return "\n".join(parts) + "\n"


class _Chart:
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._rows = len(outcome.right)

    def parts(self) -> Iterator[str]:
        """The axes, the line, the change, the swaps, and below them the trainings."""
        outcome = self._outcome
        yield _text(LEFT, 24, "A service that learns of a change by itself", "head")
        told = "right answers in blocks of 100 rows; the truth of each third row is told"
        yield _text(LEFT, 42, told, "quiet")
        yield from self._axes()
        yield f'<path class="best" d="M{LEFT} {_y(outcome.best)}H{WIDTH - RIGHT}"/>'
        best = f"a model of 10,000 rows of the new truth: {100 * outcome.best:.1f} %"
        yield _text(WIDTH - RIGHT, _y(outcome.best) + 40, best, "quiet end")
        yield self._upright(outcome.change, "change", "the truth changes", "bad")
        for swap in outcome.swaps:
            yield self._upright(swap, "swap", "a new version takes over", "good")
        points = [
            f"{self._x(start + BLOCK / 2):.1f} {_y(outcome.accuracy(start, start + BLOCK)):.1f}"
            for start in range(0, self._rows - BLOCK + 1, BLOCK)
        ]
        yield f'<path class="line" d="M{"L".join(points)}"/>'
        yield from self._trainings()

    def _axes(self) -> Iterator[str]:
        for tick in range(0, 101, 20):
            y = _y(tick / 100)
            yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
            yield _text(LEFT - 8, y + 4, f"{tick} %", "quiet end")
        for row in range(0, self._rows + 1, 1_000):
            yield _text(self._x(row), HEIGHT - BOTTOM + 18, f"{row:,}", "quiet mid")
        yield _text(WIDTH - RIGHT, HEIGHT - BOTTOM + 36, "rows that were answered", "quiet end")

    def _upright(self, row: int, line: str, what: str, text: str) -> str:
        x, bottom = self._x(row), HEIGHT - BOTTOM
        return f'<path class="{line}" d="M{x:.1f} {TOP}V{bottom}"/>' + _text(
            x + 6, bottom - 10, what, text
        )

    def _trainings(self) -> Iterator[str]:
        y = HEIGHT - 32
        yield _text(LEFT, y - 14, "trainings; filled: the new version is surely better", "quiet")
        for each in self._outcome.trainings:
            kind = ' class="on"' if each.report.get("activated") else ""
            yield f'<circle{kind} cx="{self._x(each.row):.1f}" cy="{y}" r="5"/>'

    def _x(self, row: float) -> float:
        return LEFT + row / self._rows * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{text}</text>'
