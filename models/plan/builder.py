"""What the rules build a plan with: values, operations on them, and the table of rules."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .errors import NotCompiled, brief
from .format import INPUT, Step
from .signature import Signature

log = logging.getLogger(__name__)

# A number: the place of a value among those that a plan works out.
Value = int
# A sparse table with more columns than this is never made an array of all its numbers.
WIDEST = 5_000


# Operations that work out nothing new, and those that refuse what is not finite.
UNCHANGED = ("numbers", "take", "join", "fill", "replace", "refuse")
CHECKED = ("finite", "complete")


class _Unknown:
    """Stands for every value of a column that is not among its categories."""


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Number:
    """A column of numbers: column `index` of an array.

    `dtype` is what scikit-learn has there; the array may have float64 instead.
    """

    value: Value
    index: int
    dtype: str = "float64"


@dataclass(frozen=True)
class Category:
    """A column with few different values: `value` has a code for each row.

    `meanings` are what the codes stand for by now; the last two began as a missing value, which is
    None or NaN (`Feature.null`), and as UNKNOWN.
    """

    value: Value
    meanings: tuple[Any, ...]


@dataclass(frozen=True)
class Raw:
    """A column of texts as they are sent; without an index, whole rows, each a mapping."""

    index: int | None


Column = Number | Category | Raw
Table = tuple[Column, ...]
Outputs = Mapping[str, Value]
Transformer = Callable[["Builder", Any, Table], Table]
Predictor = Callable[["Builder", Any, Table], Outputs]

# A class that is not imported here stands by its name, with its module.
Kind = type | str

_transformers: dict[Kind, Transformer] = {}
_predictors: dict[Kind, Predictor] = {}

# What a subclass may define without changing what its parent does once it is fitted.
HARMLESS = {
    *("__init__", "__doc__", "__module__", "__qualname__", "__annotations__", "__slotnames__"),
    *("__firstlineno__", "__static_attributes__", "__abstractmethods__", "__parameters__"),
    *("__sklearn_tags__", "__repr__", "_parameter_constraints", "_abc_impl", "_estimator_type"),
    *("get_params", "set_params", "get_metadata_routing", "score", "_more_tags", "_get_tags"),
    *("_validate_params", "_get_param_names", "_sklearn_auto_wrap_output_keys"),
}


Rule = TypeVar("Rule", bound=Callable[..., Any])


def rule(*kinds: Kind, predicts: bool = False) -> Callable[[Rule], Rule]:
    """Register a function as the rule for these classes of estimator, and not for subclasses.

    The function is given the builder, the fitted estimator and the columns of its input. It gives
    the columns of the estimator's `transform`; or, if it `predicts`, the value of each other
    method's result by the method's name. Raises ValueError for a class that has a rule.
    """
    rules: dict[Kind, Any] = _predictors if predicts else _transformers

    def register(function: Rule) -> Rule:
        for kind in kinds:
            if kind in rules:
                raise ValueError(f"there are two rules for {kind}: {rules[kind]} and {function}")
            rules[kind] = function
        return function

    return register


class Builder:
    """Collects the steps of one plan. The same operation on the same values is done once."""

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
        self.table = self._read()

    def do(self, operation: str, *inputs: Value, **settings: Any) -> Value:
        """Add an operation of `models.plan.operations` and give the value it works out."""
        key = (operation, inputs, tuple(sorted((k, _key(v)) for k, v in settings.items())))
        if key not in self._known:
            stored = {name: self._stored(setting) for name, setting in settings.items()}
            self.steps.append(Step(operation, inputs, stored))
            self._known[key] = len(self.steps)
        return self._known[key]

    def transform(self, estimator: Any, table: Table) -> Table:
        """The columns that an estimator's `transform` makes of these."""
        made: Table = self._apply(_transformers, estimator, table)
        return made

    def predict(self, estimator: Any, table: Table) -> Outputs:
        """The results of an estimator's other methods for these columns."""
        outputs: Outputs = self._apply(_predictors, estimator, table)
        return outputs

    def _apply(self, rules: Mapping[Kind, Any], estimator: Any, table: Table) -> Any:
        # The estimator is kept too: the id of one that is gone may be given again.
        key = id(rules), id(estimator), table
        if key not in self._made:
            self._made[key] = estimator, self._call(_rule(rules, estimator), estimator, table)
        return self._made[key][1]

    def _call(self, rule: Callable[..., Any], estimator: Any, table: Table) -> Any:
        try:
            return rule(self, estimator, table)
        except NotCompiled:
            raise
        except Exception as error:
            # Another version of its library keeps its parts elsewhere, or a rule is somebody's own.
            kind = type(estimator).__name__
            log.debug("the rule for %s failed", kind, exc_info=True)
            raise NotCompiled(f"the rule for {kind} does not fit it ({brief(error)})") from None

    def columns(
        self, value: Value, width: int, *, sparse: bool = False, dtype: str = "float64"
    ) -> Table:
        """The columns of an array of numbers of shape (n, width), or of a sparse one."""
        self._widths[value] = width
        if sparse:
            self._sparse.add(value)
        return tuple(Number(value, i, dtype) for i in range(width))

    def numbers(self, table: Table) -> Value:
        """One array of float64 with these columns, shape (n, len(table))."""
        parts: list[Value] = []
        for source, indices in _runs(table):
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
                if len(indices) > WIDEST:
                    raise NotCompiled(f"a step that needs all of {len(indices)} sparse columns")
                part = self.do("dense", part)
            parts.append(part)
        if not parts:
            raise NotCompiled("a table without columns")
        joined = parts[0] if len(parts) == 1 else self.do("join", *parts)
        self._widths[joined] = len(table)
        return joined

    def is_sparse(self, table: Table) -> bool:
        """Whether one of the columns is of a sparse value."""
        return any(isinstance(column, Number) and column.value in self._sparse for column in table)

    def sparse(self, table: Table, *, checked: bool = True) -> Value:
        """One sparse value with these columns, for what takes `x @ weights` of it.

        It is refused where steps before have made no number of a number, if it is `checked`.
        """
        parts = []
        for source, indices in _runs(table):
            if isinstance(source, int) and source in self._sparse:
                part = self._some(source, indices)
                sure = not checked or self._is_counted(part)
                parts.append(part if sure else self.do("complete_entries", part))
                continue
            own = (
                tuple(Number(source, i) for i in indices) if isinstance(source, int) else (source,)
            )
            part = self.numbers(own)
            parts.append(self.do("nonzeros", self.do("complete", part) if checked else part))
        joined = parts[0] if len(parts) == 1 else self.do("beside", *parts)
        if joined not in self._sparse:
            self._origins[joined] = table
        self._widths[joined] = len(table)
        self._sparse.add(joined)
        return joined

    def finite(self, table: Table) -> Value:
        """The same as `numbers`, refused where steps before have made an infinity of a number."""
        return self.checked(table, missing=True)

    def checked(self, table: Table, *, missing: bool = False) -> Value:
        """The same as `numbers`, refused where steps before have made an infinity of a number, or
        NaN if that may not be `missing`.
        """
        value = self.numbers(table)
        if self._is_safe(value, missing=missing):
            return value
        return self.do("finite" if missing else "complete", value)

    def _is_safe(self, value: Value, *, missing: bool) -> bool:
        """Whether it is made without arithmetic of what is sent, which is refused at the door."""
        if value == INPUT:
            return True
        step = self.steps[value - 1]
        if step.operation == "lookup":
            table = self.arrays[step.settings["table"]["array"]]
            return missing or not np.isnan(table).any()
        if step.operation in CHECKED and (missing or step.operation == "complete"):
            return True
        return step.operation in UNCHANGED and all(
            self._is_safe(each, missing=missing) for each in step.inputs
        )

    def _is_counted(self, value: Value) -> bool:
        """Whether a sparse value is of counts of words, which are never infinite."""
        step = self.steps[value - 1]
        if step.operation in ("tf_idf", "pick"):
            return self._is_counted(step.inputs[0])
        return step.operation in ("words", "characters")

    def arrives(self, column: Category) -> tuple[bool, bool]:
        """Whether its last two meanings can come: what is missing, and what is unknown."""
        step = self.steps[column.value - 1]
        if step.operation != "codes":
            return True, True
        feature = self._signature.features[step.settings["column"]]
        return feature.missing, feature.unknown != "refused"

    def _read(self) -> Table:
        """The columns of a request's rows."""
        signature = self._signature
        if signature.form == "text":
            return (Raw(0),)
        if signature.form == "mapping":
            return (Raw(None),)
        if signature.form != "table":
            return ()
        if signature.numeric:
            return self.columns(INPUT, len(signature.features))
        places = [
            i
            for i, feature in enumerate(signature.features)
            if feature.kind in ("number", "boolean") and feature.categories is None
        ]
        numbers = iter(
            self.columns(self.do("numbers", INPUT, columns=places), len(places)) if places else ()
        )
        table: list[Column] = []
        for i, feature in enumerate(signature.features):
            if i in places:
                table.append(next(numbers))
                continue
            if feature.kind == "string" and feature.categories is None:
                table.append(Raw(i))
                continue
            known = list(feature.categories or ())
            codes = self.do("codes", INPUT, column=i, places={"places": known})
            table.append(Category(codes, (*known, feature.null, UNKNOWN)))
        return tuple(table)

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
            # Its order is kept: BLAS does not add in the same order for both.
            self.arrays.append(np.array(setting, order="A"))
        return {"array": self._places[key]}


