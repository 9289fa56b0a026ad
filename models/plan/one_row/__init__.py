"""The operations of plans for one row alone, with Python's own numbers.

A call of numpy takes a microsecond for one number as for a thousand, and several where other work
has taken its place in the processor's caches. One row of a few dozen numbers is done sooner
without.

Each module has the makers of one family: what is fitted goes in, a function of one row's values
comes out. A value of shape (1, k) is a sequence of k numbers here, one of shape (1,) a number or a
label. What has no maker is left to numpy, and so is a row that makes one of them raise
ArithmeticError: an infinity, a logarithm of zero. They need not know what scikit-learn does then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import arrays, linear, trees
from .arrays import Function, numbers_of

__all__ = ["has", "make", "numbers_of"]

MAKERS: dict[str, Callable[..., Function]] = {
    **arrays.MAKERS,
    **linear.MAKERS,
    **trees.MAKERS,
}


def has(operation: str) -> bool:
    """Whether there is a maker."""
    return operation in MAKERS or operation in trees.OF_LEAVES


def make(
    operation: str, sources: Sequence[Function | None], settings: Mapping[str, Any]
) -> Function | None:
    """The function of one row's values, of an operation that has a maker; None if it is too large.

    `sources` are the functions that give what it takes; of the rows of the request there is none.
    """
    try:
        if operation in trees.OF_LEAVES:
            (found,) = sources
            return trees.OF_LEAVES[operation](found, **settings) if found else None
        return MAKERS[operation](**settings)
    except trees.TooLarge:
        return None
