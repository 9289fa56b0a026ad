"""Request lines that are not in the usual form: RFC 9112, sections 2.2, 3 and 3.2."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from api.errors import MalformedTarget, UnknownVersion
from api.http.request import Request

VERSIONS = frozenset({"HTTP/1.1", "HTTP/1.0"})
VERSION = re.compile(r"HTTP/[0-9]\.[0-9]", re.ASCII)
METHOD = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
ABSOLUTE = re.compile(r"https?://([^/?#]*)([^?#]*)", re.IGNORECASE)
# uWSGI reads a request target up to the next blank, control characters included.
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def normalize(request: Request) -> None:
    """Let `request` have a method, and a path that starts with a slash, or `*` for OPTIONS.

    Empty lines before the request line are passed over. Raises MalformedTarget if the request line
    has no method, target or version, or another target than a path, and UnknownVersion.
    """
    environ = request.environ
    method = environ["REQUEST_METHOD"] = request.verb = request.verb.lstrip("\r\n")
    path = environ["PATH_INFO"] = request.path
    version = environ.get("SERVER_PROTOCOL", "HTTP/1.1")
    target = environ.get("REQUEST_URI", path)
    if (
        not path
        or not METHOD.fullmatch(method)
        or not VERSION.fullmatch(version)
        or CONTROLS.search(target)
    ):
        raise MalformedTarget("Expected a request line such as: GET /health HTTP/1.1")
    if version not in VERSIONS:
        raise UnknownVersion(f"{version} is not spoken here: send HTTP/1.1.")
    if absolute := ABSOLUTE.match(target):
        # The host in the target replaces the Host header: RFC 9112, section 3.2.2.
        environ["HTTP_HOST"], raw = absolute.groups()
        path = unquote_to_bytes(raw).decode("latin-1") or ("*" if method == "OPTIONS" else "/")
        environ["PATH_INFO"] = request.path = path
    if not path.startswith("/") and (method, path) != ("OPTIONS", "*"):
        raise MalformedTarget("The path has to start with a slash, as in: GET /health HTTP/1.1")
