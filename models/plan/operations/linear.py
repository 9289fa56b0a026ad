"""Linear models, and what turns their scores into labels and probabilities."""

from __future__ import annotations

import numpy as np

from .arrays import surely_finite


def complete(x: np.ndarray) -> np.ndarray:
    """The same; ValueError if a number is infinite or missing, as in scikit-learn."""
    if not surely_finite(x) and not np.isfinite(x).all():
        raise ValueError("Input X contains NaN, infinity or a value too large for float64.")
    return x


def affine(x: np.ndarray, *, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """Scores of shape (n, n_outputs), or (n,) if `coef` has no second axis."""
    # The same as @, which looks longer for the way to do it.
    return x.dot(coef.T) + intercept


def project(x: np.ndarray, *, weights: np.ndarray) -> np.ndarray:
    """X @ weights, shape (n, n_components)."""
    return x.dot(weights)


def shift(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """The sum with fixed values."""
    return x + values


def column(x: np.ndarray, *, index: int) -> np.ndarray:
    """One column, shape (n,)."""
    return x[:, index]


def choose(scores: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The label of the highest score, shape (n,)."""
    return labels.take(scores.argmax(axis=1))


def choose_sign(scores: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The second of two labels where a score is above zero."""
    return labels.take(scores > 0)


def choose_sign_or_zero(scores: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The second of two labels where a score is zero or above."""
    return labels.take(scores >= 0)


def choose_half(scores: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The second of two labels where a probability is above one half."""
    return labels.take(scores > 0.5)


def expit(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    # scipy takes the exponential function of the C library. So does numpy for complex numbers; for
    # real ones it may have its own, which can differ in the last bit.
    return 1 / (1 + np.exp(-x.astype(np.complex128)).real)


def exp(x: np.ndarray) -> np.ndarray:
    """The exponential function."""
    return np.exp(x)


def log(x: np.ndarray) -> np.ndarray:
    """Natural logarithms; that of zero is minus infinity."""
    return np.log(x)


def log_of_positive(x: np.ndarray) -> np.ndarray:
    """Natural logarithms; for zero, that of the smallest normal number."""
    return np.log(np.where(x == 0, np.finfo(x.dtype).smallest_normal, x))


def pair(second: np.ndarray) -> np.ndarray:
    """Probabilities of two classes from that of the second, shape (n, 2)."""
    both = np.empty((len(second), 2))
    np.subtract(1, second, out=both[:, 0])
    both[:, 1] = second
    return both


def logistic(scores: np.ndarray) -> np.ndarray:
    """Probabilities of two classes from the score of the second, shape (n, 2)."""
    return pair(expit(scores))


def ramp(scores: np.ndarray) -> np.ndarray:
    """0 for scores up to -1, 1 for those from 1 on, and a straight line between."""
    return (np.minimum(np.maximum(scores, -1), 1) + 1.0) / 2.0


def one_versus_rest(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities that add up to one in each row; equal ones where all are zero."""
    total = probabilities.sum(axis=1, keepdims=True)
    if total.all():
        return probabilities / total
    none = total == 0
    width = probabilities.shape[1]
    return np.where(none, 1.0, probabilities) / np.where(none, width, total)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities from one score for each class."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


OPERATIONS = (
    complete,
    affine,
    project,
    shift,
    column,
    choose,
    choose_sign,
    choose_sign_or_zero,
    choose_half,
    expit,
    exp,
    log,
    log_of_positive,
    pair,
    logistic,
    ramp,
    one_versus_rest,
    softmax,
)
