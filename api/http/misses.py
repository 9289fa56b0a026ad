"""The answer where there is no endpoint names the endpoint that was meant, and its method."""

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
# Characters that a path has without an escape: RFC 3986, section 3.3.
PATH_CHARACTERS = "/:@!$&'()*+,;=~"


class Misses:
    """Finds the endpoint that was meant by a request that none answers."""

    def __init__(self, app: Flask, site: Site) -> None:
        self._adapter = app.url_map.bind("")
        service = site.service
        self._rows = f"POST /{service.model.default_method}"
        # difflib finds "/" close to every short path.
        self._endpoints = {
            route.place(service.name, service.model.version): route.verb
            for route in site.routes
            if route.summary and route.path != "/"
        }

    def check_slashes(self, asked: Request) -> None:
        """Raise Moved if the path without its extra slashes is that of an endpoint."""
        path = SLASHES.sub("/", asked.path).rstrip("/") or "/"
        if path == asked.path:
            return
        right = path.encode("latin-1").decode(errors="replace")
        allowed = self._adapter.allowed_methods(right)
        if not allowed:
            return
        method = asked.verb if asked.verb in allowed else _main(allowed)
        # A path without a host: the Host header may be forged.
        location = quote(path.encode("latin-1"), safe=PATH_CHARACTERS)
        raise Moved(
            f"The path {_shown(asked.path)} has a slash too many: send {method} {right}.",
            Location=f"{location}?{asked.query}" if asked.query else location,
        )

    def explain(self, error: HTTPException, asked: Request) -> Problem:
        """Flask's exception as a Problem, in this service's words."""
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
    """A path as text for a sentence, cut where it is long."""
    text = path.encode("latin-1").decode(errors="replace")
    cut = len(text) > MAX_PATH_CHARACTERS
    return text[:MAX_PATH_CHARACTERS] + "…" if cut else text


def _main(methods: Iterable[str] | None) -> str:
    """POST where an endpoint takes it, else GET, or what else it takes."""
    allowed = set(methods or ())
    return next((verb for verb in ("POST", "GET", "PUT", "DELETE") if verb in allowed), "GET")
