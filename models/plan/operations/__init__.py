"""The operations of plans: functions of numpy arrays, in a module for each family.

Inputs are positional, fitted arrays and other settings come by keyword. Rows are the first axis of
every array; n is the number of rows.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from ..operation import OPERATIONS, Operation

__all__ = ["OPERATIONS", "Operation"]

# pkgutil would find them too, and takes 9 ms of a start to import.
for module in sorted(Path(__file__).parent.glob("[!_]*.py")):
    importlib.import_module(f".{module.stem}", __name__)
