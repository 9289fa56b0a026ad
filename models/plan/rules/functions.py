"""Functions of numpy that are used as transformers."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from ..builder import Builder, Number, Table, rule
from ..errors import NotCompiled
from ..operations.scaling import UFUNCS


@rule(FunctionTransformer)
def function_transformer(builder: Builder, estimator: FunctionTransformer, table: Table) -> Table:
    """A function of each number, or none."""
    if estimator.validate:
        table = builder.columns(builder.checked(table), len(table))
    if estimator.func is None:
        return table
    name = getattr(estimator.func, "__name__", "")
    if estimator.func is not getattr(np, name, None) or name not in UFUNCS:
        raise NotCompiled("a FunctionTransformer of a function that is not one of numpy's")
    if estimator.kw_args:
        raise NotCompiled("a FunctionTransformer with arguments")
    # Of other types numpy gives something else: of booleans, half precision.
    if not all(isinstance(column, Number) and column.dtype == "float64" for column in table):
        raise NotCompiled("a FunctionTransformer of what is no column of float64")
    return builder.columns(builder.do("ufunc", builder.numbers(table), name=name), len(table))
