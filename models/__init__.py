"""Everything about models: `load` one, train one, write its card, compile and prove its plan.

model = models.load("models/latest.joblib")
model.predict(rows)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.engines.choose import load as load
    from models.errors import InvalidRows as InvalidRows
    from models.errors import ModelError as ModelError
    from models.evaluation.compare import compare as compare
    from models.evaluation.measure import evaluate as evaluate
    from models.packaging.package import package as package
    from models.training.train import train as train

# The module of each name, imported at the name's first use: a bare Python runs
# `models.environment` before there is msgspec.
_HOMES = {
    "InvalidRows": "models.errors",
    "ModelError": "models.errors",
    "compare": "models.evaluation.compare",
    "evaluate": "models.evaluation.measure",
    "load": "models.engines.choose",
    "package": "models.packaging.package",
    "train": "models.training.train",
}

__all__ = ["InvalidRows", "ModelError", "compare", "evaluate", "load", "package", "train"]


def __getattr__(name: str) -> Any:
    """Import the module that a public name lies in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
