"""Upload a wheel to a repository of packages with twine, which need not be installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from models.errors import ModelError
from models.packaging import wheel

URL, USER, PASSWORD = "TWINE_REPOSITORY_URL", "TWINE_USERNAME", "TWINE_PASSWORD"
TOKEN = "__token__"  # noqa: S105


def check(environ: Mapping[str, str] = os.environ) -> None:
    """Raise ModelError unless settings name a repository and who uploads: none is the default."""
    missing = [name for name in (URL, USER, PASSWORD) if not environ.get(name)]
    if missing:
        raise ModelError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set: write into "
            f".env {URL}=https://... of your repository, {USER} and {PASSWORD}; with a token, "
            f"{USER}={TOKEN} and the token as {PASSWORD}"
        )
    if not environ[URL].startswith(("https://", "http://")):
        raise ModelError(f"{URL}={environ[URL]}: expected an address that begins with https://")


def upload(path: Path) -> None:
    """Check a wheel's page, and upload it. Raises ModelError with what twine says."""
    check()
    wheel.run(("twine",), "-m", "twine", "--no-color", "check", "--strict", str(path))
    options = ("--non-interactive", "--disable-progress-bar")
    try:
        wheel.run(("twine",), "-m", "twine", "--no-color", "upload", *options, str(path))
    except ModelError as error:
        raise ModelError(
            f"{error} (an index takes each version once: if it has this one, give another VERSION)"
        ) from None
