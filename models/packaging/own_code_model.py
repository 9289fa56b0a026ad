"""The model in a package that has its joblib file, and own code of its author that this names."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from models import fitted
from models.model import Model
from models.plan import format as plans

# A program that uses the package decides on its log.
logging.getLogger("models").addHandler(logging.NullHandler())


def load(folder: Path) -> Model:
    """The model `model.joblib` in a folder, run by scikit-learn. Raises ModelError."""
    plan = plans.load(folder / "model.plan.npz")
    with named_models(__name__.removesuffix(".packaging.own_code_model")):
        return fitted.load(folder / "model.joblib", "", (plan.signature, plan.batchable))


@contextlib.contextmanager
def named_models(home: str) -> Iterator[None]:
    """A context in which the package `home` is also called `models`, as the joblib file calls it.

    A program may have another `models`, which stays as it is.
    """
    package, before = sys.modules[home], _named()
    for name in before:
        del sys.modules[name]
    sys.modules["models"] = package
    try:
        yield
    finally:
        for name in _named():
            del sys.modules[name]
        sys.modules.update(before)


def _named() -> dict[str, ModuleType]:
    """The modules that have been imported as `models` or as a part of it."""
    return {
        name: module for name, module in sys.modules.items() if name.partition(".")[0] == "models"
    }
