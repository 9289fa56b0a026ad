"""NDJSON: a sample on each line; empty lines are ignored."""

from __future__ import annotations

from models.rows.batch import Batch, row_pointer
from models.text.contract import Contract
from models.text.limits import count
from models.text.parse import parse
from models.text.samples import NOT_FAST, SampleReader

LINE_END = ord("\n")


class LinesReader:
    """Reads NDJSON of one signature."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._limits = contract.limits
        self._samples = SampleReader(contract)

    def read(self, body: bytes, *, ignore: bool = False) -> Batch:
        """Read a body; with `ignore`, names that are no features are ignored.

        Raises MalformedBody with the line, InvalidRows with the places, TooLarge.
        """
        if len(body) > self._limits.max_lines:
            self._limits.check_lines(count(body, LINE_END))
        try:
            samples = [self._samples.decode(line) for _, line in _lines(body)]
        except NOT_FAST:
            return self.explain(body, ignore=ignore)
        return self._samples.finish(body, samples, "") or self.explain(body, ignore=ignore)

    def explain(self, body: bytes, *, ignore: bool = False) -> Batch:
        """Read a body as `read` does, slowly, to say what is wrong and where."""
        self._limits.check_json(body)
        samples = [parse(line, f"line {number}: ") for number, line in _lines(body)]
        return self._contract.check(samples, row_pointer, ignore=ignore)


def _lines(body: bytes) -> list[tuple[int, bytes]]:
    """The lines that are not empty, each with its number."""
    lines = enumerate(body.split(b"\n"), 1)
    return [(number, line) for number, line in lines if line.strip(b" \t\r")]
