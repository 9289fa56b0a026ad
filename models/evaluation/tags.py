"""The elements of a report, in HTML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

# A label may be a whole text.
MAX_CHARACTERS = 400
MAX_CELL_CHARACTERS = 80


def plain(text: str, most: int = MAX_CHARACTERS) -> str:
    """A text that may come from data, escaped: in one line, and cut after `most` characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: most + 1])
    return escape(line if len(line) <= most else f"{line[: most - 1]}…")


def cell(text: str) -> str:
    """A text of data for the cell of a table."""
    return plain(text, MAX_CELL_CHARACTERS)


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    texts: Collection[int] = (),
    kind: str = "",
) -> str:
    """A table of HTML cells, whose first column heads the rows; `texts` are columns of text.

    A phone scrolls it sideways, also by the keyboard.
    """
    name = plain(caption, MAX_CELL_CHARACTERS)
    heads = "".join(
        f'<th scope="col"{_kind(i, texts)}>{head}</th>' for i, head in enumerate(header)
    )
    lines = []
    for row in rows:
        first, *others = row
        cells = "".join(
            each if each.startswith("<td") else f"<td{_kind(i, texts)}>{each}</td>"
            for i, each in enumerate(others, 1)
        )
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    opening = f'<table class="{kind}">' if kind else "<table>"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f"{opening}<caption>{name}</caption>"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>{chr(10).join(lines)}</tbody></table></div>"
    )


def _kind(column: int, texts: Collection[int]) -> str:
    return ' class="text"' if column in texts else ""


def figure(plot: str, caption: str, kind: str = "") -> str:
    """A plot with a sentence on what it says."""
    name = f' class="{kind}"' if kind else ""
    return f"<figure{name}>{plot}<figcaption>{plain(caption)}</figcaption></figure>"
