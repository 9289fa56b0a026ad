"""Ask a running service which versions of its model it keeps, and change the one that serves.

`make versions`, `make activate` and `make rollback-model` run it, with the service's address in
URL and a key in API_KEY. It needs nothing but Python: whoever runs it may have no environment.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

# A swap waits for one that is under way, and then for every process.
TIMEOUT_SECONDS = 300.0
SHOWN_DIGITS = 12
HEADINGS = ("version", "release", "state", "added (UTC)", "from", "metrics")
KEY_HINT = "make sends the key in API_KEY: write it into .env, or behind the target"


class Refusal(Exception):
    """The service does not do what it is asked; the message is a sentence."""


def ask(
    url: str, verb: str, path: str, headers: Mapping[str, str], body: Any = None
) -> tuple[Any, str]:
    """The JSON document with which the service at `url` answers, and the Location of the answer.

    `body` is what `http.client` takes: bytes, or a file. Raises Refusal.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        # A service that refuses a body before it has all of it says why, and closes.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(verb, parts.path.rstrip("/") + path, body, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
    except ConnectionRefusedError:
        raise Refusal(
            f"Nothing listens at {url}: make run starts the service, and URL=https://... names "
            "another one"
        ) from None
    except TimeoutError:
        raise Refusal(f"{url} has not answered in {TIMEOUT_SECONDS:g} seconds") from None
    except (OSError, http.client.HTTPException) as error:
        raise Refusal(f"{url} does not answer: {error or type(error).__name__}") from None
    finally:
        connection.close()
    try:
        document = json.loads(content)
        if answer.status < 300:
            return document, answer.headers.get("Location", "")
        detail = str(document["detail"])
    except (ValueError, KeyError, TypeError):
        said = f" ({answer.status} {answer.reason})"
        raise Refusal(_stranger(url, path) + said) from None
    raise Refusal(f"{detail} {KEY_HINT}" if answer.status == 401 else detail)


def key(environ: Mapping[str, str]) -> dict[str, str]:
    """The header with the key in API_KEY, if there is one."""
    # Cloud Run reads `Authorization` itself.
    given = environ.get("API_KEY", "")
    return {"X-Api-Key": given} if given else {}


def address(environ: Mapping[str, str]) -> str:
    """The address of the service: URL, or that of `make run`; raises Refusal."""
    url = environ.get("URL") or f"http://127.0.0.1:{environ.get('PORT') or 8080}"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not (fits and url.isascii() and url.isprintable()) or set(url) & set(" ?#@"):
        raise Refusal(f"URL={url}: expected the address of a service, as http://127.0.0.1:8080")
    return url.rstrip("/")


def _stranger(url: str, path: str) -> str:
    return f"{url} does not answer {path} as this service does: check URL"


def versions(environ: Mapping[str, str]) -> str:
    """The table of the versions that the service keeps; raises Refusal."""
    return _ask(environ, "GET", "/model/versions", _table)


def activate(environ: Mapping[str, str]) -> str:
    """Have the service answer by the version in VERSION; raises Refusal."""
    body = json.dumps({"version": environ.get("VERSION", "")}).encode()
    return _ask(environ, "POST", "/model/activate", _change, body)


def roll_back(environ: Mapping[str, str]) -> str:
    """Have the service answer by the version before the active one; raises Refusal."""
    return _ask(environ, "POST", "/model/rollback", _change)


def _ask(
    environ: Mapping[str, str],
    verb: str,
    path: str,
    write: Callable[[Any], str],
    body: bytes | None = None,
) -> str:
    """An answer in words; raises Refusal."""
    url = address(environ)
    headers = {"Content-Type": "application/json"} if body else {}
    answer, _ = ask(url, verb, path, headers | key(environ), body)
    try:
        return write(answer)
    except (TypeError, KeyError, AttributeError):
        raise Refusal(_stranger(url, path)) from None


def _change(answer: Any) -> str:
    """Which version serves, how the one before it comes back, and the table."""
    active, before = answer["active"][:SHOWN_DIGITS], answer["before"]
    back = f"; make rollback-model brings {before[:SHOWN_DIGITS]} back" if before else ""
    return f"The version {active} serves{back}.\n\n{_table(answer)}"


def _table(answer: Any) -> str:
    """The versions in an answer, a line each."""
    rows = [HEADINGS, *(_row(version) for version in answer["versions"])]
    if not any(row[1] for row in rows[1:]):
        # No model here was released by make train.
        rows = [(row[0], *row[2:]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(version: dict[str, Any]) -> tuple[str, ...]:
    metrics = ", ".join(f"{name} {_number(value)}" for name, value in version["metrics"].items())
    added = version["added"][:16].replace("T", " ")
    return (
        version["version"][:SHOWN_DIGITS],
        version.get("release", ""),
        version["state"],
        added,
        version["origin"],
        metrics,
    )


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


COMMANDS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "versions": versions,
    "activate": activate,
    "rollback": roll_back,
}


def main() -> None:
    """Do what the command line says, and print what came of it."""
    command = COMMANDS.get(" ".join(sys.argv[1:]))
    if command is None:
        sys.exit(f"error: expected one of {', '.join(COMMANDS)}")
    try:
        sys.stdout.write(f"{command(os.environ)}\n")
    except Refusal as refusal:
        sys.exit(f"error: {refusal}")


if __name__ == "__main__":
    main()
