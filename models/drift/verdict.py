"""What is said of a difference: whether it is one, and how large."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["unknown", "too few", "none", "within noise", "slight", "drifted", "drifted much"]
# The verdicts that somebody should be told of: a slight drift is sure, but too small to matter.
DRIFTED = ("drifted", "drifted much")
AccuracyVerdict = Literal["unknown", "too few", "worse", "no difference seen", "better"]
