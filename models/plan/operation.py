"""The record of one operation: its array form, its one-row form, and facts about it.

A call of numpy takes about a microsecond for one number as for a thousand. One row of a few dozen
numbers is answered sooner by Python's own numbers: that is the one-row form. A maker takes the
settings of a step and gives a function of one row's values. A value of shape (1, k) is a sequence
of k numbers there, one of shape (1,) a number or a label. One-row forms need not know what
scikit-learn does with infinities: they raise ArithmeticError, and numpy answers the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Function = Callable[..., Any]
Array = TypeVar("Array", bound=Function)


class NoOneRowForm(Exception):
    """These settings have no one-row form, or one that would take too much memory."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation: `array` works on arrays, rows first; `one_row` makes its one-row form.

    The facts are for the rules and for `work`. An operation that `selects` gives numbers of its
    inputs unchanged. It `refuses` rows with these numbers. Its result `counts`: it is made of
    counts, which are finite, always or if its input is. It `gathers` from a table, whose size costs
    no time. It is `of_leaves` if its one-row maker takes the maker of the leaves first. `zeros` are
    frequent in its result: the logarithm of a zero is left to numpy.
    """

    array: Function
    one_row: Function | None = None
    selects: bool = False
    refuses: Literal["", "infinite", "infinite or missing"] = ""
    counts: Literal["", "always", "as its input"] = ""
    gathers: bool = False
    of_leaves: bool = False
    zeros: bool = False

    def make_one_row(
        self, sources: Sequence[Function | None], settings: Mapping[str, Any]
    ) -> Function | None:
        """The function of one row's values with these settings; None if there is none.

        `sources` are the functions of the inputs, None for the request's row.
        """
        if self.one_row is None or (self.of_leaves and sources[0] is None):
            return None
        try:
            return self.one_row(*sources[: self.of_leaves], **settings)  # type: ignore[no-any-return]
        except NoOneRowForm:
            return None


OPERATIONS: dict[str, Operation] = {}


def operation(**facts: Any) -> Callable[[Array], Array]:
    """Register a function as the operation of its name, with the facts of `Operation`.

    Inputs are positional, settings come by keyword. Raises ValueError for a name that is taken.
    """

    def register(function: Array) -> Array:
        name = function.__name__
        if name in OPERATIONS:
            raise ValueError(f"there are two operations {name}: in {function.__module__} too")
        OPERATIONS[name] = Operation(array=function, **facts)
        return function

    return register
