"""Measure a model on rows whose answers are known, and compare it with another model."""

from __future__ import annotations

from pathlib import Path

# The folder of evaluations and comparisons.
REPORTS = Path("reports")
