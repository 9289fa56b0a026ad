"""Linear models and layers of neurons; labels and probabilities from scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import mul

import numpy as np

from ..operation import Function, operation
from .one_row import finite_or_overflow, on_each, plain

# Python 3.12 has math.sumprod, which is faster and more exact.
sumprod: Callable[[Sequence[float], Sequence[float]], float] = getattr(
    math, "sumprod", lambda a, b: sum(map(mul, a, b))
)


def affine_one_row(*, coef: np.ndarray, intercept: np.ndarray) -> Function:
    """See `affine`."""
    if coef.ndim == 1:
        weights, constant = coef.tolist(), intercept.item()
        return lambda x: finite_or_overflow(sumprod(weights, x) + constant)
    constants = np.broadcast_to(intercept, len(coef)).tolist()
    lines = list(zip(coef.tolist(), constants, strict=True))
    return lambda x: finite_or_overflow(
        [sumprod(weights, x) + constant for weights, constant in lines]
    )


@operation(one_row=affine_one_row)
def affine(x: np.ndarray, *, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """X @ coef.T + intercept, shape (n, n_outputs), or (n,) for `coef` of one dimension."""
    # `dot` is `@` with less overhead of dispatch.
    return x.dot(coef.T) + intercept


def matmul_t_one_row(*, weights: np.ndarray) -> Function:
    """See `matmul_t`."""
    return affine_one_row(coef=weights, intercept=np.zeros(len(weights)))


@operation(one_row=matmul_t_one_row)
def matmul_t(x: np.ndarray, *, weights: np.ndarray) -> np.ndarray:
    """X @ weights.T; another order in memory than `matmul`, and so another order of sums."""
    return x.dot(weights.T)


@operation(one_row=lambda *, weights: matmul_t_one_row(weights=weights.T))
def matmul(x: np.ndarray, *, weights: np.ndarray) -> np.ndarray:
    """X @ weights."""
    return x.dot(weights)


@operation()
def layer(
    x: np.ndarray, *, weights: np.ndarray, intercepts: np.ndarray, activation: str
) -> np.ndarray:
    """A layer of neurons: the activation of x @ weights + intercepts, shape (n, n_neurons)."""
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


def choose_one_row(*, labels: np.ndarray) -> Function:
    """See `choose`."""
    names = plain(labels)
    return lambda scores: names[scores.index(max(scores))]


@operation(one_row=choose_one_row)
def choose(scores: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The label of the highest score, the first of equals, shape (n,)."""
    return labels.take(scores.argmax(axis=1))


def choose_above_one_row(*, labels: np.ndarray, threshold: float = 0.0) -> Function:
    """See `choose_above`."""
    first, second = plain(labels)
    return on_each(lambda score: second if score > threshold else first)


@operation(one_row=choose_above_one_row)
def choose_above(scores: np.ndarray, *, labels: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """The second of two labels where a score is above the threshold."""
    return labels.take(scores > threshold)


def choose_from_one_row(*, labels: np.ndarray, threshold: float = 0.0) -> Function:
    """See `choose_from`."""
    first, second = plain(labels)
    return on_each(lambda score: second if score >= threshold else first)


@operation(one_row=choose_from_one_row)
def choose_from(scores: np.ndarray, *, labels: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """The second of two labels where a score is at the threshold or above."""
    return labels.take(scores >= threshold)


def expit_of_number(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x))


@operation(one_row=lambda: on_each(expit_of_number))
def expit(x: np.ndarray) -> np.ndarray:
    """The logistic function, 1 / (1 + exp(-x))."""
    # scipy uses the C library's exp, as numpy does for complex numbers. For real numbers numpy may
    # have its own, which can differ in the last bit.
    return 1 / (1 + np.exp(-x.astype(np.complex128)).real)


@operation()
def exp(x: np.ndarray) -> np.ndarray:
    """The exponential function."""
    return np.exp(x)


def log_of_number(x: float) -> float:
    """The natural logarithm. Raises OverflowError for x <= 0: numpy gives -inf or NaN."""
    if not x > 0:
        raise OverflowError
    return math.log(x)


@operation(one_row=lambda: on_each(log_of_number))
def log(x: np.ndarray) -> np.ndarray:
    """Natural logarithms; the logarithm of 0 is -inf."""
    return np.log(x)


@operation()
def log_of_positive(x: np.ndarray) -> np.ndarray:
    """Natural logarithms; for zero, that of the smallest normal number."""
    return np.log(np.where(x == 0, np.finfo(x.dtype).smallest_normal, x))


@operation()
def pair(second: np.ndarray) -> np.ndarray:
    """Probabilities of two classes from that of the second, shape (n, 2)."""
    both = np.empty((len(second), 2), dtype=second.dtype)
    np.subtract(1, second, out=both[:, 0])
    both[:, 1] = second
    return both


def logistic_one_row() -> Function:
    """See `logistic`."""

    def both(score: float) -> list[float]:
        second = expit_of_number(score)
        return [1 - second, second]

    return both


@operation(one_row=logistic_one_row)
def logistic(scores: np.ndarray) -> np.ndarray:
    """Probabilities of two classes from the score of the second, shape (n, 2)."""
    return pair(expit(scores))


@operation()
def ramp(scores: np.ndarray) -> np.ndarray:
    """0 for scores up to -1, 1 for scores from 1 on, a straight line between."""
    return (np.minimum(np.maximum(scores, -1), 1) + 1.0) / 2.0


def shares_of_numbers(each: Sequence[float]) -> list[float]:
    """Each number divided by the sum of all."""
    total = sum(each)
    return [number / total for number in each]


@operation(one_row=lambda: shares_of_numbers)
def one_versus_rest(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities divided by the sum of their row; equal ones in a row of zeros."""
    total = probabilities.sum(axis=1, keepdims=True)
    if total.all():
        return probabilities / total
    none = total == 0
    width = probabilities.shape[1]
    return np.where(none, 1.0, probabilities) / np.where(none, width, total)


@operation()
def row_shares(x: np.ndarray) -> np.ndarray:
    """Numbers divided by the sum of their row; a row of zeros stays."""
    total = x.sum(axis=1)[:, None]
    return x / np.where(total == 0, 1.0, total)


def softmax_one_row() -> Function:
    """See `softmax`."""

    def probabilities(scores: Sequence[float]) -> list[float]:
        most = max(scores)
        return shares_of_numbers([math.exp(score - most) for score in scores])

    return probabilities


@operation(one_row=softmax_one_row)
def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities from one score for each class."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
