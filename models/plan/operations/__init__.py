"""The operations that plans are made of: plain functions of numpy arrays.

Each module has those of one family, and lists them in OPERATIONS. Inputs are positional, what is
fitted comes by keyword. Rows are the first axis of every array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    arrays,
    baseline,
    bayes,
    calibration,
    categories,
    committees,
    distances,
    ensemble,
    expand,
    float32,
    gaussian,
    kernels,
    leaves,
    linear,
    multi,
    neighbors,
    neural,
    rows,
    scaling,
    sparse,
    target,
    text,
    trees,
    votes,
)

OPERATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for module in (
        arrays,
        baseline,
        bayes,
        calibration,
        categories,
        committees,
        distances,
        ensemble,
        expand,
        float32,
        gaussian,
        kernels,
        leaves,
        linear,
        multi,
        neighbors,
        neural,
        rows,
        scaling,
        sparse,
        target,
        text,
        trees,
        votes,
    )
    for function in module.OPERATIONS
}
