"""Rows with known answers, from a file, an address or a DataFrame, in a model's own columns."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from models import card as cards
from models import releases, sources
from models.description import Training, chosen, take
from models.model import Model
from models.rows.words import some
from models.settings import ModelSettings
from models.training_rows import MAX_ROWS, DataError, columns_of, find, read

EXAMPLE_ROWS = Path("models/penguins.csv")
MAX_SHOWN_CHARACTERS = 60


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """n rows, and what is true of them.

    `rows` has the model's features, `frame` all columns of the file. `truth` has the shape (n,),
    as the file has it: values may be missing. It is None without a `target`. `name` is the file or
    address, `sha256` its hash, "" for a DataFrame. `notes` are sentences on what a reader of the
    scores must know; `fitted` says that the model was fitted on rows of this data.
    """

    name: str
    sha256: str
    rows: pd.DataFrame
    frame: pd.DataFrame
    target: str
    truth: np.ndarray | None
    notes: tuple[str, ...] = ()
    fitted: bool = False


def read_known(model: Model, data: str | Path | pd.DataFrame | None, target: str = "") -> Known:
    """The rows of `data` and their known answers, for this model.

    `data` is a file, an address of `sources.fetch_data`, or a DataFrame; if it is None or "", the
    model's held-out rows are read. `target` is the column of the known answers: by
    default that of the card, or the only column whose values are all classes of the model.
    Raises DataError, ModelError or SettingsError.
    """
    if isinstance(data, pd.DataFrame):
        if not len(data):
            raise DataError("the DataFrame has no rows")
        frame = data.reset_index(drop=True).set_axis(columns_of(data), axis=1)
        return _known(model, "a DataFrame", "", frame, target)
    notes: list[str] = []
    if not data:
        data, notes = _default(model)
    fitted = bool(notes)
    name = sources.shown(str(data))
    with tempfile.TemporaryDirectory() as folder:
        settings = ModelSettings.from_env(os.environ)
        path = sources.fetch_data(str(data), Path(folder), settings)
        known = _known(model, name, path, _read(path, model), target)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not fitted and _was_fitted_on(model, sha256):
        fitted = True
        notes.append(_fitted_note(model, f"rows of {name}"))
    if len(known.frame) == MAX_ROWS:
        notes.append(f"Only the first {MAX_ROWS:,} rows of {name} were read.")
    return msgspec.structs.replace(known, sha256=sha256, notes=tuple(notes), fitted=fitted)


def samples(model: Model, rows: pd.DataFrame) -> list[Any]:
    """The rows as JSON has them: objects, or texts."""
    values = cards.values(rows)
    if model.signature.form == "text":
        return [value for (value,) in values]
    names = columns_of(rows)
    return [dict(zip(names, row, strict=True)) for row in values]


def _default(model: Model) -> tuple[Path, list[str]]:
    """The held-out rows of a model, or the rows of the example, with a note; raises DataError."""
    held_out = releases.held_out_path(Path(model.path))
    if held_out.exists():
        return held_out, []
    if EXAMPLE_ROWS.exists():
        header = columns_of(pd.read_csv(EXAMPLE_ROWS, nrows=0))
        features = {feature.name for feature in model.signature.features}
        if model.signature.named and features | {model.card.get("target")} <= set(header):
            return EXAMPLE_ROWS, [_fitted_note(model, f"most rows of {EXAMPLE_ROWS}")]
    raise DataError(
        f"DATA is not set, and there is no {held_out}: name a file of rows whose answers are "
        "known, as in DATA=rows.csv"
    )


def _was_fitted_on(model: Model, sha256: str) -> bool:
    training = model.card.get("training")
    return isinstance(training, dict) and training.get("sha256") == sha256


def _fitted_note(model: Model, rows: str) -> str:
    return (
        f"The model was fitted on {rows}, so that these scores are better than those on new rows: "
        f"{_remedy(model)}."
    )


def _remedy(model: Model) -> str:
    """The advice that leads to scores on rows that the model was not fitted on."""
    held_out = releases.held_out_path(Path(model.path))
    if held_out.exists():
        return f"leave DATA out to take the held-out rows, {held_out}"
    return "name rows that it was not fitted on, as in DATA=new.csv"


def _read(path: Path, model: Model) -> pd.DataFrame:
    names = [feature.name for feature in model.signature.features]
    return read(path, [*names, str(model.card.get("target") or "")])


def _known(model: Model, name: str, path: Path | str, frame: pd.DataFrame, target: str) -> Known:
    """The rows of a DataFrame; `path` is "" if it is from no file. Raises DataError."""
    columns = columns_of(frame)
    if twice := [column for column in dict.fromkeys(columns) if columns.count(column) > 1]:
        raise DataError(f"{name} has the column {some(twice)} twice: rename one of the two")
    features = {feature.name for feature in model.signature.features}
    if target and target not in columns:
        raise DataError(f"{name} has no column {target} (TARGET); it has {some(columns)}")
    if target in features:
        raise DataError(
            f"{target} (TARGET) is a feature of the model: name the column of the known answers, "
            f"one of {some([column for column in columns if column not in features])}"
        )
    given = str(model.card.get("target") or "")
    target = target or (given if given in columns and given not in features else "")
    training = _training(model, name, path, frame, target)
    if training.answers is not None:
        _check(training.answers, name)
    return Known(
        name=name,
        sha256="",
        rows=training.rows,
        frame=training.frame,
        target=training.target,
        truth=None if training.answers is None else training.answers.to_numpy(),
    )


def _check(truth: pd.Series[Any], name: str) -> None:
    """Raise DataError if nothing can be measured by this target."""
    known = truth.dropna()
    if not len(known):
        raise DataError(
            f"the target {truth.name} is missing in {_all(len(truth))} of {name}: name the column "
            "of the known answers, TARGET=column"
        )
    if known.dtype == object and known.map(np.ndim).any():
        raise DataError(f"the target {truth.name} of {name} has lists: name a column of values")
    if len(known.unique()) == 1:
        raise DataError(
            f"the target {truth.name} is {_shown(known.iloc[0])} in {_all(len(known))} of {name}, "
            "and nothing can be told from one value: take rows of other values too"
        )


def _training(
    model: Model, name: str, path: Path | str, frame: pd.DataFrame, target: str
) -> Training:
    """The columns of the file by the features' names; raises DataError."""
    signature = model.signature
    if signature.form == "mapping":
        columns = {column: column for column in columns_of(frame) if column != target}
        return chosen(frame, columns, None, target)
    if signature.form == "labels":
        raise DataError(f"a {model.kind} takes labels, and has no answers that can be measured")
    columns = _by_place(model, frame, target)
    if isinstance(path, Path):
        return take(path, frame, signature, model.classes, target, columns)
    columns = columns or find(Path(name), frame, signature, target)
    return chosen(frame, columns, model.classes, target)


def _by_place(model: Model, frame: pd.DataFrame, target: str) -> dict[str, str]:
    """The columns in their order, of a model that was fitted without names; {} if they do not fit.

    Without a target, there must be no other column.
    """
    features = [feature.name for feature in model.signature.features]
    columns = [name for name in columns_of(frame) if name != target]
    signature = model.signature
    if signature.named or signature.form != "table" or len(columns) != len(features):
        return {}
    if not set(features).isdisjoint(columns):
        return {}
    return dict(zip(features, columns, strict=True))


def _all(count: int) -> str:
    return f"all {count:,} rows" if count > 1 else "the only row"


def _shown(value: Any) -> str:
    return cards.text(value)[:MAX_SHOWN_CHARACTERS]
