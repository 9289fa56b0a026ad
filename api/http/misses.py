"""What is answered where no endpoint is: the endpoint that was meant, and its HTTP method."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from api.errors import PHRASES, Moved, Problem, UnknownPath, WrongVerb
from api.service import Service
from models.model import METHODS

SLASHES = re.compile("/+")
MAX_PATH_CHARACTERS = 80
# RFC 3986, section 3.3: what a path may have without an escape.
PATH_CHARACTERS = "/:@!$&'()*+,;=~"


class Asked(NamedTuple):
    """A request's method, its path and its query, as PEP 3333 has them."""

    method: str
    path: str
    query: str

    @classmethod
    def of(cls, environ: dict[str, Any]) -> Asked:
        """What a request asks for."""
        return cls(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))

    @property
    def shown(self) -> str:
        """The path as a sentence has it."""
        text = self.path.encode("latin-1").decode(errors="replace")
        cut = len(text) > MAX_PATH_CHARACTERS
        return text[:MAX_PATH_CHARACTERS] + "…" if cut else text


class Misses:
    """Says of a request that no endpoint answers what was meant."""

    def __init__(self, app: Flask, service: Service) -> None:
        self._adapter = app.url_map.bind("")
        self._rows = f"POST /{service.model.default_method}"
        self._endpoints = functools.cache(functools.partial(_endpoints, app, service))

    def check_slashes(self, asked: Asked) -> None:
        """Raise Moved if the path is that of an endpoint, but for slashes."""
        path = SLASHES.sub("/", asked.path).rstrip("/") or "/"
        if path == asked.path:
            return
        right = path.encode("latin-1").decode(errors="replace")
        allowed = self._adapter.allowed_methods(right)
        if not allowed:
            return
        method = asked.method if asked.method in allowed else _main(allowed)
        # Only a path: an address with a host would be whatever host was sent.
        location = quote(path.encode("latin-1"), safe=PATH_CHARACTERS)
        raise Moved(
            f"The path {asked.shown} has a slash too many: send {method} {right}.",
            Location=f"{location}?{asked.query}" if asked.query else location,
        )

    def explain(self, error: HTTPException, asked: Asked) -> Problem:
        """What Flask finds wrong with a request, in this service's own words."""
        if isinstance(error, MethodNotAllowed):
            allowed = sorted(error.valid_methods or [])
            meant = f"send {_main(allowed)} {asked.shown}"
            if asked.path == "/":
                meant = f"rows go to {self._rows}"
            return WrongVerb(
                f"{asked.shown} does not answer {asked.method}: {meant}.", Allow=", ".join(allowed)
            )
        if isinstance(error, NotFound):
            return UnknownPath(f"There is no {asked.shown} here. {self._guess(asked.shown)}")
        problem = Problem(f"{PHRASES[error.code or HTTPStatus.INTERNAL_SERVER_ERROR]}.")
        problem.status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        return problem

    def _guess(self, path: str) -> str:
        near = difflib.get_close_matches(path.lower(), self._endpoints(), n=1)
        if near:
            return f"Did you mean {self._endpoints()[near[0]]} {near[0]}?"
        return f"Rows go to {self._rows}, and GET / lists the paths."


def _endpoints(app: Flask, service: Service) -> dict[str, str]:
    """The paths that the model answers, and the main method of each."""
    lacking = {f"/{method}" for method in METHODS} - {
        f"/{method}" for method in service.model.methods
    }
    values = {"name": service.name, "version": service.model.version}
    adapter = app.url_map.bind("")
    found = {}
    for rule in app.url_map.iter_rules():
        # Any other path that is short would be taken for "/".
        if rule.arguments <= values.keys() and rule.rule not in {"/", *lacking}:
            given = {name: values[name] for name in rule.arguments}
            found[adapter.build(rule.endpoint, given)] = _main(rule.methods)
    return found


def _main(methods: Iterable[str] | None) -> str:
    """The method that an endpoint is there for."""
    return "POST" if "POST" in set(methods or ()) else "GET"
