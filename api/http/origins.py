"""CORS: which web pages of other origins may read the answers; source: the Fetch standard."""

from __future__ import annotations

from http import HTTPStatus

from api.errors import Answer, ForbiddenOrigin
from api.http.compression import add_vary
from api.http.request import Request

METHODS = "GET, HEAD, POST, PUT, OPTIONS"
# Request headers that a page may send.
REQUEST_HEADERS = (
    "Accept, Authorization, Content-Encoding, Content-Type, Inference-Header-Content-Length, "
    "Traceparent, Tracestate, X-Api-Key, X-Prediction-Log, X-Request-Id, X-Requested-With"
)
# Response headers that a page may read, besides Content-Type and Content-Length.
ANSWER_HEADERS = (
    "Allow, Content-Encoding, Inference-Header-Content-Length, Location, Retry-After, "
    "WWW-Authenticate, X-Ignored-Columns, X-Model-Version, X-Prediction-Id, X-Request-Id, "
    "X-Unknown-Categories"
)
# A browser caches the answer to its preflight request for so many seconds.
MAX_AGE = "600"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The origins of `ALLOWED_ORIGINS`: `*`, or a list as in `https://a.example,https://b.example`."""

    def __init__(self, allowed_origins: str) -> None:
        self._all = allowed_origins.strip() == "*"
        self._origins = frozenset(_as_browsers_do(each) for each in allowed_origins.split(","))

    def preflight(self, request: Request) -> Answer:
        """Answer a preflight request; raises ForbiddenOrigin."""
        origin = request.environ.get("HTTP_ORIGIN", "")
        if not self._allows(origin):
            raise ForbiddenOrigin(f"The origin {origin} is not in ALLOWED_ORIGINS of this service.")
        headers = {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": MAX_AGE,
        }
        return Answer(HTTPStatus.OK, headers, b"")

    def finish(self, request: Request, _: int, headers: dict[str, str]) -> None:
        """Add the headers that let the page of this request read its answer."""
        if not self._all:
            add_vary(headers, "Origin")
        origin = request.environ.get("HTTP_ORIGIN")
        if origin and self._allows(origin):
            headers["Access-Control-Allow-Origin"] = "*" if self._all else origin
            headers["Access-Control-Expose-Headers"] = ANSWER_HEADERS

    def _allows(self, origin: str) -> bool:
        return self._all or origin in self._origins


def _as_browsers_do(origin: str) -> str:
    """An origin as browsers send it: in lower case, without the default port."""
    origin = origin.strip().lower()
    return origin.removesuffix(DEFAULT_PORTS.get(origin.partition(":")[0], "/"))
