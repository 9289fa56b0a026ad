"""API keys and administrators' keys: their names and SHA-256.

`python -m api.http.keys NAME` makes a key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import sys
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from api.errors import Forbidden, Unauthorized
from api.http.request import Environ, Request, current
from api.http.route import Route
from api.monitor import metrics
from api.settings import Settings
from models.settings import SettingsError

NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
HOW = "send it as the header `Authorization: Bearer KEY` or `X-Api-Key: KEY`"
# Browsers load these files before a key can be entered.
STATIC = "/static/"


class Keys:
    """The keys of `API_KEYS`, as in `alice:sha256,bob:sha256`; the paths in `open` need none."""

    def __init__(self, api_keys: str, open_paths: Collection[str] = ()) -> None:
        pairs = [entry.strip().split(":") for entry in api_keys.split(",") if entry]
        self._keys = [(name, bytes.fromhex(digest)) for name, digest in pairs]
        self._open = frozenset(path.encode().decode("latin-1") for path in open_paths)

    def check(self, request: Request) -> None:
        """Let a request through that has a key or needs none, and note the name of its key.

        Raises Unauthorized.
        """
        # OPTIONS tells the methods of a path, and browsers ask it without a key.
        path = request.path
        if path in self._open or path.startswith(STATIC) or request.verb == "OPTIONS":
            return
        name = self.name_of(request)
        if name is None:
            if not any(_given(request.environ)):
                raise Unauthorized(f"This service asks for a key: {HOW}.")
            raise Unauthorized(f"This key is not one of the service's keys: check it, and {HOW}.")
        request.key = name
        metrics.count_key(name)

    def name_of(self, request: Request) -> str | None:
        """The name of the first known key of a request; None if it has none."""
        found = (self._find(key) for key in _given(request.environ))
        return next((name for name in found if name is not None), None)

    def _find(self, key: str) -> str | None:
        """The name of a key; all keys are compared, so that the time reveals nothing."""
        digest = hashlib.sha256(key.encode("latin-1")).digest()
        found = None
        for name, right in self._keys:
            if hmac.compare_digest(digest, right):
                found = name
        return found


def guard(settings: Settings, route: Route) -> Callable[..., Any]:
    """The handler of a route that changes the model, behind a check for a key of `ADMIN_KEYS`."""
    return partial(_administer, settings, Keys(settings.admin_keys), route.handler)


def _administer(
    settings: Settings, keys: Keys, handler: Callable[..., Any], *args: Any, **named: Any
) -> Any:
    """Raise Unauthorized without a known key, Forbidden with one that may not change the model."""
    request = current.get()
    assert request is not None  # noqa: S101  (the gateway sets it)
    if not settings.admin_keys:
        raise Forbidden(
            "Nobody may change the model of this service: set ADMIN_KEYS, as make api-key "
            "NAME=admin prints it."
        )
    name = keys.name_of(request)
    if name is None:
        if request.key is not None:
            raise Forbidden("This key is not one of ADMIN_KEYS, which may change the model.")
        if any(_given(request.environ)):
            raise Unauthorized(f"This key is not one of ADMIN_KEYS: check it, and {HOW}.")
        raise Unauthorized(f"A key of ADMIN_KEYS may change the model: {HOW}.")
    if request.key is None:
        request.key = name
        metrics.count_key(name)
    return handler(*args, **named)


def _given(environ: Environ) -> Iterator[str]:
    # Cloud Run reads `Authorization` itself, so X-Api-Key is an alternative.
    if key := environ.get("HTTP_X_API_KEY", "").strip():
        yield key
    if bearer := BEARER.fullmatch(environ.get("HTTP_AUTHORIZATION", "")):
        yield bearer[1]


def main() -> None:
    """Make a key; print it, and the `ADMIN_KEYS` and the `API_KEYS` that include it."""
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if not NAME.fullmatch(name):
        sys.exit(
            f"error: NAME={name!r}: expected up to 64 of the letters A to Z and a to z, digits, "
            "_, . and -, as in make api-key NAME=alice"
        )
    variables = ("ADMIN_KEYS", "API_KEYS")
    try:
        before = Settings.from_env({each: os.environ.get(each, "") for each in variables})
    except SettingsError as error:
        sys.exit(f"error: {error}")
    key = secrets.token_urlsafe(32)
    added = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    administers, sends = (
        f"{variable}={','.join(filter(None, [known, added]))}"
        for variable, known in zip(variables, (before.admin_keys, before.api_keys), strict=True)
    )
    sys.stdout.write(
        f"The key of {name}, which is kept nowhere and cannot be shown again:\n\n  {key}\n\n"
        "For a key that may change the model, too: the line for .env, in place of the ADMIN_KEYS "
        f"that is there:\n\n{administers}\n\n"
        "For one that only sends requests: the line for .env, in place of the API_KEYS that is "
        f"there:\n\n{sends}\n"
    )


if __name__ == "__main__":
    main()
