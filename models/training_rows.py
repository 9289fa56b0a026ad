"""Training rows from a file: CSV, Parquet or JSON lines, in the types that pandas reads."""

from __future__ import annotations

import itertools
import json
import lzma
import shlex
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from models import training_csv
from models.rows.names import plain_name
from models.rows.words import some
from models.signature.types import Signature
from models.training_csv import NO_WORDS, Words, read_csv

# Rows that are read from the beginning of a file.
MAX_ROWS = 1_000_000
PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
# Errors of reading a damaged file in one of these formats.
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
CSV = {".csv", ".tsv", ".txt"}
EXPECTED = "expected .csv or .tsv, .parquet, .ndjson or .jsonl"
AS_CSV = "save the sheet as CSV in UTF-8"
# How to write the rows of another file.
HOW = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), AS_CSV),
    ".json": 'write an object a line, as frame.to_json("a.jsonl", orient="records", lines=True)',
}


class DataError(Exception):
    """The rows cannot be used; the message says why and what to do."""


def read(
    path: Path,
    names: Collection[str] = (),
    texts: Collection[str] = (),
    words: Words = NO_WORDS,
) -> pd.DataFrame:
    """Read the rows of a file, up to MAX_ROWS. Raises DataError.

    `names`, `texts` and `words` tell how a CSV is read: see `models.training_csv.read_csv`.
    """
    kinds = _kinds(path)
    kind = kinds[-1] if kinds else ""
    try:
        if kind in CSV:
            frame = read_csv(path, MAX_ROWS, names, texts, words)
        elif kind in (".parquet", ".pq"):
            frame = pd.read_parquet(path).head(MAX_ROWS)
        elif kind in (".ndjson", ".jsonl"):
            frame = _read_lines(path)
        else:
            how = f": {HOW[kind]}" if kind in HOW else ""
            raise DataError(f"{path} is none of the files that are read: {EXPECTED}{how}")
    except ImportError:
        raise DataError(
            f"to read {path}, add the line pyarrow to models/requirements.txt and run make again, "
            "or write the rows as CSV"
        ) from None
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} {_encoding(path)}") from None
    except (*DAMAGED, OSError, ValueError, TypeError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} cannot be read as {kind[1:]}: {reason}") from None
    if not len(frame):
        raise DataError(f"{path} has no rows")
    frame.columns = pd.Index(map(str, frame.columns))
    return frame.reset_index(drop=True)


def as_texts(path: Path, frame: pd.DataFrame) -> pd.DataFrame | None:
    """The cells of the CSV from which a frame was read, as texts; None of other files."""
    if CSV.isdisjoint(_kinds(path)):
        return None
    return training_csv.as_texts(path, MAX_ROWS, frame)


def _encoding(path: Path) -> str:
    """The encoding or kind of a file that is not UTF-8, and how to write it so."""
    if path.suffix.lower() in PACKED:
        return "is not UTF-8: save it as UTF-8"
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return f"is a workbook, as of Excel: {AS_CSV}"
    encoding = "UTF-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "WINDOWS-1252"
    new = shlex.quote(f"{path.stem}-utf8{path.suffix}")
    return (
        f"is not UTF-8: save it as UTF-8, as with iconv -f {encoding} -t UTF-8 "
        f"{shlex.quote(str(path))} > {new}"
    )


def _kinds(path: Path) -> list[str]:
    return [suffix.lower() for suffix in path.suffixes if suffix.lower() not in PACKED]


def _read_lines(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig") as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        rows = [_read_line(path, *each) for each in itertools.islice(lines, MAX_ROWS)]
    return pd.DataFrame(rows)


def _read_line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {number}: {error.msg} at character {error.pos + 1}"
        ) from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: expected an object in each line")
    return row


