"""Tell whether what a model gets and answers differs from its training, by counts that add up."""

from __future__ import annotations

from models.drift.layout import Layout

__all__ = ["Layout"]
