"""Check a model's file in a process of its own, before anyone is answered by it.

`python -m models.candidate` is that process; `check` starts it, and gives its verdict.
"""

from __future__ import annotations

from models.candidate.facts import Served, Verdict
from models.candidate.supervise import check

__all__ = ["Served", "Verdict", "check"]
