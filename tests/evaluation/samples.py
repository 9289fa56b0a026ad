"""Answers of models that nobody has to fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.facts import Answers


def answers_of(count: int, labels: tuple[Any, ...]) -> Answers:
    """What a classifier answers that is right on most rows."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, len(labels), count)
    raw = rng.random((count, len(labels)))
    raw[np.arange(count), truth] += 0.6
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    names = np.asarray(labels)
    return Answers(
        kind="classifier",
        truth=names[truth],
        predictions=names[probabilities.argmax(axis=1)],
        probabilities=probabilities,
        classes=labels,
        places=np.arange(count),
        rows=pd.DataFrame({"x": rng.random(count)}),
    )


def numbers_of(count: int) -> Answers:
    """What a regressor answers whose errors are normal, but larger where the truth is above 50."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, count)
    errors = rng.normal(0, 1, count) * np.where(truth > 50, 5, 1)
    return Answers(
        kind="regressor",
        truth=truth,
        predictions=truth + errors,
        places=np.arange(count),
        rows=pd.DataFrame({"x": truth}),
    )
