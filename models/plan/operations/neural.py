"""Neural networks."""

from __future__ import annotations

import numpy as np

from .linear import expit, softmax


def layer(
    x: np.ndarray, *, weights: np.ndarray, intercepts: np.ndarray, activation: str
) -> np.ndarray:
    """One layer: a function of x @ weights + intercepts, shape (n, n_neurons)."""
    found = x.dot(weights) + intercepts
    match activation:
        case "relu":
            return np.maximum(found, 0, out=found)
        case "tanh":
            return np.tanh(found, out=found)
        case "logistic":
            return expit(found)
        case "softmax":
            return softmax(found)
        case "exp":
            return np.exp(found, out=found)
        case _:
            return found


OPERATIONS = (layer,)