def find(path: Path, frame: pd.DataFrame, signature: Signature, answer: str) -> dict[str, str]:
    """The column of the file for each feature of the model, by the features' names.

    If the model has no names, the signature has those of the file. `answer` is the column of the
    known answers. Raises DataError.
    """
    columns = [name for name in columns_of(frame) if name != answer]
    if signature.form == "text":
        return {signature.features[0].name: _one_text(path, frame, columns)}
    if signature.form != "table":
        raise DataError("this model takes no table of columns: a card has nothing to add for it")
    # A DataFrame without names has its columns numbered.
    places = [str(i) for i in range(len(columns))]
    if not signature.named and all(map(_is_number, columns)) and columns != places:
        raise DataError(f"the first line of {path} is numbers: put the columns' names there")
    features = [feature.name for feature in signature.features]
    spelled = {plain_name(column): column for column in reversed(columns)}
    found = {name: name if name in columns else spelled.get(plain_name(name)) for name in features}
    missing = [
        feature.name
        for feature in signature.features
        if found[feature.name] is None and feature.kind != "unused"
    ]
    if not missing:
        return {name: column for name, column in found.items() if column is not None}
    if signature.named or len(columns) == len(features):
        raise DataError(
            f"{path} lacks {some(missing)}, of the model's columns; it has {some(columns)}"
        )
    hint = "" if answer else "; TARGET=column says which column is the answer"
    raise DataError(
        f"the model was fitted without names on {len(features)} columns, and {path} has "
        f"{len(columns)}: {some(columns)}. Leave those that it takes, in their order{hint}"
    )


def _one_text(path: Path, frame: pd.DataFrame, columns: Sequence[str]) -> str:
    texts = [name for name in columns if is_text(frame[name])]
    if len(texts) != 1:
        raise DataError(
            f"the model takes one text a row, and {path} has {some(texts) if texts else 'none'}: "
            "leave one column of text; TARGET=column says which column is the answer"
        )
    return texts[0]


def readings(frame: pd.DataFrame, signature: Signature) -> Iterator[tuple[pd.DataFrame, list[str]]]:
    """The rows in each set of dtypes that the model may have been fitted on, and the changes.

    CSV and JSON have neither dates nor categories. The first set has the dtypes of the file.
    """
    known = {feature.name for feature in signature.features if feature.dtype == "category"}
    frame = categorised(frame, [name for name in columns_of(frame) if name in known], signature)
    given: list[tuple[pd.DataFrame, list[str]]] = [(frame, [])]
    if dates := [name for name in columns_of(frame) if _is_dates(frame[name])]:
        parsed = {name: pd.to_datetime(frame[name], format="ISO8601") for name in dates}
        given.append((frame.assign(**parsed), [f"{some(dates)} as dates"]))
    yield from given
    for rows, said in given:
        if texts := [name for name in columns_of(rows) if is_text(rows[name])]:
            yield categorised(rows, texts, signature), [*said, f"{some(texts)} as categories"]


def categorised(frame: pd.DataFrame, names: Sequence[str], signature: Signature) -> pd.DataFrame:
    """The rows with these columns as categories, in the model's order if it knows them."""
    known = {f.name: list(f.categories or ()) or None for f in signature.features if f.dtype}
    return frame.assign(
        **{
            name: frame[name].astype(pd.CategoricalDtype(known.get(name)))
            for name in names
            if not isinstance(frame[name].dtype, pd.CategoricalDtype)
        }
    )


def columns_of(frame: pd.DataFrame) -> list[str]:
    """The names of a DataFrame's columns, as text."""
    return list(map(str, frame.columns))


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds only text and missing values."""
    known = column.dropna()
    if isinstance(column.dtype, pd.CategoricalDtype) or not len(known):
        return False
    return bool(pd.api.types.is_string_dtype(known))


def _is_dates(column: pd.Series[Any]) -> bool:
    if not is_text(column) or not column.dropna().astype(str).str.match(r"\d{4}-\d\d-\d\d").all():
        return False
    try:
        pd.to_datetime(column, format="ISO8601")
    except ValueError:
        return False
    return True


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
