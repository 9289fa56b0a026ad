"""XGBoost's functions of float32 scores, to the last bit.

XGBoost uses the C library's expf; numpy has an exponential function of its own for float32.
"""

from __future__ import annotations

import numpy as np

from ..operation import operation

# Powers of two of 0/32 to 31/32, and the polynomial between them. Source: expf of glibc, from Arm's
# optimized routines; it computes in float64.
PARTS = 32
POWERS = np.exp2(np.arange(PARTS) / PARTS)
INVERSE_OF_LOG2 = float.fromhex("0x1.71547652b82fep+0") * PARTS
CUBIC = float.fromhex("0x1.c6af84b912394p-5") / PARTS**3
SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / PARTS**2
LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / PARTS
# Arguments beyond these give infinity or zero.
HIGHEST, LOWEST = 89.0, -104.0
# Source: common::Sigmoid of XGBoost.
STEEPEST, TINY = np.float32(88.7), np.float32(1e-16)


@operation()
def exp_of_float32(x: np.ndarray) -> np.ndarray:
    """The exponential function."""
    scaled = INVERSE_OF_LOG2 * np.clip(x.astype(np.float64), LOWEST, HIGHEST)
    whole = np.rint(scaled)
    rest = scaled - whole
    places = whole.astype(np.int64)
    power = np.ldexp(POWERS.take(places % PARTS), places // PARTS)
    value = (CUBIC * rest + SQUARE) * (rest * rest) + (LINEAR * rest + 1)
    return (value * power).astype(np.float32)


@operation()
def expit_of_float32(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    one = np.float32(1)
    return one / (exp_of_float32(np.minimum(-x, STEEPEST)) + one + TINY)


@operation()
def softmax_of_float32(scores: np.ndarray) -> np.ndarray:
    """Probabilities from one score for each class; their sum is computed in float64."""
    powers = exp_of_float32(scores - scores.max(axis=1, keepdims=True))
    total = np.add.accumulate(powers, axis=1, dtype=np.float64)[:, -1:]
    return powers / total.astype(np.float32)
