"""The command of a packaged model: rows from a file or a pipe, answers to the standard output."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from models.errors import CallError, InvalidRows, Place
from models.model import Model
from models.packaging.stream import Progress, Stream
from models.rows.words import IGNORE_HINT
from models.text.answers import answered
from models.text.chunks import TextInput
from models.text.contract import Contract
from models.text.cut import CSV, MAX_ROWS, NDJSON, TABS, Chunk
from models.text.dialect import MIXED_DECIMALS
from models.text.results import as_python, csv_lines, dense, table

# Rows of a chunk: the memory is that of one chunk.
CHUNK_ROWS = 8192
MEDIA_TYPES = {".ndjson": NDJSON, ".jsonl": NDJSON, ".tsv": TABS, ".csv": CSV}
# So many new objects make Python search for cycles.
COLLECT_AT = 200_000
AT_LINE = re.compile(r"line (\d+): ")
# The input is a pipe, or a file that may grow: its size is not asked for.
ANY_SIZE = 2**63 - 1


class Asked(NamedTuple):
    """What the command line asks for; `name` is the input in messages."""

    name: str
    method: str
    ignore: bool
    ndjson: bool


class Wrong(Exception):
    """The input cannot be answered; the message is the rest of a sentence behind its name."""


def main(model: Model, command: str, version: str, arguments: Sequence[str] | None = None) -> None:
    """Answer the rows that the command line names; ends with 1 and a sentence if one is wrong."""
    options = _parser(model, command, version).parse_args(arguments)
    asked = Asked(
        "standard input" if options.file == "-" else options.file,
        "predict_proba" if options.proba else model.default_method,
        options.ignore,
        options.ndjson,
    )
    if asked.method not in model.methods:
        have = ", ".join(model.methods)
        sys.exit(f"error: --proba: this {model.kind} has no predict_proba; it has {have}")
    # Rows are no cycles: a collection for each few hundred of them takes a third of the time.
    gc.freeze()
    gc.set_threshold(COLLECT_AT)
    try:
        with _opened(options.file) as file, contextlib.closing(Progress(file)) as progress:
            for answer in answers(model, Stream(file), asked, progress):
                sys.stdout.buffer.write(answer)
                sys.stdout.buffer.flush()
    except Wrong as wrong:
        sys.exit(f"error: {asked.name}{wrong}")
    except BrokenPipeError:
        # Whoever reads has enough. Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.exit(f"error: {error.filename or 'standard output'}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)


def answers(model: Model, stream: Stream, asked: Asked, progress: Progress) -> Iterator[bytes]:
    """The answers for all rows of a text, chunk by chunk, as CSV or NDJSON. Raises Wrong."""
    media_type = MEDIA_TYPES.get(Path(asked.name).suffix.lower()) or _guessed(stream)
    source = _text(model, stream, media_type, ignore=asked.ignore)
    columns, is_first = model.columns(asked.method), True
    chunk = None
    decimals: set[str] = set()
    try:
        chunk = source.first(CHUNK_ROWS)
        if chunk is None:
            source.refuse_empty()
        while chunk is not None:
            batch = source.batch(chunk)
            decimals.update(source.decimals(chunk))
            if len(decimals) > 1:
                raise InvalidRows([Place("", MIXED_DECIMALS.rstrip("."))])
            result = as_python(dense(answered(model, asked.method, batch)))
            following = None if model.engine.batchable else source.after(chunk, CHUNK_ROWS)
            if following:
                raise Wrong(
                    f": over {chunk.rows:,} rows, and this {model.kind} must answer all rows in "
                    "one call, since each changes the answers of others: give it fewer rows"
                )
            if asked.ndjson:
                yield _ndjson(result, columns)
            else:
                yield csv_lines(result, columns, header=is_first)
            is_first = False
            progress.tell(chunk.row + chunk.rows, chunk.stop)
            chunk = source.after(chunk, CHUNK_ROWS)
    except CallError as error:
        raise Wrong(_sentence(error, source, chunk)) from None


def _text(model: Model, stream: Stream, media_type: str, *, ignore: bool) -> TextInput:
    contract = Contract(model.signature, MAX_ROWS + 1)
    if media_type == NDJSON:
        from models.text.ndjson import LinesReader

        rows: Any = partial(LinesReader(contract).read, ignore=ignore)
    else:
        from models.text.csv import CsvReader

        delimiter = "\t" if media_type == TABS else ","
        rows = partial(CsvReader(contract).read, delimiter=delimiter, ignore=ignore)
    return TextInput(stream.read, ANY_SIZE, contract, media_type, rows, ignore=ignore)


def _guessed(stream: Stream) -> str:
    """The media type of a text whose name does not tell it."""
    return NDJSON if stream.read(0, 1024).lstrip()[:1] in (b"{", b"[") else CSV


def _ndjson(result: list[Any], columns: list[str]) -> bytes:
    """An object a line, with the names of the columns of CSV."""
    names, rows = table(result, columns)
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    return msgspec.json.Encoder().encode_lines(objects)


def _sentence(error: CallError, source: TextInput, chunk: Chunk | None) -> str:
    """What is wrong and where, behind the name of the input."""
    if not error.places:
        return f": {error.detail.rstrip('.')}"
    place = error.places[0]
    line = source.line(chunk, place.pointer) if chunk else None
    steps = place.pointer.split("/")[1 if line is None else 2 :]
    name = "/".join(steps).replace("~1", "/").replace("~0", "~")
    detail = place.detail
    if found := AT_LINE.match(detail):
        line, detail = int(found[1]), detail[found.end() :]
    detail = detail.replace(IGNORE_HINT, "--ignore leaves such names out")
    where = [] if line is None else [f"line {line}"]
    # The sentence itself names a value of a list.
    where += [name] if name and not name.isdecimal() else []
    more = len(error.places) - 1
    return (
        f", {', '.join(where)}: " * bool(where)
        + (detail if where else f": {detail}")
        + (f" (and {more} more)" if more else "")
    )


def _opened(name: str) -> BinaryIO:
    """The input, unbuffered."""
    if name != "-":
        return Path(name).open("rb", buffering=0)
    if sys.stdin.isatty():
        sys.exit("error: there is no input: name a file of CSV or NDJSON, or pipe one in")
    return io.FileIO(sys.stdin.fileno(), closefd=False)


def _parser(model: Model, command: str, version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=command,
        description=f"Answer rows by {model.kind}, version {version}: CSV on the standard output.",
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="-",
        help="rows as CSV with a header of the features' names, or as NDJSON; - for a pipe",
    )
    parser.add_argument(
        "--proba", action="store_true", help="the probability of each class instead of the class"
    )
    parser.add_argument("--ndjson", action="store_true", help="answer with a JSON object a line")
    parser.add_argument(
        "--ignore", action="store_true", help="leave out columns that are no features of the model"
    )
    parser.add_argument("--version", action="version", version=f"{command} {version}")
    return parser
