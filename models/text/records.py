"""Where the rows of a table end that has quotes: as Python's CSV reader finds them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Lines(NamedTuple):
    """The lines, or the rows, of a piece of text: where each ends, and whether it is empty."""

    ends: np.ndarray
    empty: np.ndarray


def records(
    window: bytes,
    parted: tuple[str, bool],
    rows: int,
    *,
    at_end: bool,
) -> Lines:
    """The first rows of a table, as Python's CSV reader finds them.

    What cannot be read is in the last of them: whoever reads it says what is wrong.
    """
    file = io.StringIO(window.decode(errors="surrogateescape"), newline="")
    sizes: list[int] = []

    def lines() -> Iterator[str]:
        for line in file:
            sizes.append(len(line.encode(errors="surrogateescape")))
            yield line

    delimiter, spaced = parted
    reader = csv.reader(lines(), delimiter=delimiter, skipinitialspace=spaced, strict=True)
    ends: list[int] = []
    empty: list[bool] = []
    done = read = 0
    try:
        for cells in reader:
            done += sum(sizes[read : reader.line_num])
            read = reader.line_num
            ends.append(done)
            empty.append(not cells)
            if cells and (rows := rows - 1) <= 0:
                break
    except csv.Error as error:
        # A row that goes on behind the piece is read with the next one.
        if at_end or "unexpected end" not in str(error):
            ends.append(len(window))
            empty.append(False)
    return Lines(np.array(ends, int), np.array(empty, bool))
