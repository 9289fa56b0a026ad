"""The card of a model: what cannot be read off the estimator, as JSON beside its joblib file."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import sklearn

# So many rows go into the card, for explanations to compare others with.
BACKGROUND = 50


def write_card(
    model_path: Path,
    estimator: Any,
    rows: pd.DataFrame,
    *,
    target: str,
    metrics: Mapping[str, float],
    background_rows: int = BACKGROUND,
) -> Path:
    """Write `latest.json` for `latest.joblib`.

    `rows` are the rows it was fitted on, shape (n_samples, n_features): they give the dtypes, the
    example (the first row without a missing value), the statistics of each feature, and the
    background, `background_rows` drawn from them that explanations compare others with. With none,
    they compare with rows made of the statistics.
    """
    with model_path.open("rb") as file:
        version = hashlib.file_digest(file, "sha256").hexdigest()
    card = {
        "sha256": version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "estimator": type(estimator).__name__,
        "target": target,
        "classes": np.asarray(getattr(estimator, "classes_", [])).tolist(),
        "metrics": metrics,
        "example": rows.dropna().iloc[0].to_dict(),
        "features": {name: describe(rows[name]) for name in rows},
        "background": background(rows, background_rows),
        "versions": {
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }
    path = model_path.with_suffix(".json")
    encoded = msgspec.json.encode(card, enc_hook=lambda value: value.item())
    path.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    return path


def describe(column: pd.Series[Any]) -> dict[str, Any]:
    """The training statistics of one feature: a range for numbers, counts for categories."""
    facts: dict[str, Any] = {"dtype": str(column.dtype), "missing": int(column.isna().sum())}
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        quantiles = column.quantile([0, 0.25, 0.5, 0.75, 1]).tolist()
        names = ("min", "quartile_1", "median", "quartile_3", "max")
        facts |= dict(zip(names, quantiles, strict=True))
        facts |= {"mean": column.mean(), "std": column.std()}
    else:
        facts["counts"] = {str(value): n for value, n in column.value_counts().items()}
    return facts


def background(rows: pd.DataFrame, count: int) -> list[list[Any]]:
    """Some rows of the training data, the same in every run; None is a missing value."""
    chosen = rows.sample(min(len(rows), count), random_state=0).astype(object)
    return chosen.where(chosen.notna(), None).to_numpy().tolist()
