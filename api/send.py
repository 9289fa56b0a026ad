"""Send a model to a running service: `python -m api.send FILE URL`, as `make upload-model` does.

The key of an administrator is in API_KEY. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 60
PLAN, SKOPS, JOBLIB = "application/vnd.mlapi.plan", "application/x-skops", "application/x-joblib"


class SendError(Exception):
    """The model does not serve; the message says why."""


def media_type(path: Path) -> str:
    """The media type of a model's file."""
    if not zipfile.is_zipfile(path):
        return JOBLIB
    with zipfile.ZipFile(path) as archive:
        return SKOPS if "schema.json" in archive.namelist() else PLAN


def with_card(path: Path, folder: Path) -> Path:
    """A file of the model and the card beside it, made in `folder`; the model if it has no card.

    `models.candidate.bundle` reads it.
    """
    kind, card = path.suffix, path.with_suffix(".json")
    if kind not in (".joblib", ".skops") or not card.exists():
        return path
    target = folder / path.name
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        bundle.write(path, f"model{kind}")
        bundle.write(card, "model.json")
    return target


def send(path: Path, url: str, key: str, accept: str = "") -> Iterator[str]:
    """Send a model with its card, and give each step of its check, until it serves.

    Raises SendError if the service refuses it, or cannot be reached.
    """
    headers = {"X-Api-Key": key} if key else {}
    query = f"?accept={quote(accept)}" if accept else ""
    kind = media_type(path)
    with tempfile.TemporaryDirectory() as folder:
        whole = with_card(path, Path(folder))
        with whole.open("rb") as file:
            more = {
                "Content-Type": kind,
                "Content-Length": str(whole.stat().st_size),
                "Content-SHA256": hashlib.file_digest(file, "sha256").hexdigest(),
            }
            file.seek(0)
            upload, where = _ask(url, "PUT", f"/model{query}", headers | more, file)
    yield "sent"
    said = ""
    while upload["state"] not in ("active", "refused"):
        time.sleep(POLL_SECONDS)
        upload, _ = _ask(url, "GET", where, headers)
        if upload["step"] not in ("", said):
            said = upload["step"]
            yield said
    yield from upload["changes"]
    if upload["state"] == "refused":
        raise SendError(f"refused ({upload['kind']}): {upload['reason']}")
    how = ", by its plan alone" if upload["plan_only"] else ""
    yield f"version {upload['version'][:12]} serves now{how}"


def _ask(
    url: str, verb: str, path: str, headers: dict[str, str], body: Any = None
) -> tuple[Any, str]:
    """The JSON of an answer, and its Location; raises SendError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        # A service that refuses a model before it has all of it says why, and closes.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(verb, parts.path.rstrip("/") + path, body, headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SendError(f"{url} does not answer ({error or type(error).__name__})") from None
    finally:
        connection.close()
    if answer.status >= 300:
        raise SendError(f"{answer.status}: {found.get('detail', found)}")
    return found, answer.headers.get("Location", "")


def main() -> None:
    """Send the model of the command line, and print each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("url")
    parser.add_argument("--accept", default="", help="features that may change, or classes")
    given = parser.parse_args()
    try:
        for said in send(given.file, given.url, os.environ.get("API_KEY", ""), given.accept):
            print(said, flush=True)
    except SendError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {given.file} cannot be read ({error.strerror})")


if __name__ == "__main__":
    main()
