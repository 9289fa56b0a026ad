"""The documentation: `/openapi.json`, two pages that show it, and texts to paste.

Each is made at its first request. The pages are Swagger UI and ReDoc, whose files the service has
itself: see `api/static/docs/README.md`.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from api.http.route import Route, Site, Tag
from api.protocols.page import FOREVER

if TYPE_CHECKING:
    from flask import Response

TAG = Tag("Documentation", "This description, for programs and for people.")
STATIC = Path(__file__).parent.parent / "static" / "docs"
TYPES = {
    "docs.js": "text/javascript",
    "key.css": "text/css",
    "key.js": "text/javascript",
    "redoc.js": "text/javascript",
    "redoc.standalone.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
# ReDoc writes styles into its page, and Swagger UI's style sheet has icons in data URLs.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HOST = re.compile(r"[\w.-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?", re.ASCII)


def routes(site: Site) -> Iterator[Route]:
    """The document, the pages, what the pages need, and the texts."""
    get = partial(Route, verb="GET", by_flask=True, tag=TAG)
    for name, view, summary, schema in (
        ("openapi.json", _document, "For programs", "OpenAPI"),
        ("snippets", _texts, "To paste", "Snippets"),
    ):
        yield get(
            path=f"/{name}",
            handler=partial(_from_here, functools.cache(partial(view, site))),
            name=name.partition(".")[0],
            summary=summary,
            gives={"application/json": schema},
            listed=True,
        )
    for name, summary in (("docs", "To try out"), ("redoc", "To read")):
        yield get(
            path=f"/{name}",
            handler=partial(_show, f"{name}.html"),
            name=name,
            summary=summary,
            gives={"text/html": "Text"},
            open=True,
            listed=True,
        )
    yield Route(verb="GET", path="/static/docs/<name>", handler=asset, by_flask=True)


def _document(site: Site) -> bytes:
    from api.openapi.document import describe

    return msgspec.json.encode(describe(site.service, site.routes))


def _texts(site: Site) -> bytes:
    from api.openapi import sample, snippets

    service = site.service
    row = sample.choose(service.model, service.reader).row
    method = service.model.default_method
    return msgspec.json.encode(snippets.write(method, row, locked=service.locked))


def _show(file: str) -> Response:
    from flask import Response

    response = Response(_page(file), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-cache"
    return response


def asset(name: str) -> Response:
    """A file of the pages, compressed where the client takes it so."""
    from flask import Response, abort, request

    if name not in TYPES:
        abort(HTTPStatus.NOT_FOUND)
    packed = request.accept_encodings["gzip"] > 0
    response = Response(_read(name, packed=packed))
    response.content_type = f"{TYPES[name]}; charset=utf-8"
    response.headers["Cache-Control"] = FOREVER
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _from_here(make: Callable[[], bytes]) -> Response:
    """A document with the address of this request in the place of ORIGIN."""
    from flask import Response, request

    from api.openapi.snippets import ORIGIN

    host = request.host if HOST.fullmatch(request.host) else "localhost"
    # A proxy that ends TLS, as in Cloud Run, sends this header.
    secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    origin = f"{'https' if secure else 'http'}://{host}"
    response = Response(
        make().replace(ORIGIN.encode(), origin.encode()), content_type="application/json"
    )
    response.headers["Cache-Control"] = "no-cache"
    return response


def _read(name: str, *, packed: bool) -> bytes:
    """A file of the pages; large files are stored compressed."""
    path = STATIC / f"{name}.gz"
    if path.exists():
        return path.read_bytes() if packed else gzip.decompress(path.read_bytes())
    body = (STATIC / name).read_bytes()
    return gzip.compress(body, mtime=0) if packed else body


@functools.cache
def _page(name: str) -> str:
    """A page; the addresses of its files change with their content, so that they may be cached."""
    text = (STATIC / name).read_text(encoding="utf-8")
    return re.sub(
        r"static/docs/([\w.-]+)",
        lambda found: f"{found[0]}?{hashlib.sha256(_read(found[1], packed=False)).hexdigest()[:8]}",
        text,
    )
