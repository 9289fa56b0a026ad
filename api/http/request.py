"""One request: what it asks for, its body, and what becomes known of it while it is answered."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

# An id of another form is replaced, since ids go into logs and headers.
REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
# The route in the metrics of a path that has no endpoint.
OTHER = "other"

Environ = dict[str, Any]


class Request:
    """A request around its WSGI environment, PEP 3333.

    `path` and `query` are not decoded; `content_type`, with its parameters, and `accept` are "" if
    the client does not send them. `id` is the client's if it matches REQUEST_ID, else a new one.
    `started` is by time.perf_counter.

    The rest becomes known while the request is answered: `route` is the path of its endpoint,
    `rows` the number of rows that got a result, `prediction` the id under which they are kept or
    "", `key` the name of its API key, `deadline` the monotonic second by which it is answered,
    `is_big` whether other big requests wait for it, and `stream` the parts of an answer that is too
    long for one body.
    """

    __slots__ = (
        "accept",
        "content_type",
        "deadline",
        "environ",
        "id",
        "is_big",
        "key",
        "path",
        "prediction",
        "query",
        "route",
        "rows",
        "started",
        "stream",
        "verb",
    )

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.started = time.perf_counter()
        # uWSGI leaves out both where the request line has no blank.
        self.verb: str = environ.get("REQUEST_METHOD", "")
        # Its bytes are as if in Latin-1, as PEP 3333 has them.
        self.path: str = environ.get("PATH_INFO", "")
        self.query: str = environ.get("QUERY_STRING", "")
        self.content_type: str = environ.get("CONTENT_TYPE", "")
        self.accept: str = environ.get("HTTP_ACCEPT", "")
        self.route = OTHER
        self.is_big = False
        given: str = environ.get("HTTP_X_REQUEST_ID", "")
        if not given or not REQUEST_ID.fullmatch(given):
            # An id is no secret; os.urandom would call the kernel and release the GIL.
            given = f"{random.getrandbits(128):032x}"
        self.id = given
        self.key: str | None = None
        self.prediction = ""
        self.rows: int | None = None
        self.deadline: float | None = None
        self.stream: Iterator[bytes] | None = None

    def header(self, name: str) -> str | None:
        """The value of a header, by its name as in `Content-Encoding`; None if there is none."""
        return self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")


# The request that this thread answers: log lines name it, and whatever waits ends with it.
current: ContextVar[Request | None] = ContextVar("current", default=None)
