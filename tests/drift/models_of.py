"""Models that count: a signature and a card, without an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.model import Model
from models.signature.types import Feature, Signature


def model_of(
    features: tuple[Feature, ...] = (),
    card: dict[str, Any] | None = None,
    classes: list[Any] | None = None,
    **facts: Any,
) -> Model:
    """A model with these features, whose engine is never asked."""
    return Model(
        path="m.joblib",
        version="1" * 64,
        kind="Pipeline",
        engine=None,  # type: ignore[arg-type]
        signature=Signature(features=features, **facts),
        methods=("predict", "predict_proba"),
        classes=classes,
        card=card or {},
        versions={},
    )


def facts_of(values: Any) -> dict[str, Any]:
    """What a card tells of a column of numbers."""
    found = pd.Series(values).dropna()
    edges = sorted({float(found.quantile(n / 10)) for n in range(1, 10)})
    counts = np.bincount(np.searchsorted(edges, found), minlength=len(edges) + 1)
    return {
        "count": len(found),
        "missing": len(values) - len(found),
        "min": float(found.min()),
        "max": float(found.max()),
        "bins": {"edges": edges, "counts": counts.tolist()},
    }
