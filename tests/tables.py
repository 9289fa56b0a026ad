"""The parts of the docs that tests write: each stands between two marks of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs" / "models.md"


def check_table(name: str, table: str, document: Path = DOCS) -> None:
    """Compare text with the part of a document that is marked with this name.

    UPDATE_DOCS=1 writes the text into the document instead.
    """
    marks = re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)
    text = document.read_text()
    found = marks.search(text)
    assert found, f"{document} has no mark {name}"
    if os.environ.get("UPDATE_DOCS"):
        document.write_text(marks.sub(lambda _: f"{found[1]}{table.strip()}\n{found[3]}", text))
    else:
        assert found[2].strip() == table.strip(), f"UPDATE_DOCS=1 writes {document.name} anew"
