"""Predictions made of what was noted: plain values, without those that may not be kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from api.feedback.facts import Prediction
from api.feedback.notes import Answered, Kept
from api.settings import Settings
from models.errors import ModelError
from models.files import write_file
from models.model import Model
from models.rows.words import some
from models.text.results import as_python

# Hexadecimal digits of a hash that stands for a value.
HASH_DIGITS = 24


class Maker:
    """Makes predictions; the values of some features are left out, or replaced by a keyed hash.

    `folder` holds the key where PREDICTION_KEY does not give one. Raises OSError.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._dropped = _names(settings.prediction_drop)
        self._hashed = _names(settings.prediction_hash)
        self._key = _key(settings, folder) if self._hashed else b""

    @property
    def hidden(self) -> frozenset[str]:
        """The features whose values are not kept, and not counted."""
        return self._dropped | self._hashed

    def check(self, model: Model) -> None:
        """Raise ModelError if the settings name a feature that the model does not have."""
        have = [feature.name for feature in model.signature.features]
        hidden = (("PREDICTION_DROP", self._dropped), ("PREDICTION_HASH", self._hashed))
        for variable, names in hidden:
            if unknown := sorted(names - {*have}):
                known = f"it has {some(have)}" if have else "it has no names for them"
                raise ModelError(
                    f"{variable} names {some(unknown)}, and the model has no such feature: {known}"
                )

    def made(self, model: Model, kept: Kept) -> list[Prediction]:
        """The predictions of an answer, one for each row."""
        labels, ranked = _labels(model, kept.answered)
        names = [feature.name for feature in model.signature.features]
        is_table = model.signature.form in ("table", "text")
        rows = kept.answered.rows
        plain = as_python(rows) if isinstance(rows, np.ndarray) else rows
        return [
            Prediction(
                id=kept.id,
                row=kept.first + i,
                at=kept.at,
                version=model.version,
                owner=kept.owner,
                method=kept.answered.method,
                inputs=self._shown(names, row if is_table else [row]),
                label=labels[i],
                ranked=ranked[i] if ranked else None,
            )
            for i, row in enumerate(plain)
        ]

    def _shown(self, names: list[str], row: Any) -> list[Any]:
        """The values of a row that may be kept, None for a missing one."""
        values = [_plain(value) for value in row]
        if not (self._hashed or self._dropped):
            return values
        return [self._hidden(name, value) for name, value in zip(names, values, strict=True)]

    def _hidden(self, name: str, value: Any) -> Any:
        if name in self._dropped:
            return None
        if name not in self._hashed or value is None:
            return value
        # 10115.0, as JSON may have it, equals 10115.
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        digest = hmac.new(self._key, f"{name}\0{value}".encode(), hashlib.sha256)
        return f"hmac:{digest.hexdigest()[:HASH_DIGITS]}"


def _names(setting: str) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, setting.split(","))))


def _key(settings: Settings, folder: Path) -> bytes:
    """The key of the hashes: PREDICTION_KEY, or one beside the store."""
    if settings.prediction_key:
        return settings.prediction_key.encode()
    path = folder / "key"
    if not path.exists():
        write_file(path, secrets.token_hex(32).encode())
        path.chmod(0o600)
    return path.read_bytes()


def _labels(model: Model, answered: Answered) -> tuple[list[Any], list[list[float]] | None]:
    """The label of each row, and the probabilities of the classes if the method gave them."""
    found = answered.result
    values = list(found) if isinstance(found, (tuple, list)) else as_python(np.asarray(found))
    if answered.method == "predict":
        return [label_in(value) for value in values], None
    classes = model.classes or []
    return [classes[max(range(len(row)), key=partial(_at, row))] for row in values], values


def label_in(predicted: Any) -> Any:
    """The label of a row: a regression that was fitted on a table of one column answers a list."""
    return predicted[0] if isinstance(predicted, list) else predicted


def _at(row: list[float | None], i: int) -> float:
    # A probability that is missing is null in JSON.
    value = row[i]
    return value if isinstance(value, float) else -1.0


def _plain(value: Any) -> Any:
    # NaN is the only value that differs from itself.
    return None if value != value else value  # noqa: PLR0124
