"""The rules: a short function for each kind of estimator, in a module for each family."""

from __future__ import annotations

import importlib
import pkgutil

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f".{module.name}", __name__)
