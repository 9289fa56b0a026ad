"""What XGBoost makes of scores in single precision, to the last bit.

It takes the exponential function of the C library, which numpy does not for float32.
"""

from __future__ import annotations

import numpy as np

# The powers of two of 0/32 to 31/32, and the polynomial for what is between them. Source: expf of
# glibc, which is that of Arm's optimized routines, and works in double precision inside.
PARTS = 32
POWERS = np.exp2(np.arange(PARTS) / PARTS)
INVERSE_OF_LOG2 = float.fromhex("0x1.71547652b82fep+0") * PARTS
CUBIC = float.fromhex("0x1.c6af84b912394p-5") / PARTS**3
SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / PARTS**2
LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / PARTS
# Beyond these the result is infinite or zero.
HIGHEST, LOWEST = 89.0, -104.0
# Source: common::Sigmoid of XGBoost.
STEEPEST, TINY = np.float32(88.7), np.float32(1e-16)


def exp_of_float32(x: np.ndarray) -> np.ndarray:
    """The exponential function."""
    scaled = INVERSE_OF_LOG2 * np.clip(x.astype(np.float64), LOWEST, HIGHEST)
    whole = np.rint(scaled)
    rest = scaled - whole
    places = whole.astype(np.int64)
    power = np.ldexp(POWERS.take(places % PARTS), places // PARTS)
    value = (CUBIC * rest + SQUARE) * (rest * rest) + (LINEAR * rest + 1)
    return (value * power).astype(np.float32)


def expit_of_float32(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    one = np.float32(1)
    return one / (exp_of_float32(np.minimum(-x, STEEPEST)) + one + TINY)


def pair_of_float32(second: np.ndarray) -> np.ndarray:
    """Probabilities of two classes from that of the second, shape (n, 2)."""
    return np.stack([np.float32(1) - second, second], axis=1)


def softmax_of_float32(scores: np.ndarray) -> np.ndarray:
    """Probabilities from one score for each class; their sum is one of float64."""
    powers = exp_of_float32(scores - scores.max(axis=1, keepdims=True))
    total = np.add.accumulate(powers, axis=1, dtype=np.float64)[:, -1:]
    return powers / total.astype(np.float32)


OPERATIONS = (exp_of_float32, expit_of_float32, pair_of_float32, softmax_of_float32)
