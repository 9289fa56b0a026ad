"""The operations of plans: functions of numpy arrays, in a module for each family.

Inputs are positional, fitted arrays and other settings come by keyword. Rows are the first axis of
every array; n is the number of rows.
"""

from __future__ import annotations

import importlib
import pkgutil

from ..operation import OPERATIONS, Operation

__all__ = ["OPERATIONS", "Operation"]

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f".{module.name}", __name__)
