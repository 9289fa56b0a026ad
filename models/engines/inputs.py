"""Put rows into the container on which an estimator was fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.engines import Rows
from models.signature.types import MAX_EXACT, Feature, Signature


def to_input(signature: Signature, rows: Rows) -> Any:
    """Rows in the container on which the estimator was fitted.

    `rows` are an array of float64 of shape (n_samples, n_features), or a list of tuples in the
    order of the features, or of dicts where the signature's form is `mapping`.
    Raises ValueError for a value that the dtype of its column cannot hold.
    """
    if signature.form == "mapping":
        return rows
    if signature.form == "text":
        texts = [row[0] for row in rows]
        if not signature.frame:
            return texts
        import pandas as pd

        return pd.Series(texts)
    if signature.form == "labels":
        return np.array([row[0] for row in rows])
    if not signature.frame:
        array = rows if isinstance(rows, np.ndarray) else _array(signature, rows)
        return array.astype(np.float32) if signature.float32 else array
    import pandas as pd

    if isinstance(rows, np.ndarray):
        frame = pd.DataFrame(rows, columns=[f.name for f in signature.features])
        short = {f.name: np.float32 for f in signature.features if f.dtype == "float32"}
        return frame.astype(short) if short else frame
    columns = zip(signature.features, zip(*rows, strict=True), strict=True)
    # As Series: a DataFrame of object arrays turns None among strings into NaN.
    return pd.DataFrame(
        {
            feature.name: pd.Series(column, dtype=column.dtype)
            for feature, column in ((f, _framed(f, values)) for f, values in columns)
        }
    )


def groups(signature: Signature, rows: Rows) -> list[list[int]] | None:
    """Groups of rows that may share a table, as numbers of rows; None if all rows may.

    A column of a table has one dtype. In a column where types matter, or with integers beyond
    float64, rows of different types would change each other's values.
    """
    if isinstance(rows, np.ndarray) or signature.form != "table":
        return None
    keys = [
        kinds
        for j, feature in enumerate(signature.features)
        if _has_types(feature) and len(set(kinds := _kinds(feature, [row[j] for row in rows]))) > 1
    ]
    if not keys:
        return None
    places: dict[Any, list[int]] = {}
    for i, key in enumerate(zip(*keys, strict=True)):
        places.setdefault(key, []).append(i)
    return list(places.values())


def _has_types(feature: Feature) -> bool:
    """Whether the type of a value in this column may matter."""
    if feature.sent:
        return feature.kind in ("number", "any") and feature.dtype in ("", "object")
    return feature.kind in ("number", "any") and feature.categories is not None


def _kinds(feature: Feature, values: list[Any]) -> list[Any]:
    """A key for each value of a column; values with equal keys may share a table."""
    kinds: list[Any] = list(map(type, values))
    if feature.sent:
        # pandas makes a missing value a float.
        return [float if kind is type(None) else kind for kind in kinds]
    large = any(kind is int and abs(v) > MAX_EXACT for kind, v in zip(kinds, values, strict=True))
    return [kind is int for kind in kinds] if large else [None] * len(kinds)


def _array(signature: Signature, rows: list[Any]) -> np.ndarray:
    """Rows as an array of numbers if all values are, else of objects."""
    columns = [
        _column(feature, values)
        for feature, values in zip(signature.features, zip(*rows, strict=True), strict=True)
    ]
    if all(column.dtype.kind in "biuf" for column in columns):
        return np.column_stack(columns)
    array = np.empty((len(rows), len(columns)), dtype=object)
    for i, column in enumerate(columns):
        array[:, i] = column
    return array


def _framed(feature: Feature, values: Sequence[Any]) -> Any:
    """One column of a DataFrame, in the dtype of training if that is known and matters."""
    import pandas as pd

    if feature.kind == "datetime":
        return _dates(feature, values)
    if feature.dtype == "category" and feature.categories is not None:
        return pd.Categorical(list(values), categories=list(feature.categories))
    if feature.dtype in ("float32", "float16") and feature.kind == "number":
        return np.array(values, dtype=np.float64).astype(feature.dtype)
    if not feature.sent:
        return _column(feature, values)
    if feature.dtype == "object":
        return _objects([feature.null if value is None else value for value in values])
    if feature.dtype:
        return _typed(feature.dtype, values)
    if feature.kind == "string" or set(map(type, values)) == {str}:
        # In the dtype that pandas gives to strings.
        return pd.Series(list(values)).array
    return _column(feature, values)


def _typed(dtype: str, values: Sequence[Any]) -> Any:
    """A column of this dtype, or of the dtype to which pandas would convert it for these values."""
    import pandas as pd

    if dtype[:1] in "iu" or dtype == "bool":
        if None in values or any(type(v) is float and not v.is_integer() for v in values):
            return np.array(values, dtype=np.float64)
        return _integers([int(v) for v in values]).astype(dtype)
    if dtype.startswith("float"):
        return np.array(values, dtype=np.float64).astype(dtype)
    return pd.array(list(values), dtype=dtype)  # type: ignore[call-overload]


def _dates(feature: Feature, values: Sequence[Any]) -> Any:
    """Dates in ISO 8601, in the dtype of training, or else in the one that pandas chooses."""
    import pandas as pd

    dtype = "" if feature.dtype == "date" else feature.dtype
    # pandas before 2 lacks this format, and parses each date alone.
    given = {} if pd.__version__.startswith("1.") else {"format": "ISO8601"}
    parsed: Any = pd.Series(pd.to_datetime(list(values), utc="," in dtype, **given))  # type: ignore[call-overload]
    if feature.dtype == "date":
        return _objects([feature.null if day is pd.NaT else day.date() for day in parsed])
    typed = parsed.astype(dtype) if dtype else parsed
    return typed.array


def _column(feature: Feature, values: Sequence[Any]) -> np.ndarray:
    """One column: numbers and booleans in their own dtype, other values as objects."""
    if feature.kind == "number" and feature.categories is None and not feature.sent:
        return np.array(values, dtype=np.float64)
    kinds = set(map(type, values))
    if feature.sent and kinds <= {float, type(None)}:
        return np.array(values, dtype=np.float64)
    if feature.kind != "unused" and kinds == {int}:
        return _integers(values)
    if feature.kind != "unused" and (kinds <= {int, float} or kinds == {bool}):
        return np.array(values)
    if None in values:
        values = [feature.null if value is None else value for value in values]
    if feature.kind == "number" and feature.null is not None:
        return np.array(values, dtype=np.float64)
    return _objects(values)


def _integers(values: Sequence[int]) -> np.ndarray:
    """A column of integers: int64, else uint64, else objects, as in pandas."""
    column = np.array(values)
    if column.dtype.kind != "f":
        return column
    # numpy makes floats of integers if only some are above 2**63 - 1.
    return _objects(values) if min(values) < 0 else np.array(values, dtype=np.uint64)


def _objects(values: Sequence[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
