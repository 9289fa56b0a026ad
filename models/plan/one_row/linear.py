"""Linear models, their labels and probabilities; see `operations.linear`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter, mul
from typing import Any

import numpy as np

from .arrays import Function, on_each, surely_finite

# Python 3.12 has a faster one, which is more exact as well.
sumprod: Callable[[Sequence[float], Sequence[float]], float] = getattr(
    math, "sumprod", lambda a, b: sum(map(mul, a, b))
)


def affine(*, coef: np.ndarray, intercept: np.ndarray) -> Function:
    """The score, or one for each output."""
    if coef.ndim == 1:
        weights, constant = coef.tolist(), intercept.item()
        return lambda x: surely_finite(sumprod(weights, x) + constant)
    constants = np.broadcast_to(intercept, len(coef)).tolist()
    lines = list(zip(coef.tolist(), constants, strict=True))
    return lambda x: surely_finite([sumprod(weights, x) + constant for weights, constant in lines])


def onto(*, components: np.ndarray) -> Function:
    """One number for each component."""
    return affine(coef=components, intercept=np.zeros(len(components)))


def project(*, weights: np.ndarray) -> Function:
    """One number for each column of the weights."""
    return onto(components=weights.T)


def column(*, index: int) -> Function:
    """One of several numbers."""
    return itemgetter(index)


def choose(*, labels: np.ndarray) -> Function:
    """The label of the highest score."""
    names = plain(labels)
    return lambda scores: names[scores.index(max(scores))]


def choose_sign(*, labels: np.ndarray) -> Function:
    """The second of two labels if a score is above zero."""
    first, second = plain(labels)
    return on_each(lambda score: second if score > 0 else first)


def choose_not_negative(*, labels: np.ndarray) -> Function:
    """The second of two labels if a score is zero or above."""
    first, second = plain(labels)
    return on_each(lambda score: second if score >= 0 else first)


def plain(labels: np.ndarray) -> list[Any]:
    """Labels as Python has them."""
    return [label.item() if isinstance(label, np.generic) else label for label in labels.tolist()]


def expit() -> Function:
    """1 / (1 + exp(-x)), of one number or of each."""
    return on_each(one_expit)


def one_expit(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x))


def log() -> Function:
    """Natural logarithms, of one number or of each."""
    return on_each(one_log)


def one_log(x: float) -> float:
    """The natural logarithm."""
    if not x > 0:
        # It is the business of numpy, which has a number for it.
        raise OverflowError
    return math.log(x)


def logistic() -> Function:
    """Probabilities of two classes from the score of the second."""

    def both(score: float) -> list[float]:
        second = one_expit(score)
        return [1 - second, second]

    return both


def softmax() -> Function:
    """Probabilities from one score for each class."""

    def probabilities(scores: Sequence[float]) -> list[float]:
        most = max(scores)
        return shares([math.exp(score - most) for score in scores])

    return probabilities


def one_versus_rest() -> Function:
    """Probabilities that add up to one."""
    return shares


def shares(each: Sequence[float]) -> list[float]:
    """Each number's part of their sum."""
    total = sum(each)
    return [number / total for number in each]


MAKERS: dict[str, Function] = {
    "affine": affine,
    "onto": onto,
    "project": project,
    "column": column,
    "choose": choose,
    "choose_sign": choose_sign,
    "choose_sign_or_zero": choose_not_negative,
    "choose_not_negative": choose_not_negative,
    "expit": expit,
    "log": log,
    "logistic": logistic,
    "softmax": softmax,
    "one_versus_rest": one_versus_rest,
}
