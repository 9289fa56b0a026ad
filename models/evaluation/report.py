"""Write an evaluation as JSON, and as a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.evaluation import REPORTS
from models.evaluation.html import page
from models.files import write_file

if TYPE_CHECKING:
    from models.evaluation.measure import Evaluation


def save(evaluation: Evaluation, folder: Path = REPORTS) -> tuple[Path, Path]:
    """Write NAME-VERSION.json and NAME-VERSION.html into the folder, and give their paths.

    Raises OSError if they cannot be written.
    """
    stem = re.sub(r"[^\w.-]+", "-", evaluation.title.replace(" ", "-"), flags=re.ASCII)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{stem}.json", folder / f"{stem}.html"
    encoded = msgspec.json.encode(evaluation)
    write_file(paths[0], msgspec.json.format(encoded, indent=2) + b"\n")
    write_file(paths[1], page(evaluation).encode("utf-8", "replace"))
    return paths
