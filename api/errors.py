"""The errors of a request, and the one function that answers them.

An answer is in the form that the clients of its path read: problem details (RFC 9457) with one
entry in `errors` for each place in the body that is wrong, a JSON Pointer (RFC 6901) and a
sentence; or what a protocol wants instead, with the same words.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from api import answers
from models.errors import (
    MAX_PLACES,
    CallError,
    InvalidRows,
    MalformedBody,
    Place,
    Replaced,
    TooLarge,
    Unexplained,
)

log = logging.getLogger("api")

# Python 3.13 renamed these, and programs read them as MLflow's error_code.
PHRASES = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


class Problem(CallError):
    """A request that cannot be answered as asked; subclasses set the HTTP status."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, places: Sequence[Place] = (), **headers: str) -> None:
        super().__init__(detail, places)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class UnknownOption(Problem):
    """A parameter of the query has an unknown value."""


class Unauthorized(Problem):
    """The request has no API key, or an unknown one."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str) -> None:
        super().__init__(detail, WWW_Authenticate="Bearer")


class Forbidden(Problem):
    """The request is not allowed: its key is no administrator's, or the service does not do it."""

    status = HTTPStatus.FORBIDDEN


class ForbiddenOrigin(Problem):
    """Pages of this origin may not read answers."""

    status = HTTPStatus.FORBIDDEN


class MalformedTarget(Problem):
    """The request line cannot be read, or has no path."""


class UnknownVersion(Problem):
    """The request line has another version of HTTP than 1.0 or 1.1."""

    status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED


class Moved(Problem):
    """The path has extra slashes; `Location` is the path without them."""

    status = HTTPStatus.PERMANENT_REDIRECT


class UnknownPath(Problem):
    """There is no endpoint at this path; the detail names the closest one."""

    status = HTTPStatus.NOT_FOUND


class WrongVerb(Problem):
    """The path answers other HTTP methods, which `Allow` lists."""

    status = HTTPStatus.METHOD_NOT_ALLOWED


class UnknownMethod(Problem):
    """The estimator lacks the method of the path."""

    status = HTTPStatus.NOT_FOUND


class UnknownModel(Problem):
    """The path names a model, or a version of it, that is not served here."""

    status = HTTPStatus.NOT_FOUND


class Conflict(Problem):
    """The state of the service does not allow what is asked for."""

    status = HTTPStatus.CONFLICT


class UnknownThing(Problem):
    """There is no version, or no upload, with this id."""

    status = HTTPStatus.NOT_FOUND


class NotAcceptable(Problem):
    """None of the types in Accept can hold this answer."""

    status = HTTPStatus.NOT_ACCEPTABLE


class TooSlow(Problem):
    """The body did not come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class LengthRequired(Problem):
    """The body has no Content-Length, and is not sent in chunks."""

    status = HTTPStatus.LENGTH_REQUIRED


class UnsupportedType(Problem):
    """The Content-Type or Content-Encoding is not one of those that are read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class PreconditionFailed(Problem):
    """`If-Match` names another version of the model than the active one."""

    status = HTTPStatus.PRECONDITION_FAILED


class WrongDigest(Problem):
    """The body has another SHA-256 than its header says."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidTensors(Problem):
    """Tensors do not fit the signature; each sentence names one."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, sentences: Sequence[str]) -> None:
        more = "; and more" if len(sentences) > MAX_PLACES else ""
        super().__init__("; ".join(sentences[:MAX_PLACES]) + more + ".")


class Busy(Problem):
    """Too many requests wait for the model, or one has waited too long."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str) -> None:
        super().__init__(detail, Retry_After="1")


class OutOfMemory(Busy):
    """The request needs more memory than the process can get."""

    def __init__(self) -> None:
        super().__init__(
            "There is not enough memory for this request: send fewer rows in one request, or the "
            "same ones later."
        )


class InternalError(Problem):
    """The service itself has failed; the log says why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


# The status of each error that the library raises.
STATUS: dict[type[CallError], HTTPStatus] = {
    MalformedBody: HTTPStatus.BAD_REQUEST,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    InvalidRows: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unexplained: HTTPStatus.NOT_IMPLEMENTED,
    Replaced: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Answer(NamedTuple):
    """An answer to a request, whoever sends it."""

    status: int
    headers: dict[str, str]
    body: bytes


class Renderer(NamedTuple):
    """The form in which errors are written: the name of its schema, and its media type."""

    schema: str
    media_type: str
    write: Callable[[CallError, HTTPStatus, str], answers.Document]


def render(error: Exception, request_id: str, renderer: Renderer | None = None) -> Answer:
    """Answer what went wrong with a request, in this form; problem details, where there is none.

    An exception that has no name here is our own fault: its traceback goes into the log, and the
    client is told the id to ask for.
    """
    if isinstance(error, MemoryError):
        # Free the memory of the request, so that there is some for the answer.
        traceback.clear_frames(error.__traceback__)
        log.warning("request %s needs more memory than there is", request_id)
        error = OutOfMemory()
    if not isinstance(error, CallError):
        log.error("request %s failed", request_id, exc_info=error)
        error = InternalError(f"Our fault: the log has it as request {request_id}.")
    status = error.status if isinstance(error, Problem) else STATUS[type(error)]
    headers = error.headers if isinstance(error, Problem) else {}
    _, media_type, write = renderer or PROBLEM
    document = write(error, status, request_id)
    return Answer(status, {"Content-Type": media_type, **headers}, msgspec.json.encode(document))


def _problem(error: CallError, status: HTTPStatus, request_id: str) -> answers.Problem:
    """Problem details, RFC 9457, with one entry in `errors` for each wrong place."""
    places = error.places or UNSET
    return answers.Problem(
        "about:blank", PHRASES[status], status.value, error.detail, request_id, places
    )


def _sentence(error: CallError, _: HTTPStatus, __: str) -> answers.Error:
    """One sentence, as KServe v1 and the Open Inference Protocol want it."""
    return answers.Error(str(error))


def _code(error: CallError, status: HTTPStatus, _: str) -> answers.ErrorCode:
    """A code and a sentence, as MLflow's scoring server says it."""
    code = PHRASES[status].upper().replace(" ", "_")
    return answers.ErrorCode(code, str(error))


PROBLEM = Renderer("Problem", "application/problem+json", _problem)
SENTENCE = Renderer("Error", "application/json", _sentence)
CODE = Renderer("ErrorCode", "application/json", _code)