def _rule(rules: Mapping[Kind, Any], estimator: Any) -> Any:
    line = type(estimator).__mro__
    name = type(estimator).__name__
    for i, kind in enumerate(line):
        rule = rules.get(kind) or rules.get(f"{kind.__module__}.{kind.__qualname__}")
        if rule is None:
            continue
        # The rule of a parent holds for a subclass that does nothing else.
        for j, own in enumerate(line[:i]):
            if changed := _changed(own, line[j + 1 :]):
                raise NotCompiled(f"there is no rule for {name}, which has its own {changed}")
        return rule
    raise NotCompiled(f"there is no rule for {name}")


def _changed(kind: type, parents: Sequence[type]) -> str:
    """The first thing by which a class changes what its parents do, or "" if there is none."""
    for name in vars(kind):
        known = any(name in vars(parent) for parent in parents)
        if known and name not in HARMLESS and not name.startswith(("fit", "_fit", "set_")):
            return name
    return ""


def _runs(table: Table) -> list[tuple[Value | Category | Raw, list[int]]]:
    """Neighbouring columns of one array, as its value and their places; any other column alone."""
    runs: list[tuple[Value | Category | Raw, list[int]]] = []
    for column in table:
        if not isinstance(column, Number):
            runs.append((column, []))
        elif runs and runs[-1][0] == column.value:
            runs[-1][1].append(column.index)
        else:
            runs.append((column.value, [column.index]))
    return runs


def _key(setting: Any) -> Any:
    if isinstance(setting, np.ndarray):
        return (
            setting.shape,
            setting.dtype.str,
            setting.flags.fnc,
            setting.tobytes() if setting.dtype != object else str(setting.tolist()),
        )
    return repr(setting)
