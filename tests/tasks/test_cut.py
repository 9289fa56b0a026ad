"""A text in chunks has the rows, and the errors, that it has as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.formats import Reader
from api.tasks.inputs import text_input
from models.errors import CallError, InvalidRows, TooLarge
from models.signature.types import Feature, Signature, is_nan
from models.text import cut
from models.text.chunks import TextInput
from models.text.contract import Contract

TEXT = Feature(name="t", kind="string", missing=True)
NUMBER = Feature(name="x", kind="number", missing=True)
SMALL = 64


def reader(*features: Feature) -> Reader:
    return Reader(Contract(Signature(form="table", features=tuple(features), named=True), 10_000))


def chunks_of(source: TextInput, rows: int) -> list[Any]:
    found = []
    chunk = source.first(rows)
    while chunk is not None:
        found.append(chunk)
        chunk = source.after(chunk, rows)
    return found


def plain(rows: Any) -> list[Any]:
    """Rows whose missing values are equal."""
    listed = rows.tolist() if isinstance(rows, np.ndarray) else rows
    return [tuple(None if is_nan(value) else value for value in row) for row in listed]


def source_of(body: bytes, content_type: str, read: Reader) -> TextInput:
    return text_input(lambda a, b: body[a:b], len(body), read, content_type, ignore=False)


def in_chunks(body: bytes, content_type: str, read: Reader, rows: int) -> list[Any]:
    source = source_of(body, content_type, read)
    if source.first(rows) is None:
        # A text without rows is refused as it is.
        read.read(body, content_type)
    found: list[Any] = []
    for chunk in chunks_of(source, rows):
        batch = source.batch(chunk)
        assert chunk.row == len(found)
        assert [batch.pointers(i) for i in range(batch.count)] == [
            f"/{i}" for i in range(chunk.row, chunk.row + chunk.rows)
        ]
        found += plain(batch.rows)
    return found


def check(body: bytes, content_type: str, read: Reader, rows: int) -> None:
    """Compare a body in chunks with the whole body, in its rows or in its error."""
    try:
        whole = plain(read.read(body, content_type).rows)
    except CallError as error:
        with pytest.raises(CallError) as raised:
            in_chunks(body, content_type, read, rows)
        found = raised.value
        if isinstance(error, InvalidRows):
            # A whole table is first told of the length of its lines.
            is_ragged = "fields, got" in error.places[0].detail
            assert is_ragged or set(found.places) <= set(error.places)
        elif not isinstance(found, InvalidRows):
            # Rows above what cannot be read may not fit the model, which a chunk tells first.
            assert (type(found), found.detail) == (type(error), error.detail)
        return
    assert in_chunks(body, content_type, read, rows) == whole


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "MAX_BYTES", SMALL)
    monkeypatch.setattr(cut, "MAX_ROW_BYTES", 16 * SMALL)


LINES = st.sampled_from(["\n", "\r\n"])
CELL = st.sampled_from(
    ["", "a", "b c", '"q"', '"a""b"', '"a\nb"', '"x,y"', 'in"ner', "ü", '"\r\n"', "NA", '"";', "0"]
)
NUMBERS = st.sampled_from(["1", "2.5", "", "-3", " 4", "NA", '"5"', "1e3", "oops"])


@st.composite
def tables(draw: Any) -> bytes:
    end = draw(LINES)
    parted = draw(st.sampled_from([",", ";", "\t"]))
    rows = draw(st.lists(st.tuples(CELL, NUMBERS), min_size=0, max_size=12))
    blank = st.sampled_from(["", "", "", end])
    lines = [f"{draw(blank)}{a}{parted}{b}{end}" for a, b in rows]
    text: str = (
        draw(st.sampled_from(["", "\ufeff"])) + draw(blank) + f"t{parted}x{end}" + "".join(lines)
    )
    return (text if draw(st.booleans()) else text.rstrip("\r\n")).encode()


@settings(max_examples=150)
@given(tables(), st.integers(1, 5))
def test_a_table_is_cut_between_its_rows(body: bytes, rows: int) -> None:
    check(body, "text/csv", reader(TEXT, NUMBER), rows)


def test_a_row_may_be_longer_than_what_is_read_at_a_time() -> None:
    body = b't,x\n"' + b"long\n" * 30 + b'",1\nb,2\n'
    check(body, "text/csv", reader(TEXT, NUMBER), 1)


def test_a_row_that_never_ends_is_refused() -> None:
    body = b't,x\n"' + b"long\n" * 3000
    with pytest.raises(TooLarge, match=r"The row below line 1 has over 1024 bytes"):
        source_of(body, "text/csv", reader(TEXT, NUMBER)).first(1)


def test_a_chunk_that_is_read_as_other_rows_than_were_counted_is_a_fault_of_ours() -> None:
    source = source_of(b"t\na\nb\n", "text/csv", reader(TEXT))
    chunk = source.first(5)
    assert chunk is not None
    chunk.rows = 1
    with pytest.raises(RuntimeError, match="a chunk of 1 rows was read as 2"):
        source.batch(chunk)


@settings(max_examples=80)
@given(st.lists(CELL, max_size=10), st.integers(1, 4), LINES)
def test_an_empty_line_of_a_table_of_one_column_is_a_missing_value(
    cells: list[str], rows: int, end: str
) -> None:
    check(end.join(["t", *cells]).encode(), "text/csv", reader(TEXT), rows)


@settings(max_examples=80)
@given(st.lists(st.tuples(CELL, NUMBERS), min_size=1, max_size=8), st.integers(1, 4))
def test_a_table_without_a_header_is_cut_between_its_rows(
    cells: list[tuple[str, str]], rows: int
) -> None:
    body = "".join(f"{a},{b}\n" for a, b in cells).encode()
    check(body, "text/csv; header=absent", reader(TEXT, NUMBER), rows)


@settings(max_examples=80)
@given(
    st.lists(
        st.sampled_from(
            ['{"x": 1}', '{"x": null}', "[2]", "", "  ", '{"x": "a"}', "{", '{"x":3}\r']
        ),
        max_size=10,
    ),
    st.integers(1, 4),
)
def test_ndjson_is_cut_between_its_lines(lines: list[str], rows: int) -> None:
    check("\n".join(lines).encode(), "application/x-ndjson", reader(NUMBER), rows)


def test_the_line_of_a_row_counts_empty_lines_where_these_are_rows() -> None:
    source = source_of(b"t\n\na\n\nb\n", "text/csv", reader(TEXT))
    chunk = source.first(10)
    assert chunk is not None
    assert [source.line(chunk, f"/{i}/t") for i in range(4)] == [2, 3, 4, 5]
    assert source.line(chunk, "/t") is None
