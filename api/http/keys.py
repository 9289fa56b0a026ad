"""API keys: their names and SHA-256. `python -m api.http.keys NAME` makes a key."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import sys
from collections.abc import Collection, Iterator

from api.errors import Unauthorized
from api.http.request import Environ, Request
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

    def __init__(self, api_keys: str, open_paths: Collection[str]) -> None:
        pairs = [entry.strip().split(":") for entry in api_keys.split(",")]
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
        given = list(_given(request.environ))
        if not given:
            raise Unauthorized(f"This service asks for a key: {HOW}.")
        found = [name for key in given if (name := self._find(key)) is not None]
        if not found:
            raise Unauthorized(f"This key is not one of the service's keys: check it, and {HOW}.")
        request.key = found[0]
        metrics.count_key(found[0])

    def _find(self, key: str) -> str | None:
        """The name of a key; all keys are compared, so that the time reveals nothing."""
        digest = hashlib.sha256(key.encode("latin-1")).digest()
        found = None
        for name, right in self._keys:
            if hmac.compare_digest(digest, right):
                found = name
        return found


def _given(environ: Environ) -> Iterator[str]:
    # Cloud Run reads `Authorization` itself, so X-Api-Key is an alternative.
    if key := environ.get("HTTP_X_API_KEY", "").strip():
        yield key
    if bearer := BEARER.fullmatch(environ.get("HTTP_AUTHORIZATION", "")):
        yield bearer[1]


def main() -> None:
    """Make a key; print it, and the `API_KEYS` that includes it."""
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if not NAME.fullmatch(name):
        sys.exit(
            f"error: NAME={name!r}: expected up to 64 of the letters A to Z and a to z, digits, "
            "_, . and -, as in make api-key NAME=alice"
        )
    try:
        before = Settings.from_env({"API_KEYS": os.environ.get("API_KEYS", "")}).api_keys
    except SettingsError as error:
        sys.exit(f"error: {error}")
    key = secrets.token_urlsafe(32)
    added = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    sys.stdout.write(
        f"The key of {name}, which is kept nowhere and cannot be shown again:\n\n  {key}\n\n"
        "The line for .env, in place of the API_KEYS that is there:\n\n"
        f"API_KEYS={','.join(filter(None, [before, added]))}\n"
    )


if __name__ == "__main__":
    main()
