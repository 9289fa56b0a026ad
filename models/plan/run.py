"""Run a plan: a straight line of numpy operations on fitted arrays, without scikit-learn."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from typing import Any

import numpy as np

from .errors import PlanError
from .format import INPUT, Plan, needed_steps, settings_of
from .operations import OPERATIONS
from .operations.one_row import numbers_of
from .signature import plain_rows

# All rows as one array of float64 where the signature is numeric, else a list of sequences.
Rows = np.ndarray | list[Any]
# From the values of one row, in the order of the features, None for a missing one, to its result in
# plain values.
OneRow = Callable[[Sequence[Any]], Any]
# Steps as (number, function, numbers of its inputs), and the number of the result; no number where
# each step takes only what the step before works out.
Line = tuple[list[Any], int | None]


class Interpreter:
    """Runs the methods of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.signature = plan.signature
        self._count = len(plan.steps) + 1
        self._settings = [settings_of(step, plan.arrays) for step in plan.steps]
        self._functions = [
            partial(OPERATIONS[step.operation].array, **settings)
            for step, settings in zip(plan.steps, self._settings, strict=True)
        ]
        self._lines = {method: self._line(method) for method in plan.methods}
        self._one_row_steps: dict[int, Callable[..., Any] | None] = {}

    def run(self, method: str, rows: Rows) -> Any:
        """The results of one method, in the order of the rows.

        `rows` are a float64 array of shape (n, n_features), NaN where a value is missing, if the
        signature is numeric; else a list with a sequence of values for each row. Raises ValueError
        if the model refuses a row.
        """
        line = self._lines.get(method)
        if line is None:
            return self.run_other(method, rows)
        return _quiet.run(self._follow, line, rows)

    def run_other(self, method: str, rows: Rows) -> Any:  # noqa: ARG002
        """The results of a method that the plan does not have. Raises PlanError."""
        known = ", ".join(self._lines) or "no method"
        raise PlanError(f"the plan lacks this method ({method}): it has {known}")

    def try_out(self) -> None:
        """Run each method on one row, which may be refused; any other exception is raised."""
        signature = self.signature
        row = signature.example if signature.example is not None else plain_rows(signature)[0]
        rows = np.array([row], dtype=np.float64) if signature.numeric else [row]
        for method in self._lines:
            with contextlib.suppress(ValueError):
                self.run(method, rows)

    def for_one_row(self, method: str) -> OneRow | None:
        """A function that answers one row with Python's own numbers, if all steps have such a form.

        A row that makes a step raise ArithmeticError is answered by `run`.
        """
        steps, result = self._lines[method]
        if not all(
            OPERATIONS[self.plan.steps[place - 1].operation].one_row for place, _, _ in steps
        ):
            return None
        made = [(place, self._one_row_step(place), inputs) for place, _, inputs in steps]
        if any(function is None for _, function, _ in made):
            return None
        line, numeric = (made, result), self.signature.numeric

        def answer(row: Sequence[Any]) -> Any:
            try:
                return self._follow(line, numbers_of(row) if numeric else row)
            except ArithmeticError:
                rows = np.array([row], dtype=np.float64) if numeric else [row]
                return self.run(method, rows).tolist()[0]

        return answer

    def _one_row_step(self, place: int) -> Callable[..., Any] | None:
        if place == INPUT:
            return None
        if place not in self._one_row_steps:
            step, settings = self.plan.steps[place - 1], self._settings[place - 1]
            sources = [self._one_row_step(source) for source in step.inputs]
            record = OPERATIONS[step.operation]
            self._one_row_steps[place] = record.make_one_row(sources, settings)
        return self._one_row_steps[place]

    def _follow(self, line: Line, rows: Any) -> Any:
        steps, result = line
        if result is None:
            value: Any = rows
            for _, function, _ in steps:
                value = function(value)
            return value
        values: list[Any] = [rows] * self._count
        for place, function, inputs in steps:
            values[place] = function(*[values[i] for i in inputs])
        return values[result]

    def _line(self, method: str) -> Line:
        line = [
            (place, self._functions[place - 1], self.plan.steps[place - 1].inputs)
            for place in needed_steps(self.plan, method)
        ]
        before = [(INPUT,), *((place,) for place, _, _ in line)]
        chain = all(inputs == each for (_, _, inputs), each in zip(line, before, strict=False))
        return line, None if chain else self.plan.methods[method]


class _Quiet(threading.local):
    """A context for each thread in which numpy does not warn, as in scikit-learn.

    Entering a context that exists takes 1/20 of the time of `np.errstate`.
    """

    def __init__(self) -> None:
        context = Context()
        context.run(np.seterr, all="ignore")
        self.run = context.run


_quiet = _Quiet()
