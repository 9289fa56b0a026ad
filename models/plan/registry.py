"""The table of rules, by class of estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from .errors import NotCompiled

# A class that is not imported here is given by its name with its module.
Kind = type | str
# From a fitted transformer and the features of its input columns to those of its output columns;
# None if a column of the output comes from several.
Origins = Callable[[Any, np.ndarray], np.ndarray | None]
Rule = TypeVar("Rule", bound=Callable[..., Any])

TRANSFORMERS: dict[Kind, Any] = {}
PREDICTORS: dict[Kind, Any] = {}
ORIGINS: dict[Kind, Origins] = {}

# Attributes that a subclass may define without changing what its parent's methods do once fitted.
HARMLESS = {
    *("__init__", "__doc__", "__module__", "__qualname__", "__annotations__", "__slotnames__"),
    *("__firstlineno__", "__static_attributes__", "__abstractmethods__", "__parameters__"),
    *("__sklearn_tags__", "__repr__", "_parameter_constraints", "_abc_impl", "_estimator_type"),
    *("get_params", "set_params", "get_metadata_routing", "score", "_more_tags", "_get_tags"),
    *("_validate_params", "_get_param_names", "_sklearn_auto_wrap_output_keys"),
}


def rule(
    *kinds: Kind, predicts: bool = False, origins: Origins | None = None
) -> Callable[[Rule], Rule]:
    """Register a function as the rule for these classes of estimator.

    The function is given the builder, the fitted estimator and the columns of its input. It gives
    the columns of the estimator's `transform`; or, if it `predicts`, the value of each other
    method's result by the method's name. `origins` lets the explanations follow the columns of a
    transformer, as `one_to_one` does. Raises ValueError for a class that has a rule.
    """
    rules = PREDICTORS if predicts else TRANSFORMERS

    def register(function: Rule) -> Rule:
        for kind in kinds:
            if kind in rules:
                raise ValueError(f"there are two rules for {kind}: {rules[kind]} and {function}")
            rules[kind] = function
            if origins:
                ORIGINS[kind] = origins
        return function

    return register


def one_to_one(_: Any, columns: np.ndarray) -> np.ndarray:
    """The origins of output columns that are made of one input column each, in their order."""
    return columns


def as_named(transformer: Any, columns: np.ndarray) -> np.ndarray:
    """The origins if each input column gives an equal number of output columns."""
    return np.repeat(columns, len(transformer.get_feature_names_out()) // len(columns))


def find_rule(rules: Mapping[Kind, Any], estimator: Any) -> Any:
    """The rule of an estimator's class, or of a parent class whose methods it does not change.

    Raises NotCompiled if there is none.
    """
    line = type(estimator).__mro__
    name = type(estimator).__name__
    for i, kind in enumerate(line):
        rule = rules.get(kind) or rules.get(f"{kind.__module__}.{kind.__qualname__}")
        if rule is None:
            continue
        for j, own in enumerate(line[:i]):
            if changed := _changed(own, line[j + 1 :]):
                raise NotCompiled(f"there is no rule for {name}, which has its own {changed}")
        return rule
    raise NotCompiled(f"there is no rule for {name}")


def _changed(kind: type, parents: Sequence[type]) -> str:
    """The first attribute by which a class changes its parents' behaviour, or ""."""
    for name in vars(kind):
        known = any(name in vars(parent) for parent in parents)
        if known and name not in HARMLESS and not name.startswith(("fit", "_fit", "set_")):
            return name
    return ""
