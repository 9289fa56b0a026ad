"""The service's own endpoints: one for each method that the estimator has.

They are answered by a WSGI callable ahead of Flask, whose routing and contexts take as long as all
the rest of an answer that is not scikit-learn's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Flask

from api import metrics, telemetry
from api.errors import (
    Answer,
    InvalidRows,
    LengthRequired,
    MalformedBody,
    Place,
    Refused,
    TooLarge,
    UnknownMethod,
    UnsupportedType,
    render,
)
from api.formats import Reader, results
from api.model import METHODS, PER_CLASS, Model
from api.predictor import Predictor

# Looking a phrase up takes longer than all else about it.
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

Environ = dict[str, Any]
WSGI = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Endpoints:
    """Answers `POST /<method>`, and hands everything else on to `others`."""

    def __init__(
        self, others: WSGI, model: Model, reader: Reader, predictor: Predictor, max_bytes: int
    ) -> None:
        self._others = others
        self._model = model
        self._reader = reader
        self._predictor = predictor
        self._max_bytes = max_bytes
        self._methods = {f"/{method}": method for method in METHODS}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, PEP 3333."""
        token = telemetry.current.set(environ)
        try:
            method = self._methods.get(environ["PATH_INFO"])
            if method is None or environ["REQUEST_METHOD"] != "POST":
                return self._others(environ, start_response)
            return self._respond(method, environ, start_response)
        finally:
            telemetry.current.reset(token)

    def _respond(
        self, method: str, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        started = time.perf_counter()
        request_id = telemetry.identify(environ)
        try:
            status, headers, body = self._answer(method, environ)
        except Exception as error:
            status, headers, body = render(error, request_id)
        headers |= telemetry.names(request_id, self._model.version)
        headers["Content-Length"] = str(len(body))
        metrics.count_request(environ["PATH_INFO"], "POST", status, started)
        start_response(STATUS_LINES[status], list(headers.items()))
        return [body]

    def _answer(self, method: str, environ: Environ) -> Answer:
        model = self._model
        if method not in model.methods:
            have = ", ".join(f"/{name}" for name in model.methods)
            raise UnknownMethod(f"This {model.kind} has no {method}; it has {have}.")
        media_type = results.choose(environ.get("HTTP_ACCEPT", ""))
        content_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        batch = self._reader.read(read_body(environ, self._max_bytes), content_type)
        try:
            result = self._predictor.run(method, batch.rows)
        except Refused as refused:
            detail = f"the model refuses this row: {refused.reason}"
            raise InvalidRows([Place(batch.pointers(refused.row), detail)]) from None
        classes = model.classes if method in PER_CLASS else None
        columns = [str(label) for label in classes] if classes else [column_name(method)]
        headers = {"Content-Type": media_type}
        if batch.unknown:
            counts = [f"{quote(name)}={count}" for name, count in batch.unknown.items()]
            headers["X-Unknown-Categories"] = ", ".join(counts)
        body = results.write(result, media_type, columns, classes)
        metrics.count_rows(environ["PATH_INFO"], len(batch.rows), batch.unknown)
        return Answer(HTTPStatus.OK, headers, body)


def init_app(
    app: Flask, model: Model, reader: Reader, predictor: Predictor, max_bytes: int
) -> None:
    """Mount the endpoints ahead of Flask."""
    # These rules have no view: Flask answers from them which method would have been right.
    for method in METHODS:
        app.add_url_rule(f"/{method}", method, methods=["POST"])
    endpoints = Endpoints(app.wsgi_app, model, reader, predictor, max_bytes)
    app.wsgi_app = endpoints  # type: ignore[method-assign]


def read_body(environ: Environ, max_bytes: int) -> bytes:
    """Read the whole body of a request.

    Raises UnsupportedType if it is compressed, LengthRequired if its length is not known,
    TooLarge, and MalformedBody if it ends too early.
    """
    if encoding := environ.get("HTTP_CONTENT_ENCODING"):
        raise UnsupportedType(f"The Content-Encoding {encoding} is not read: send plain bytes.")
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise LengthRequired("Send the body with a Content-Length instead of in chunks.")
    given = environ.get("CONTENT_LENGTH") or "0"
    if not (given.isascii() and given.isdigit()):
        raise MalformedBody("The Content-Length is not a number.")
    length = int(given)
    if length > max_bytes:
        raise TooLarge(f"The body is over the limit of {max_bytes} bytes.")
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except OSError:
        body = b""
    if len(body) < length:
        raise MalformedBody(f"The body ended before its {length} bytes had come.")
    return body


def column_name(method: str) -> str:
    """The column of CSV for a method's results."""
    return "prediction" if method == "predict" else method
