"""The model as every protocol uses it: its name, its limits, and the way from rows to a result."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

import msgspec

from api.batching import MERGED_ROWS, Batcher
from api.errors import Answer, UnknownMethod, UnknownOption
from api.feedback.notes import HEADER, Notes
from api.formats import Reader, media, results, writers
from api.formats.writers import JSON, WRITERS
from api.http.bodies import read_body
from api.http.request import Request
from api.monitor import metrics
from models.errors import InvalidRows, Place, RowRejected
from models.model import Model
from models.rows.batch import Batch
from models.text.contract import Contract

# What clients send most; other names of JSON are found by `Reader.read`.
JSON_TYPES = (JSON, "")
EXTRA = {"refuse": False, "ignore": True}
# X-Ignored-Columns lists at most this many names, each cut to this many characters.
MAX_IGNORED_NAMES = 20
MAX_NAME_CHARACTERS = 80


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One model, served.

    `name` is the name of the model in paths. `timeout`, in seconds, is for all that one request
    waits. `ignore` says whether names that are no features are ignored where the request does not
    say it, `locked` whether requests need an API key, except for routes that are open.
    `notes` takes down the answers; None where nothing is kept of them. `known` are results of one
    row, which tell how large those of many are; `dtypes` are those of the arrays that methods have
    answered.
    """

    name: str
    model: Model
    contract: Contract
    reader: Reader
    batcher: Batcher
    timeout: float
    ignore: bool
    locked: bool
    notes: Notes | None = None
    known: dict[str, Any] = {}
    dtypes: dict[str, Any] = {}

    def close(self) -> None:
        """End what was started for this model, once no request begins with it any more."""
        self.batcher.close()
        if self.notes is not None:
            self.notes.closed = time.monotonic()

    def check_method(self, method: str) -> None:
        """Raise UnknownMethod if the model does not have it."""
        model = self.model
        if method not in model.methods:
            have = ", ".join(f"/{name}" for name in model.methods)
            raise UnknownMethod(f"This {model.kind} has no {method}; it has {have}.")

    def body(self, request: Request) -> bytes:
        """The body of a request; raises what `read_body` raises."""
        watch = None
        if "HTTP_CONTENT_ENCODING" in request.environ:
            watch = self.reader.watch(request.content_type)
        return read_body(request, self.contract.max_bytes, self.timeout, watch)

    def read(self, request: Request) -> Batch:
        """The rows of a request; raises what `body`, `ignores` and `Reader.read` raise.

        A client that asks before it sends the body (Expect) is refused by its Content-Type at once.
        """
        content_type = request.content_type
        if "HTTP_EXPECT" in request.environ:
            media.check(content_type)
        body = self.body(request)
        ignore = self.ignores(request) if request.query else self.ignore
        if content_type in JSON_TYPES:
            return self.reader.read_samples(body) or self.reader.read_others(body, ignore=ignore)
        return self.reader.read(body, content_type, ignore=ignore)

    def ignores(self, request: Request) -> bool:
        """Whether names that are no features are ignored: `?extra=` says it, or else the setting.

        Raises UnknownOption.
        """
        query = request.query
        if "extra" not in query:
            return self.ignore
        given = parse_qs(query, keep_blank_values=True).get("extra")
        if given is None:
            return self.ignore
        if given[-1] not in EXTRA:
            raise UnknownOption(f"Expected extra={' or extra='.join(EXTRA)} in the query.")
        return EXTRA[given[-1]]

    def run(self, method: str, batch: Batch) -> Any:
        """Answer the rows of one request with one result a row.

        Raises InvalidRows where the estimator refuses a row's values, Busy, and whatever else the
        engine raises; TooLarge if the results will not fit into an answer.
        """
        try:
            if batch.count > MERGED_ROWS:
                self._foresee(method, batch)
            return self.batcher.run(method, batch.rows)
        except RowRejected as refused:
            raise _invalid(batch, refused, self.model.hint) from None

    def _foresee(self, method: str, batch: Batch) -> None:
        """Raise TooLarge if the results of so many rows are over the limit of an answer.

        The first time, the first row tells how many numbers a result has.
        """
        if method not in self.known:
            self.known[method] = self.batcher.run(method, batch.rows[:1])
        results.foresee(self.known[method], batch.count, self.contract.max_answer_bytes)

    def run_one(self, method: str, batch: Batch) -> Any:
        """Answer the only row of a request with its result, as JSON has it; raises as `run`."""
        try:
            return self.batcher.run_one(method, batch.only_row)
        except RowRejected as refused:
            raise _invalid(batch, refused, self.model.hint) from None

    def count(self, request: Request, batch: Batch) -> None:
        """Count the rows of a request that has got its results."""
        request.rows = rows = 1 if batch.only_row else batch.count
        metrics.count_rows(request.path, rows, batch.unknown)

    def call(self, method: str, request: Request) -> Answer:
        """Answer rows in any format with the results of one method, in the format of Accept.

        Raises UnknownMethod, NotAcceptable, and what `read` and `answer` raise.
        """
        self.check_method(method)
        media_type = writers.choose(request.accept)
        return self.answer(request, method, self.read(request), media_type)

    def answer(self, request: Request, method: str, batch: Batch, media_type: str) -> Answer:
        """Answer the rows of one request with the results of one method, in this media type."""
        is_one = batch.only_row and media_type == JSON and method in self.batcher.one_row
        if is_one:
            result = self.run_one(method, batch)
            body = writers.write_one(result, self.classes(method))
        else:
            result = self.run(method, batch)
            body = self.encode(method, result, media_type)
        if len(body) > self.contract.max_answer_bytes:
            results.check_size(len(body), batch.count, self.contract.max_answer_bytes)
        self.count(request, batch)
        if (notes := self.notes) is not None:
            if is_one and notes.is_full and HEADER not in request.environ:
                # The call of a function would take as long as all that it does.
                notes.count()
            elif is_one:
                notes.take_one(request, method, batch.only_row, result)
            else:
                notes.take(request, method, batch, result)
        headers = {"Content-Type": media_type}
        if batch.unknown or batch.ignored:
            headers |= remarks(batch)
        return Answer(HTTPStatus.OK, headers, body)

    def encode(self, method: str, result: Any, media_type: str) -> bytes:
        """The body of an answer: the results of one method in this media type."""
        return WRITERS[media_type].write(
            result,
            self.classes(method),
            lambda: self.columns(method),
            self.contract.max_answer_bytes,
        )

    def columns(self, method: str) -> list[str]:
        """The names of the columns of a result."""
        return self.model.columns(method)

    def classes(self, method: str) -> list[Any] | None:
        """The classes that the values of a result stand for, if they do."""
        return self.model.labels(method)


def _invalid(batch: Batch, refused: RowRejected, hint: str) -> InvalidRows:
    detail = f"the model refuses this row: {refused.reason}{hint}"
    return InvalidRows([Place(batch.pointers(refused.row), detail)])


def remarks(batch: Batch) -> dict[str, str]:
    """The headers that count categories not seen in training, and name the ignored columns."""
    headers = {}
    if batch.unknown:
        counts = (f"{quote(name)}={count}" for name, count in batch.unknown.items())
        headers["X-Unknown-Categories"] = ", ".join(counts)
    if batch.ignored:
        shown = [name[:MAX_NAME_CHARACTERS] for name in batch.ignored[:MAX_IGNORED_NAMES]]
        names = [quote(name, errors="replace") for name in shown]
        more = len(batch.ignored) - len(names)
        headers["X-Ignored-Columns"] = ", ".join(names) + (f" and {more} more" if more else "")
    return headers
