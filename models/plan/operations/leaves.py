"""The values of the leaves that rows reach in trees, and sums of them.

`leaves` are the places of nodes that `trees` finds, shape (n_trees, n). A one-row maker is given
the maker of the leaves first: it gives a list of places, or bits if it is a Crossing.
"""

from __future__ import annotations

import numpy as np

from ..operation import Function, operation
from .bitsets import Crossing, classes_of
from .one_row import on_each


def in_order(parts: np.ndarray) -> np.ndarray:
    """The sum over the first axis, one after the other."""
    # numpy sums contiguous numbers pairwise: another order, and another last bit.
    return np.add.accumulate(parts)[-1] if parts[0].size == 1 else parts.sum(axis=0)


def leaf_values_one_row(found: Function, *, values: np.ndarray) -> Function:
    """See `leaf_values`."""
    if isinstance(found, Crossing):
        own = values[found.nodes].tolist()
        return lambda reached: own[reached.bit_length() - 1]
    table = values.tolist()
    return lambda reached: table[reached[0]]


@operation(one_row=leaf_values_one_row, of_leaves=True, gathers=True, zeros=True)
def leaf_values(leaves: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """The values of the leaves of one tree."""
    return values.take(leaves[0], axis=0)


def sum_of_leaves_one_row(found: Function, *, values: np.ndarray) -> Function:
    """See `sum_of_leaves`."""
    if not isinstance(found, Crossing):
        return lambda reached: in_order(values.take(reached, axis=0)).tolist()
    own = values[found.nodes]
    if counted := counts(own):
        return counted
    if own.shape[1:] == (2,):
        # A complex number is a pair: accumulate takes 1/3 of the time of a sum over rows.
        pairs = np.ascontiguousarray(own).view(np.complex128)
        return lambda reached: (
            np.add.accumulate(pairs.take(found.places(reached)))[-1:].view(np.float64).tolist()
        )
    return lambda reached: in_order(own.take(found.places(reached), axis=0)).tolist()


def counts(own: np.ndarray) -> Function | None:
    """A count for each class if all leaves are of one class, else None."""
    masks = classes_of(own)
    if not masks:
        return None
    return lambda reached: [float((reached & mask).bit_count()) for mask in masks]


@operation(one_row=sum_of_leaves_one_row, of_leaves=True, gathers=True, zeros=True)
def sum_of_leaves(leaves: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """The sum of the values of the leaves, added in the order of the trees."""
    return in_order(values.take(leaves, axis=0))


def mean_of_leaves_one_row(found: Function, *, values: np.ndarray, count: int) -> Function:
    """See `mean_of_leaves`."""
    add = sum_of_leaves_one_row(found, values=values)
    share = on_each(lambda total: total / count)
    return lambda reached: share(add(reached))


@operation(one_row=mean_of_leaves_one_row, of_leaves=True, gathers=True, zeros=True)
def mean_of_leaves(leaves: np.ndarray, *, values: np.ndarray, count: int) -> np.ndarray:
    """The sum of the values of the leaves, divided by `count`."""
    return sum_of_leaves(leaves, values=values) / count


@operation()
def log_mean_of_leaves(leaves: np.ndarray, *, values: np.ndarray, count: int) -> np.ndarray:
    """The logarithm of the mean of probabilities; the leaves have their logarithms."""
    return np.logaddexp.reduce(values.take(leaves, axis=0)) - np.log(count)


def sums_of_leaves_one_row(found: Function, *, values: np.ndarray, count: int) -> Function:
    """See `sums_of_leaves`."""
    if isinstance(found, Crossing):
        own = values[found.nodes]
        return lambda reached: sums(own.take(found.places(reached)), count)
    return lambda reached: sums(values.take(reached), count)


def sums(each: np.ndarray, count: int) -> list[float]:
    """A sum for each of `count` classes that take turns."""
    added: list[float] = each.reshape(-1, count).sum(axis=0).tolist()
    return added


@operation(one_row=sums_of_leaves_one_row, of_leaves=True, gathers=True, zeros=True)
def sums_of_leaves(leaves: np.ndarray, *, values: np.ndarray, count: int) -> np.ndarray:
    """A sum for each of `count` classes, whose trees take turns, shape (n, count)."""
    found = values.take(leaves, axis=0)
    return found.reshape(-1, count, found.shape[1]).sum(axis=0).T


@operation(gathers=True)
def leaf_numbers(
    leaves: np.ndarray, *, numbers: np.ndarray, shape: list[int] | None = None
) -> np.ndarray:
    """The numbers of the leaves in their own trees, shape (n, n_trees), or (n, *shape)."""
    found = numbers.take(leaves).T
    return found if shape is None else found.reshape(-1, *shape)


@operation(gathers=True)
def mark_leaves(leaves: np.ndarray, *, columns: np.ndarray, width: int) -> np.ndarray:
    """1 in the column of each leaf that a row reaches, else 0; shape (n, width)."""
    marks = np.zeros((leaves.shape[1], width))
    marks[np.arange(leaves.shape[1]), columns.take(leaves)] = 1
    return marks
