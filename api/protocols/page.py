"""The page for people: at `/`, for whoever would rather have HTML than JSON.

Plain files, under an address that changes with them, so that browsers may keep them for good.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, abort, request

FOLDER = Path(__file__).parent.parent / "static" / "page"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
# Nothing from elsewhere, nothing inline, and no text that becomes HTML: names of features and
# classes are whatever somebody has put into a model.
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


def init_app(app: Flask) -> None:
    """Answer `/` with the page where HTML is preferred, and add what the page is made of."""
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
    index = files.pop("index.html")
    version = hashlib.sha256(b"\0".join([index, *files.values()])).hexdigest()[:12]
    index = index.replace(b'"static/page/', f'"static/page/{version}/'.encode())

    @app.before_request
    def page() -> Response | None:
        """The page instead of what `/` says to programs."""
        accept = request.accept_mimetypes
        if (
            request.path != "/"
            or request.method not in ("GET", "HEAD")
            or accept["text/html"] <= accept["application/json"]
        ):
            return None
        response = Response(index, mimetype="text/html", headers=HEADERS)
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(version)
        response.make_conditional(request)
        return response

    @app.after_request
    def vary(response: Response) -> Response:
        if request.path == "/":
            response.vary.add("Accept")
        return response

    @app.get(f"/static/page/{version}/<name>")
    def asset(name: str) -> Response:
        if name not in files:
            abort(HTTPStatus.NOT_FOUND)
        response = Response(files[name], mimetype=TYPES[Path(name).suffix], headers=HEADERS)
        response.headers["Cache-Control"] = FOREVER
        return response
