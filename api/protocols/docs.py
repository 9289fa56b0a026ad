"""The documentation: `/openapi.json`, two pages that show it, and texts to paste.

Nothing is imported, made or read before it is first asked for. The pages are other people's
programs, which come from here and not from elsewhere; see `api/static/docs/README.md`.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from pathlib import Path

import msgspec
from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import NotFound

from api.protocols.page import FOREVER
from api.service import Service

STATIC = Path(__file__).parent.parent / "static" / "docs"
PAGES = {"/docs": "docs.html", "/redoc": "redoc.html"}
TYPES = {
    "docs.js": "text/javascript",
    "key.css": "text/css",
    "key.js": "text/javascript",
    "redoc.js": "text/javascript",
    "redoc.standalone.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
# ReDoc does not run without the styles that it puts into its page; Swagger UI's style sheet has
# icons in it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HOST = re.compile(r"[\w.-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?", re.ASCII)


def init_app(app: Flask, service: Service) -> None:
    """Add the document, the pages, what the pages need, and the texts."""
    docs = Blueprint("docs", __name__)

    @functools.cache
    def document() -> bytes:
        from api.openapi.document import describe

        return msgspec.json.encode(describe(service))

    @functools.cache
    def texts() -> bytes:
        from api.openapi import sample, snippets

        model = service.model
        row = sample.choose(model, service.reader).row
        return msgspec.json.encode(snippets.write(model.default_method, row, locked=service.locked))

    @docs.get("/openapi.json")
    def description() -> Response:
        return _from_here(document())

    @docs.get("/snippets")
    def to_paste() -> Response:
        return _from_here(texts())

    @docs.get("/docs")
    @docs.get("/redoc")
    def page() -> Response:
        response = Response(_page(PAGES[request.path]), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response

    @docs.get("/static/docs/<name>")
    def asset(name: str) -> Response:
        if name not in TYPES:
            raise NotFound
        packed = request.accept_encodings["gzip"] > 0
        response = Response(_read(name, packed=packed))
        response.content_type = f"{TYPES[name]}; charset=utf-8"
        response.headers["Cache-Control"] = FOREVER
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        return response

    app.register_blueprint(docs)


def _from_here(body: bytes) -> Response:
    """A document with the address that this request came to, as far as that can be told."""
    from api.openapi.snippets import ORIGIN

    host = request.host if HOST.fullmatch(request.host) else "localhost"
    # A proxy in front, as in Cloud Run, ends TLS and says so.
    secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    origin = f"{'https' if secure else 'http'}://{host}"
    response = Response(
        body.replace(ORIGIN.encode(), origin.encode()), content_type="application/json"
    )
    response.headers["Cache-Control"] = "no-cache"
    return response


def _read(name: str, *, packed: bool) -> bytes:
    """A file of the pages; large ones are kept compressed, and most clients take them so."""
    path = STATIC / f"{name}.gz"
    if path.exists():
        return path.read_bytes() if packed else gzip.decompress(path.read_bytes())
    body = (STATIC / name).read_bytes()
    return gzip.compress(body, mtime=0) if packed else body


@functools.cache
def _page(name: str) -> str:
    """A page, whose addresses of files change with what is in the files."""
    text = (STATIC / name).read_text(encoding="utf-8")
    return re.sub(
        r"static/docs/([\w.-]+)",
        lambda found: f"{found[0]}?{hashlib.sha256(_read(found[1], packed=False)).hexdigest()[:8]}",
        text,
    )
