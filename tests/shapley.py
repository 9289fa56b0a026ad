"""Shapley values as they are defined, with no thought for time: what explanations are held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np


def brute_force(
    ask: Callable[[list[tuple[Any, ...]]], np.ndarray],
    row: Sequence[Any],
    background: Sequence[Sequence[Any]],
) -> tuple[np.ndarray, np.ndarray]:
    """The base, shape (n_outputs,), and the values, shape (n_features, n_outputs)."""
    width = len(row)

    def value(coalition: tuple[int, ...]) -> np.ndarray:
        mixed = [
            tuple(row[i] if i in coalition else other[i] for i in range(width))
            for other in background
        ]
        answers: np.ndarray = np.asarray(ask(mixed), dtype=float).reshape(len(mixed), -1)
        mean: np.ndarray = answers.mean(axis=0)
        return mean

    known = {c: value(c) for n in range(width + 1) for c in combinations(range(width), n)}
    values = np.zeros((width, len(known[()])))
    for feature in range(width):
        for coalition, without in known.items():
            if feature in coalition:
                continue
            n = len(coalition)
            share = math.factorial(n) * math.factorial(width - n - 1) / math.factorial(width)
            joined = tuple(sorted((*coalition, feature)))
            values[feature] += share * (known[joined] - without)
    return known[()], values
