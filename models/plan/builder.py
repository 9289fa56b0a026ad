"""What the rules build a plan with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .columns import (
    UNKNOWN,
    Category,
    Column,
    Number,
    Outputs,
    Raw,
    Table,
    Value,
    input_table,
    runs,
)
from .errors import NotCompiled, brief
from .format import INPUT, Step
from .operation import OPERATIONS
from .registry import PREDICTORS, TRANSFORMERS, Kind, find_rule, rule
from .signature import Signature

__all__ = [
    "UNKNOWN",
    "ZERO_OR_ONE",
    "Builder",
    "Category",
    "Column",
    "Number",
    "Outputs",
    "Raw",
    "Table",
    "Value",
    "rule",
]

# The labels of a threshold.
ZERO_OR_ONE = np.array([0.0, 1.0])

log = logging.getLogger(__name__)

# A sparse table with more columns is never made dense.
MAX_DENSE_COLUMNS = 5_000


class Builder:
    """Collects the steps of one plan. An operation with equal inputs and settings is one step."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self.steps: list[Step] = []
        self.arrays: list[np.ndarray] = []
        self._known: dict[Any, Value] = {}
        self._widths: dict[Value, int] = {}
        self._sparse: set[Value] = set()
        self._origins: dict[Value, Table] = {}
        self._places: dict[Any, int] = {}
        self._made: dict[Any, tuple[Any, Any]] = {}
        self.table = input_table(signature, self)

    def do(self, operation: str, *inputs: Value, **settings: Any) -> Value:
        """Add an operation, unless there is such a step already; gives its value.

        Arrays among the settings are stored once.
        """
        key = (operation, inputs, tuple(sorted((k, _key(v)) for k, v in settings.items())))
        if key not in self._known:
            stored = {name: self._stored(setting) for name, setting in settings.items()}
            self.steps.append(Step(operation, inputs, stored))
            self._known[key] = len(self.steps)
        return self._known[key]

    def transform(self, estimator: Any, table: Table) -> Table:
        """The output columns of an estimator's `transform`. Raises NotCompiled."""
        made: Table = self._apply(TRANSFORMERS, estimator, table)
        return made

    def predict(self, estimator: Any, table: Table) -> Outputs:
        """The results of an estimator's other methods, by method. Raises NotCompiled."""
        outputs: Outputs = self._apply(PREDICTORS, estimator, table)
        return outputs

    def _apply(self, rules: Mapping[Kind, Any], estimator: Any, table: Table) -> Any:
        # The estimator is kept too: the id of a deleted object can be reused.
        key = id(rules), id(estimator), table
        if key not in self._made:
            self._made[key] = estimator, self._call(find_rule(rules, estimator), estimator, table)
        return self._made[key][1]

    def _call(self, rule: Callable[..., Any], estimator: Any, table: Table) -> Any:
        try:
            return rule(self, estimator, table)
        except NotCompiled:
            raise
        except Exception as error:
            # Another version of a library has other attributes, or the rule is a user's own.
            kind = type(estimator).__name__
            log.debug("the rule for %s failed", kind, exc_info=True)
            raise NotCompiled(f"the rule for {kind} does not fit it ({brief(error)})") from None

    def columns(
        self, value: Value, width: int, *, sparse: bool = False, dtype: str = "float64"
    ) -> Table:
        """The columns of an array of shape (n, width), or of a sparse value."""
        self._widths[value] = width
        if sparse:
            self._sparse.add(value)
        return tuple(Number(value, i, dtype) for i in range(width))

    def numbers(self, table: Table) -> Value:
        """One array of float64 with these columns, shape (n, len(table))."""
        parts: list[Value] = []
        for source, indices in runs(table):
            if isinstance(source, Category):
                parts.append(self._as_number(source))
                continue
            if isinstance(source, Raw):
                raise NotCompiled("text where a number is expected")
            if source in self._origins:
                parts.append(self.numbers(tuple(self._origins[source][i] for i in indices)))
                continue
            part = self._some(source, indices)
            if source in self._sparse:
                if len(indices) > MAX_DENSE_COLUMNS:
                    raise NotCompiled(f"a step that needs all of {len(indices)} sparse columns")
                part = self.do("dense", part)
            parts.append(part)
        if not parts:
            raise NotCompiled("a table without columns")
        joint = parts[0] if len(parts) == 1 else self.do("hstack", *parts)
        self._widths[joint] = len(table)
        return joint

    def is_sparse(self, table: Table) -> bool:
        """Whether one of the columns is of a sparse value."""
        return any(isinstance(column, Number) and column.value in self._sparse for column in table)

    def sparse(self, table: Table, *, checked: bool = True) -> Value:
        """One sparse value with these columns, for steps that compute `x @ weights`.

        If `checked`, it refuses NaN and infinities that earlier steps make of numbers.
        """
        parts = []
        for source, indices in runs(table):
            if isinstance(source, int) and source in self._sparse:
                part = self._some(source, indices)
                sure = not checked or self._is_counted(part)
                parts.append(part if sure else self.do("require_finite_entries", part))
                continue
            own = (
                tuple(Number(source, i) for i in indices) if isinstance(source, int) else (source,)
            )
            part = self.numbers(own)
            parts.append(self.do("nonzeros", self.do("require_finite", part) if checked else part))
        joint = parts[0] if len(parts) == 1 else self.do("hstack_sparse", *parts)
        if joint not in self._sparse:
            self._origins[joint] = table
        self._widths[joint] = len(table)
        self._sparse.add(joint)
        return joint

    def checked(self, table: Table, *, missing: bool = False) -> Value:
        """The array of `numbers`, which refuses infinities that earlier steps make of numbers.

        NaN is refused too, unless it may be `missing`.
        """
        value = self.numbers(table)
        if self._is_safe(value, missing=missing):
            return value
        return self.do("require_no_inf" if missing else "require_finite", value)

    def _is_safe(self, value: Value, *, missing: bool) -> bool:
        """Whether no arithmetic made it: the request's numbers were checked when they were read."""
        if value == INPUT:
            return True
        step = self.steps[value - 1]
        facts = OPERATIONS[step.operation]
        if step.operation == "lookup":
            table = self.arrays[step.settings["table"]["array"]]
            return missing or not np.isnan(table).any()
        if facts.refuses and (missing or "missing" in facts.refuses):
            return True
        return facts.selects and all(self._is_safe(each, missing=missing) for each in step.inputs)

    def _is_counted(self, value: Value) -> bool:
        """Whether a sparse value is made of counts, which are finite."""
        step = self.steps[value - 1]
        counts = OPERATIONS[step.operation].counts
        return counts == "always" or (bool(counts) and self._is_counted(step.inputs[0]))

    def arrives(self, column: Category) -> tuple[bool, bool]:
        """Whether a missing value can arrive, and an unknown one: its last two meanings."""
        step = self.steps[column.value - 1]
        if step.operation != "codes":
            return True, True
        feature = self._signature.features[step.settings["column"]]
        return feature.missing, feature.unknown != "refused"

    def _some(self, value: Value, indices: list[int]) -> Value:
        """Some columns of an array or of a sparse value."""
        width = self._widths[value]
        if indices == list(range(width)):
            return value
        columns = np.array(indices, dtype=np.intp)
        if value not in self._sparse:
            return self.do("take", value, columns=columns)
        if len(set(indices)) < len(indices):
            raise NotCompiled("a sparse column that is taken twice")
        places = np.full(width, -1, dtype=np.intp)
        places[columns] = np.arange(len(columns))
        return self.do("pick", value, places=places, width=len(columns))

    def _as_number(self, column: Category) -> Value:
        if column.meanings[-1] is UNKNOWN and self.arrives(column)[1]:
            raise NotCompiled("an unknown category where a number is expected")
        meanings = [np.nan if m is None or m is UNKNOWN else m for m in column.meanings]
        if any(isinstance(meaning, str) for meaning in meanings):
            raise NotCompiled("text where a number is expected")
        table = np.array(meanings, dtype=np.float64)[:, None]
        return self.do("lookup", column.value, table=table)

    def _stored(self, setting: Any) -> Any:
        if not isinstance(setting, np.ndarray):
            return setting
        if setting.dtype.kind in "OU":
            return {"labels": setting.tolist()}
        key = _key(setting)
        if key not in self._places:
            self._places[key] = len(self.arrays)
            # The order in memory is kept: BLAS adds in another order for the other.
            self.arrays.append(np.array(setting, order="A"))
        return {"array": self._places[key]}


def _key(setting: Any) -> Any:
    if isinstance(setting, np.ndarray):
        return (
            setting.shape,
            setting.dtype.str,
            setting.flags.fnc,
            setting.tobytes() if setting.dtype != object else str(setting.tolist()),
        )
    return repr(setting)
