"""Try a model in this process, where a test is not about the process that tries models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from models.engines.trial import TrialError


def here(function: Callable[[], Any], _: float) -> Any:
    """Call a function as `trial.apart` does, in this process."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()
    except Exception as error:
        raise TrialError(f"it raised {type(error).__name__}") from error
