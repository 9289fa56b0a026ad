"""Send a model to a running service: `python -m api.send FILE`, as `make upload-model` does.

The service's address is in URL, and the key of an administrator in API_KEY, as `api.client` has
them. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from api.client import Refusal, address, ask, key

POLL_SECONDS = 0.2
PLAN, SKOPS, JOBLIB = "application/vnd.mlapi.plan", "application/x-skops", "application/x-joblib"


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


def send(path: Path, environ: Mapping[str, str], accept: str = "") -> Iterator[str]:
    """Send a model with its card, and give each step of its check, until it serves.

    Raises Refusal if the service refuses it, or cannot be reached.
    """
    url, headers = address(environ), key(environ)
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
            upload, where = ask(url, "PUT", f"/model{query}", headers | more, file)
    yield "sent"
    said = ""
    while upload["state"] not in ("active", "refused"):
        time.sleep(POLL_SECONDS)
        upload, _ = ask(url, "GET", where, headers)
        if upload["step"] not in ("", said):
            said = upload["step"]
            yield said
    yield from upload["changes"]
    if upload["state"] == "refused":
        raise Refusal(f"refused ({upload['kind']}): {upload['reason']}")
    how = ", by its plan alone" if upload["plan_only"] else ""
    yield f"version {upload['version'][:12]} serves now{how}"


def main() -> None:
    """Send the model of the command line, and print each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--accept", default="", help="features that may change, or classes")
    given = parser.parse_args()
    try:
        for said in send(given.file, os.environ, given.accept):
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()
    except Refusal as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {given.file} cannot be read ({error.strerror})")


if __name__ == "__main__":
    main()
