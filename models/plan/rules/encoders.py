"""Encoders of categories: a fitted encoder itself gives its output for each known value."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.preprocessing import (
    KBinsDiscretizer,
    LabelBinarizer,
    OneHotEncoder,
    OrdinalEncoder,
)

from ..builder import UNKNOWN, Builder, Category, Column, Number, Table, rule
from ..errors import NotCompiled
from ..format import INPUT
from ..registry import as_named
from ..signature import is_missing
from ..sklearn_versions import TargetEncoder

# With more cells in the table of one column, one-hot columns are made without a table.
MAX_TABLE_CELLS = 1_000_000


def encoder_origins(estimator: Any, columns: np.ndarray) -> np.ndarray:
    """Each column as often as the encoder makes columns of it."""
    if isinstance(estimator, OneHotEncoder):
        return np.repeat(columns, estimator._n_features_outs)  # noqa: SLF001
    return columns if isinstance(estimator, OrdinalEncoder) else as_named(estimator, columns)


@rule(OneHotEncoder, OrdinalEncoder, TargetEncoder, origins=encoder_origins)
def encoder(builder: Builder, estimator: Any, table: Table) -> Table:
    """A row of numbers for each category."""
    dtype = np.dtype(getattr(estimator, "dtype", np.float64))
    if dtype.kind not in "biu" and dtype != np.float64:
        raise NotCompiled(f"a {type(estimator).__name__} to {dtype.name}")
    own = deepcopy(estimator)
    if isinstance(own, OneHotEncoder):
        own.sparse_output = True
        # Before scikit-learn 1.2 the parameter was named sparse.
        own.sparse = True
    # scikit-learn before 1.2 has no such method.
    with contextlib.suppress(AttributeError):
        own.set_output(transform="default")
    made: list[Any] = []
    for i, column in enumerate(table):
        category = as_category(builder, column, estimator.categories_[i])
        rows, refused = outcomes(own, i, category)
        made += encoded(builder, category, rows, refused, dtype.name)
    return tuple(made)


def as_category(builder: Builder, column: Column, categories: np.ndarray) -> Category:
    """The column, with a code for each category if it has numbers."""
    if isinstance(column, Category):
        return column
    known = [each for each in categories.tolist() if not is_missing(each)]
    if not isinstance(column, Number) or any(isinstance(each, str) for each in known):
        raise NotCompiled("an encoder of other texts than categories")
    numbers = np.unique(np.array(known, dtype=np.float64))
    codes = builder.do("codes_of", builder.checked((column,), missing=True), known=numbers)
    return Category(codes, (*numbers.tolist(), np.nan, UNKNOWN))


def outcomes(estimator: Any, place: int, column: Category) -> tuple[Any, list[int]]:
    """The encoder's output for each meaning of one of its columns, and the meanings it refuses."""
    categories = [each.tolist() for each in estimator.categories_]
    unknown = unlike(categories[place])
    meanings = [unknown if each is UNKNOWN else each for each in column.meanings]
    first = np.array([known[0] for known in categories], dtype=object)
    rows = np.empty((len(meanings), len(categories)), dtype=object)
    rows[:] = first
    rows[:, place] = meanings
    refused = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in [*range(len(meanings))] if _is_refused(estimator, rows) else []:
            if _is_refused(estimator, rows[i : i + 1]):
                refused.append(i)
                rows[i] = first
        made = estimator.transform(rows)
        widths = [made.shape[1] // len(categories)] * len(categories)
        widths = getattr(estimator, "_n_features_outs", widths)
    start = sum(widths[:place])
    return made[:, start : start + widths[place]], refused


def _is_refused(estimator: Any, rows: np.ndarray) -> bool:
    try:
        estimator.transform(rows)
    except ValueError:
        return True
    return False


def unlike(categories: Sequence[Any]) -> Any:
    """A value of the type of these categories that is none of them."""
    known = [each for each in categories if not is_missing(each)]
    if any(isinstance(each, str) for each in known):
        return "?".join(map(str, known)) + "?"
    return max((float(each) for each in known), default=0.0) + 1.5


def encoded(
    builder: Builder, column: Category, rows: Any, refused: Sequence[int], dtype: str
) -> Table:
    """The columns whose rows are given for each meaning of a column; some meanings are refused."""
    codes = column.value
    missing, unknown = builder.arrives(column)
    never = {len(column.meanings) - 2: not missing, len(column.meanings) - 1: not unknown}
    if any(not never.get(i, False) for i in refused):
        bad = np.zeros(len(column.meanings), dtype=bool)
        bad[refused] = True
        codes = builder.do("require_known", codes, bad=bad)
    width = rows.shape[1]
    if rows.shape[0] * width > MAX_TABLE_CELLS and hasattr(rows, "indptr"):
        places = np.full(rows.shape[0], width, dtype=np.intp)
        places[np.diff(rows.indptr) > 0] = rows.indices
        return builder.columns(
            builder.do("one_hot", codes, places=places, width=width), width, dtype=dtype
        )
    dense = rows.toarray() if hasattr(rows, "toarray") else rows
    value = builder.do("lookup", codes, table=np.ascontiguousarray(dense, dtype=np.float64))
    return builder.columns(value, width, dtype=dtype)


def bin_origins(bins: KBinsDiscretizer, columns: np.ndarray) -> np.ndarray:
    """Each column once, or as often as it has bins."""
    return np.repeat(columns, 1 if bins.encode == "ordinal" else bins.n_bins_)


@rule(KBinsDiscretizer, origins=bin_origins)
def discretizer(builder: Builder, estimator: KBinsDiscretizer, table: Table) -> Table:
    """The number of the bin of each value, or a column of 0 and 1 for each bin."""
    if estimator.dtype not in (None, np.float64):
        raise NotCompiled("a KBinsDiscretizer to single precision")
    edges = [own[1:-1] for own in estimator.bin_edges_]
    most = max(map(len, edges))
    padded = np.array([[*own, *[np.inf] * (most - len(own))] for own in edges])
    bins = builder.do("bins", builder.checked(table), edges=padded.reshape(len(edges), most))
    if estimator.encode == "ordinal":
        return builder.columns(builder.do("cast", bins, dtype="float64"), len(table))
    widths = [len(own) for own in estimator._encoder.categories_]  # noqa: SLF001
    value = builder.do(
        "levels",
        bins,
        columns=np.repeat(np.arange(len(widths)), widths),
        levels=np.concatenate([np.arange(width) for width in widths]),
    )
    return builder.columns(value, sum(widths))


@rule(LabelBinarizer)
def label_binarizer(builder: Builder, estimator: LabelBinarizer, table: Table) -> Table:
    """A column for each label, or one for the second of two."""
    if table or estimator.y_type_.startswith("multilabel"):
        raise NotCompiled("a LabelBinarizer of what is not one label a row")
    known = estimator.classes_.tolist()
    rows = estimator.transform(estimator.classes_)
    dense = rows.toarray() if hasattr(rows, "toarray") else rows
    codes = builder.do("codes", INPUT, column=0, places={"places": known})
    bad = np.arange(len(known) + 2) >= len(known)
    codes = builder.do("require_known", codes, bad=bad)
    value = builder.do("lookup", codes, table=np.vstack([dense, dense[:1], dense[:1]]))
    return builder.columns(value, dense.shape[1], dtype=dense.dtype.name)
