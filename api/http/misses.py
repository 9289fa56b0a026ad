"""What is answered where no endpoint is: the endpoint that was meant, and its HTTP method."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from api.errors import PHRASES, Moved, Problem, UnknownPath, WrongVerb

if TYPE_CHECKING:
    from api.http.request import Request
    from api.http.route import Site

SLASHES = re.compile("/+")
MAX_PATH_CHARACTERS = 80
# RFC 3986, section 3.3: what a path may have without an escape.
PATH_CHARACTERS = "/:@!$&'()*+,;=~"


class Misses:
    """Says of a request that no endpoint answers what was meant."""

    def __init__(self, app: Flask, site: Site) -> None:
        self._adapter = app.url_map.bind("")
        service = site.service
        self._rows = f"POST /{service.model.default_method}"
        # Any other path that is short would be taken for "/".
        self._endpoints = {
            route.place(service.name, service.model.version): route.verb
            for route in site.routes
            if route.summary and route.path != "/"
        }

    def check_slashes(self, asked: Request) -> None:
        """Raise Moved if the path is that of an endpoint, but for slashes."""
        path = SLASHES.sub("/", asked.path).rstrip("/") or "/"
        if path == asked.path:
            return
        right = path.encode("latin-1").decode(errors="replace")
        allowed = self._adapter.allowed_methods(right)
        if not allowed:
            return
        method = asked.verb if asked.verb in allowed else _main(allowed)
        # Only a path: an address with a host would be whatever host was sent.
        location = quote(path.encode("latin-1"), safe=PATH_CHARACTERS)
        raise Moved(
            f"The path {_shown(asked.path)} has a slash too many: send {method} {right}.",
            Location=f"{location}?{asked.query}" if asked.query else location,
        )

    def explain(self, error: HTTPException, asked: Request) -> Problem:
        """What Flask finds wrong with a request, in this service's own words."""
        if isinstance(error, MethodNotAllowed):
            allowed = sorted(error.valid_methods or [])
            meant = f"send {_main(allowed)} {_shown(asked.path)}"
            if asked.path == "/":
                meant = f"rows go to {self._rows}"
            return WrongVerb(
                f"{_shown(asked.path)} does not answer {asked.verb}: {meant}.",
                Allow=", ".join(allowed),
            )
        if isinstance(error, NotFound):
            return UnknownPath(
                f"There is no {_shown(asked.path)} here. {self._guess(_shown(asked.path))}"
            )
        problem = Problem(f"{PHRASES[error.code or HTTPStatus.INTERNAL_SERVER_ERROR]}.")
        problem.status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        return problem

    def _guess(self, path: str) -> str:
        near = difflib.get_close_matches(path.lower(), self._endpoints, n=1)
        if near:
            return f"Did you mean {self._endpoints[near[0]]} {near[0]}?"
        return f"Rows go to {self._rows}, and GET / lists the paths."


def _shown(path: str) -> str:
    """A path of a request as a sentence has it."""
    text = path.encode("latin-1").decode(errors="replace")
    cut = len(text) > MAX_PATH_CHARACTERS
    return text[:MAX_PATH_CHARACTERS] + "…" if cut else text


def _main(methods: Iterable[str] | None) -> str:
    """The method that an endpoint is there for."""
    return "POST" if "POST" in set(methods or ()) else "GET"
