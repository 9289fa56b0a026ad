"""The results as a picture: one panel of bars for each figure and model, in SVG."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tests.bench.loads import KEPT_1, KEPT_16
from tests.bench.results import Results, Value, p50, rate

WIDTH, PANEL, LABELS, NUMBERS = 900, 430, 130, 62
BAR, GAP, HEAD, MARGIN = 16, 8, 34, 16
SHORT = {
    "ours": "this server",
    "ours-sklearn": "without the plan",
    "flask": "Flask + uWSGI",
    "fastapi": "FastAPI",
    "mlserver": "MLServer",
    "kserve": "KServe",
    "bentoml": "BentoML",
}
# It brings its own background, so that it can be read on any page.
STYLE = """
  rect.page { fill: #ffffff } text { fill: #1f2328; font: 12px system-ui, sans-serif }
  rect { fill: #9aa4b2 } rect.own { fill: #0969da } text.own { font-weight: 600 }
  .head { font-weight: 600; font-size: 13px } .name { text-anchor: end } .quiet { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    rect.page { fill: #0d1117 } text { fill: #e6edf3 } rect { fill: #59636e }
    rect.own { fill: #4493f8 } .quiet { fill: #9198a1 }
  }
"""
FIGURES: tuple[tuple[str, str, Value], ...] = (
    ("requests/s, 16 connections kept (more is better)", ",.0f", rate(KEPT_16)),
    ("median ms to an answer, alone (less is better)", ".2f", p50(KEPT_1)),
)


def svg(results: Results) -> str:
    """The whole picture; the constant answer is a line of text, else no other bar were visible."""
    parts, y = [], MARGIN
    for model in results.models:
        for across, (what, form, value) in enumerate(FIGURES):
            x = MARGIN + across * (PANEL + MARGIN // 2)
            parts.append(f'<g transform="translate({x},{y})">')
            parts += panel(results, model, f"{model}: {what}", form, value)
            parts.append("</g>")
        y += HEAD + (1 + len(bars_of(results, model))) * (BAR + GAP) + GAP + MARGIN
    return page(y, "Speed of this server and its peers", parts)


def bars_of(results: Results, model: str) -> list[str]:
    """The servers with a bar; the constant answer has a line of text."""
    return [name for name in results.servers(model) if name in SHORT]


def page(height: int, title: str, parts: list[str], style: str = "") -> str:
    """A picture with its own background."""
    size = f'width="{WIDTH}" height="{height}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {size} role="img">'
    )
    start = [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}{style}</style>"]
    background = f'<rect class="page" {size} rx="8"/>'
    return "\n".join([*start, background, *parts, "</svg>"]) + "\n"


def panel(results: Results, model: str, title: str, form: str, value: Value) -> Iterator[str]:
    """A heading, a bar for each server, and what a constant answer reaches."""
    values = {name: results.median(name, model, value) for name in results.servers(model)}
    bars = {name: values[name] for name in bars_of(results, model)}
    longest = max((number for number in bars.values() if number), default=1.0)
    yield f'<text class="head" x="0" y="14">{escape(title)}</text>'
    y = HEAD
    for name, number in bars.items():
        own = "own" if name == "ours" else ""
        width = (PANEL - LABELS - NUMBERS) * (number or 0) / longest
        end, line = LABELS + width + 6, y + 12
        text = "failed" if number is None else format(number, form)
        yield f'<text class="name {own}" x="{LABELS - 8}" y="{line}">{SHORT[name]}</text>'
        size = f'width="{width:.1f}" height="{BAR}"'
        yield f'<rect class="{own}" x="{LABELS}" y="{y}" {size} rx="2"/>'
        yield f'<text class="{own}" x="{end:.1f}" y="{line}">{text}</text>'
        y += BAR + GAP
    floor = values.get("floor-kept")
    if floor is not None:
        text = f"a constant answer: {floor:{form}}"
        yield f'<text class="quiet" x="{LABELS}" y="{y + 12}">{text}</text>'
