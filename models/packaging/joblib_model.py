"""The model in a package that has its joblib file: scikit-learn runs what its plan lacks."""

from __future__ import annotations

import logging
from pathlib import Path

from models.engines import choose
from models.model import Model

# A program that uses the package decides on its log.
logging.getLogger("models").addHandler(logging.NullHandler())


def load(folder: Path) -> Model:
    """The model `model.joblib` in a folder, with its plan and its card. Raises ModelError."""
    return choose.load(folder / "model.joblib")
