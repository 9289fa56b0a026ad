"""The page for people: at `/`, for clients that prefer HTML to JSON.

The address of its files changes with their content, so that browsers may cache them for good.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.http.route import Route, Site
from api.settings import Settings

if TYPE_CHECKING:
    from flask import Response

FOLDER = Path(__file__).parent.parent / "static" / "page"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
# No other origins, no inline scripts, and no text that becomes HTML: names of features and classes
# come from the file of a model.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(_: Site) -> Iterator[Route]:
    """The files of the page; `native` answers at `/`, with the page or with JSON."""
    yield Route(verb="GET", path="/static/page/<revision>/<name>", handler=asset, by_flask=True)


def is_wanted() -> bool:
    """Whether the client of this request prefers HTML to JSON."""
    from flask import request

    accept = request.accept_mimetypes
    return bool(accept["text/html"] > accept["application/json"])


def show(settings: Settings) -> Any:
    """The page as an answer, with the limits of a request written into it."""
    from flask import Response, request

    index, revision, _ = _files()
    limits = (settings.max_body_bytes, settings.max_rows)
    for name, limit in zip((b"{max_body_bytes}", b"{max_rows}"), limits, strict=True):
        index = index.replace(name, str(limit).encode())
    response = Response(index, mimetype="text/html", headers=HEADERS)
    response.headers["Cache-Control"] = "no-cache"
    # A 304 has the headers of the page that it stands for, which the gateway compresses.
    packed = request.accept_encodings.best_match(["gzip", "deflate"]) is not None
    response.set_etag("-".join(map(str, (revision, *limits))), weak=packed)
    response.vary.add("Accept-Encoding")
    return response.make_conditional(request)


def asset(revision: str, name: str) -> Response:
    """A file of the page, of the page's present revision."""
    from flask import Response, abort

    _, present, files = _files()
    if revision != present or name not in files:
        abort(HTTPStatus.NOT_FOUND)
    response = Response(files[name], mimetype=TYPES[Path(name).suffix], headers=HEADERS)
    response.headers["Cache-Control"] = FOREVER
    return response


@functools.cache
def _files() -> tuple[bytes, str, dict[str, bytes]]:
    """The page, its revision, and the files that it loads, by name."""
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
    index = files.pop("index.html")
    revision = hashlib.sha256(b"\0".join([index, *files.values()])).hexdigest()[:12]
    return index.replace(b'"static/page/', f'"static/page/{revision}/'.encode()), revision, files
