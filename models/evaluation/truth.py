"""Bring known answers to the types in which a model answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.facts import Kind, Unmeasurable
from models.rows.words import some


def as_truth(kind: Kind, classes: Sequence[Any] | None, truth: np.ndarray) -> np.ndarray:
    """Known answers as the model would give them, shape (n,). Raises Unmeasurable.

    Labels that are no class of a classifier stay as they are: the model is wrong on their rows. The
    truth of an outlier detector becomes 1 for inliers and -1 for outliers, as scikit-learn has it.
    """
    if kind == "classifier":
        return _labels(list(classes or ()), truth)
    if kind == "regressor":
        return _numbers(truth)
    return _inliers(truth) if kind == "outliers" else truth


def codes_of(classes: Sequence[Any], labels: np.ndarray) -> np.ndarray:
    """The place of each label among the classes, -1 for a label that is no class; shape (n,)."""
    found, unique = pd.factorize(pd.Series(labels))
    places = {label: i for i, label in enumerate(classes)}
    return np.array([places.get(_plain(label), -1) for label in unique], dtype=np.int64)[found]


def _labels(classes: list[Any], truth: np.ndarray) -> np.ndarray:
    codes, unique = pd.factorize(pd.Series(truth, dtype=object))
    known = {_plain(label): label for label in classes}
    spelled = {_text(label): label for label in classes}
    found = [known.get(label, spelled.get(_text(label), label)) for label in map(_plain, unique)]
    if not any(_plain(label) in known for label in found):
        raise Unmeasurable(
            f"no known answer is a class of the model: they are {some(list(map(str, found)))}, and "
            f"its classes {some(list(map(str, classes)))}: name the column of the target"
        )
    plain = np.array(found)
    # Labels of several types would all become text.
    labels = plain if plain.tolist() == found else np.array([*found, None], dtype=object)[:-1]
    return labels[codes]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _text(label: Any) -> str:
    """A label as text, the same for 1, 1.0, "1" and "1.0", and for True and "true"."""
    if isinstance(label, (bool, np.bool_)):
        return str(label).lower()
    text = str(label).strip()
    try:
        number = float(text)
    except ValueError:
        return text.lower() if text.lower() in ("true", "false") else text
    return str(int(number)) if number.is_integer() else str(number)


def _numbers(truth: np.ndarray) -> np.ndarray:
    numbers = pd.to_numeric(pd.Series(truth), errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        shown = str(truth[wrong[0]])
        raise Unmeasurable(
            f"the model answers with numbers, and {len(wrong):,} known answers are none, as "
            f"{shown!r:.40}: name the column of the target"
        )
    return numbers


def _inliers(truth: np.ndarray) -> np.ndarray:
    values = set(map(_plain, truth))
    if values <= {1, -1}:
        return truth.astype(np.int64)
    if values <= {0, 1}:
        return np.where(truth.astype(bool), -1, 1)
    raise Unmeasurable(
        f"the known answers are {some(sorted(map(str, values)))}: expected -1 for outliers and 1 "
        "for others, or true and false"
    )
