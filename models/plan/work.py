"""The work of a plan, counted instead of measured.

A plan must not depend on how busy the machine is that makes it. The figures are microseconds,
measured once on one core; decisions need only their rough size.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .format import Plan, Step, needed_steps
from .operations import OPERATIONS

# Requests are batched if one row costs more: queueing costs about 10 microseconds.
BATCH_ABOVE_MICROSECONDS = 40.0
# Microseconds of a numpy operation and of each fitted number in it; then of both in Python.
OPERATION, NUMBER, PYTHON_OPERATION, PYTHON_NUMBER = 2.0, 0.0005, 0.3, 0.03
# Microseconds of a level of a walk through trees; of each tree at a level: 1st row, each row.
LEVEL, FIRST_LANE, LANE = 2.0, 0.012, 0.003
# Microseconds, for a row in Python, of a feature that clears leaves, and of a byte of leaves.
PYTHON_LINE, PYTHON_BYTE = 0.3, 0.00005


class Work(NamedTuple):
    """Microseconds of a call, of each row in a call, and of one row in Python's own numbers."""

    call: float
    row: float
    python: float


def of_method(plan: Plan, method: str) -> Work:
    """The work of all steps that a method needs."""
    found = [of_step(plan, plan.steps[place - 1]) for place in needed_steps(plan, method)]
    return Work(*map(sum, zip(*found, strict=True))) if found else Work(0, 0, 0)


def is_batched(plan: Plan, method: str) -> bool:
    """Whether batching pays: a call takes long, and a further row less than a further call."""
    work = of_method(plan, method)
    return work.call + work.row > BATCH_ABOVE_MICROSECONDS and work.row < work.call


def is_sooner_in_python(plan: Plan, method: str) -> bool:
    """Whether Python's own numbers answer one row sooner than numpy's arrays."""
    work = of_method(plan, method)
    return work.python < work.call + work.row


def of_step(plan: Plan, step: Step) -> Work:
    """The work of one step."""
    arrays = [
        plan.arrays[setting["array"]]
        for setting in step.settings.values()
        if isinstance(setting, dict) and "array" in setting
    ]
    if step.operation in ("walk", "walk_shallow", "bitset_votes"):
        return of_trees(plan, step, arrays)
    record = OPERATIONS[step.operation]
    size = max(((array[:1] if record.gathers else array).size for array in arrays), default=0)
    sources = [OPERATIONS[plan.steps[place - 1].operation] for place in step.inputs if place]
    python = PYTHON_OPERATION + PYTHON_NUMBER * size
    if not record.one_row or (step.operation == "log" and any(each.zeros for each in sources)):
        python = np.inf
    elif record.of_leaves and step.operation != "leaf_values":
        python += 2 * OPERATION
    return Work(OPERATION, NUMBER * size, python)


def of_trees(plan: Plan, step: Step, arrays: list[np.ndarray]) -> Work:
    """The work of finding the leaves of trees."""
    settings: dict[str, Any] = step.settings
    features = settings["features"]
    asked = features if isinstance(features, list) else plan.arrays[features["array"]]
    lines, size = len(np.unique(asked)), max(array.size for array in arrays)
    if step.operation == "walk":
        lanes, levels = settings["count"], settings["depth"]
        call, row = levels * (LEVEL + lanes * FIRST_LANE), levels * lanes * LANE
    else:
        call, row = (
            OPERATION * (2 + lines if step.operation == "bitset_votes" else 4),
            size * LANE / 8,
        )
    return Work(call, row, PYTHON_OPERATION + lines * (PYTHON_LINE + PYTHON_BYTE * size / 16))
