"""Remember which plans an environment has made: under a pin it serves no other.

`MODEL_SHA256` pins the model, and its plan only names it. The record is in the environment:
whoever could write it could write the code beside it. Only the standard library is used, since
make asks before it bakes.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

NAME = ".baked"
RECORD = Path(sys.prefix) / NAME
# The record has a line of 65 bytes for each plan; at this size its older half goes.
MAX_BYTES = 65 * 10_000


def remember(digest: str) -> None:
    """Add the SHA-256 of a plan to the record, where it can be written."""
    with contextlib.suppress(OSError):
        with RECORD.open("a") as record:
            record.write(f"{digest}\n")
        if RECORD.stat().st_size > MAX_BYTES:
            lines = RECORD.read_text().splitlines(keepends=True)
            new = RECORD.with_name(f"{RECORD.name}.new")
            new.write_text("".join(lines[len(lines) // 2 :]))
            new.replace(RECORD)


def is_ours(digest: str, record: Path | None = None) -> bool:
    """Whether the plan with this SHA-256 was made here, or as another environment's record says."""
    try:
        return digest in (record or RECORD).read_text().splitlines()
    except OSError:
        return False
