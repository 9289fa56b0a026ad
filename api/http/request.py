"""One request: what it asks for, its body, and what becomes known of it while it is answered."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any

from api.http.bodies import read_body

# An id of another form is replaced, since ids go into logs and headers.
REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
# The route in the metrics of a path that has no endpoint.
OTHER = "other"

Environ = dict[str, Any]


class Request:
    """A request around its WSGI environment, PEP 3333.

    `started` is by time.perf_counter. `route` is the path of its endpoint, `rows` how many rows got
    a result, `key` the name of its API key, `deadline` the monotonic second by which it is
    answered; each is filled in as it becomes known.
    """

    __slots__ = ("deadline", "environ", "id", "key", "path", "route", "rows", "started", "verb")

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.started = time.perf_counter()
        # uWSGI leaves out both where the request line has no blank.
        self.verb: str = environ.get("REQUEST_METHOD", "")
        # Its bytes are as if in Latin-1, as PEP 3333 has them.
        self.path: str = environ.get("PATH_INFO", "")
        self.route = OTHER
        self.id = ""
        self.key: str | None = None
        self.rows: int | None = None
        self.deadline: float | None = None

    @property
    def query(self) -> str:
        """The part of the address behind the question mark, not decoded."""
        return self.environ.get("QUERY_STRING", "")  # type: ignore[no-any-return]

    @property
    def content_type(self) -> str:
        """The Content-Type with its parameters; "" if there is none."""
        return self.environ.get("CONTENT_TYPE", "")  # type: ignore[no-any-return]

    @property
    def accept(self) -> str:
        """The media types that the client takes; "" if it does not say."""
        return self.environ.get("HTTP_ACCEPT", "")  # type: ignore[no-any-return]

    def header(self, name: str) -> str | None:
        """The value of a header, by its name as in `Content-Encoding`; None if there is none."""
        return self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")

    def body(
        self, max_bytes: int, timeout: float, watch: Callable[[bytes], None] | None = None
    ) -> bytes:
        """The whole body; `read_body` says what the arguments are, and what it raises."""
        return read_body(self.environ, max_bytes, timeout, watch)

    def assign_id(self) -> str:
        """Set the id to the caller's if that matches REQUEST_ID, else to a new one."""
        name: str = self.environ.get("HTTP_X_REQUEST_ID", "")
        if not name or not REQUEST_ID.fullmatch(name):
            # An id is no secret; os.urandom would call the kernel and release the GIL.
            name = f"{random.getrandbits(128):032x}"
        self.id = name
        return name
