"""Try a model in this process, where a test is not about the process that tries models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models import baking, fitted
from models.engines.trial import TrialError
from models.plan import proof_rows


def here(function: Callable[[], Any], _: float) -> Any:
    """Call a function as `trial.apart` does, in this process."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()
    except Exception as error:
        raise TrialError(f"it raised {type(error).__name__}") from error


def bake(path: Path) -> None:
    """Bake a model that has a plan for each of its methods, proved with as few rows as are enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted, "apart", here)
        patch.setattr(proof_rows, "ROWS", 1_200)
        patch.setattr(proof_rows, "ONE_ROW_BATCHES", 5)
        report = baking.bake(path)
    assert not [facts for facts in report.values() if "reason" in facts]
