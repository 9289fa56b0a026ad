"""A first model of any table: a linear one, of numbers and one-hot encoded categories."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.training.facts import Unusable
from models.training_rows import columns_of, is_text

# Integers with at most so many different values are classes.
MAX_CLASSES = 20
# A text with more different values than this is a name or an id, and not a category.
MAX_CATEGORIES = 100


def has_classes(answers: pd.Series[Any]) -> bool:
    """Whether answers are classes, and not quantities."""
    if pd.api.types.is_bool_dtype(answers) or not pd.api.types.is_numeric_dtype(answers):
        return True
    whole = bool((answers == answers.round()).all())
    return whole and answers.nunique() <= min(MAX_CLASSES, max(2, len(answers) // 10))


def features(rows: pd.DataFrame) -> list[str]:
    """The columns that the model takes: all but dates, and texts of many values."""
    return [name for name in columns_of(rows) if _is_plain(rows[name]) or _is_category(rows[name])]


def build(rows: pd.DataFrame, answers: pd.Series[Any], *, classes: bool | None = None) -> Pipeline:
    """The pipeline, not fitted: impute, scale and encode the columns, then a linear model.

    `rows` have the shape (n_samples, n_columns). The model is a logistic regression for classes and
    a ridge regression for quantities; the answers tell which, unless `classes` does, and then all
    columns are taken. Raises Unusable if no column is left.
    """
    booleans = [name for name in rows if pd.api.types.is_bool_dtype(rows[name])]
    numbers = [name for name in rows if _is_plain(rows[name]) and name not in booleans]
    others = [name for name in rows if name not in (*booleans, *numbers)]
    # A few rows may have as many texts as a column of names has.
    categories = [name for name in others if classes is not None or _is_category(rows[name])]
    impute = SimpleImputer(strategy="most_frequent")
    encode = OneHotEncoder(handle_unknown="ignore")
    parts: list[tuple[str, Any, list[Any]]] = [
        (
            "numbers",
            Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]),
            numbers,
        ),
        ("booleans", "passthrough", booleans),
        ("categories", Pipeline([("impute", impute), ("encode", encode)]), categories),
    ]
    parts = [part for part in parts if part[2]]
    if not parts:
        raise Unusable(
            "no column can be learnt from by itself: numbers, true and false, and texts of at most "
            f"{MAX_CATEGORIES} different values can; name a function of your own in TRAIN"
        )
    columns = ColumnTransformer(parts)
    if has_classes(answers) if classes is None else classes:
        return Pipeline([("columns", columns), ("classify", LogisticRegression(max_iter=1000))])
    return Pipeline([("columns", columns), ("regress", Ridge())])


def _is_plain(column: pd.Series[Any]) -> bool:
    """Whether a column has numbers, or true and false."""
    return bool(pd.api.types.is_numeric_dtype(column))


def _is_category(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        # True, false and missing values.
        return True
    return is_text(column) and column.nunique() <= min(MAX_CATEGORIES, max(2, len(column) // 2))
