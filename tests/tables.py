"""The tables of the docs that tests make: each stands between two marks of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs" / "models.md"


def check_table(name: str, table: str) -> None:
    """Compare a Markdown table with the one in the docs; UPDATE_DOCS=1 writes it there instead."""
    marks = re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)
    text = DOCS.read_text()
    found = marks.search(text)
    assert found, f"docs/models.md has no mark {name}"
    if os.environ.get("UPDATE_DOCS"):
        DOCS.write_text(marks.sub(lambda _: f"{found[1]}{table.strip()}\n{found[3]}", text))
    else:
        assert found[2].strip() == table.strip()
