"""Inputs that are not sent: a file in DATA_DIR, or an object in a bucket, read in pieces."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from api.errors import Forbidden, Problem, UnknownThing
from api.settings import Settings
from api.tasks.task import Lost
from models.text.cut import Read

# The package that reads buckets, in the version that the tests have.
PACKAGE = "obstore==0.12.1"
# Our own folder in DATA_DIR.
OWN = "tasks"
SCHEMES = ("gs", "s3")
# A client waits while a bucket is asked.
RETRIES = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=10)}


class Unreadable(Problem):
    """The file or object that a request names cannot be read."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class File(NamedTuple):
    """A file or an object: how it is read, its length in bytes, and what changes with it."""

    read: Read
    size: int
    stamp: str


def find(uri: str, settings: Settings) -> File:
    """The file in DATA_DIR, or the object of gs:// or s3://, that a request names.

    Raises Forbidden if the service may not read it for clients, UnknownThing if it is not there,
    Unreadable.
    """
    scheme, colon, _ = uri.partition("://")
    if not colon:
        return _local(uri, settings)
    if scheme not in SCHEMES:
        raise Unreadable(
            f"The uri has the scheme {scheme[:20]}://, which is not read: name a file in DATA_DIR, "
            "or gs://bucket/name or s3://bucket/name."
        )
    allowed = [prefix.strip() for prefix in settings.task_uris.split(",") if prefix]
    if not any(uri.startswith(prefix) for prefix in allowed) or "/../" in f"{uri}/":
        raise Forbidden(
            "This service does not read that uri for its clients: set TASK_URIS to the addresses "
            "that it may read, as in TASK_URIS=gs://bucket/inputs/."
        )
    return _remote(uri)


def again(uri: str, stamp: str, settings: Settings) -> File:
    """The file of a task that was accepted; raises Lost if it is another by now, or gone."""
    try:
        file = find(uri, settings)
    except Problem as problem:
        raise Lost(problem.detail.rstrip(".")) from None
    if file.stamp != stamp:
        raise Lost(f"{uri} has changed since the task was accepted")
    return file


def _local(uri: str, settings: Settings) -> File:
    folder = settings.data_folder
    if folder is None:
        raise Unreadable("This service has no DATA_DIR: set it, or send the rows in the body.")
    folder = folder.resolve()
    path = (folder / uri).resolve()
    if not path.is_relative_to(folder) or path.is_relative_to(folder / OWN):
        raise Forbidden(
            f"{uri!r} is not a file of clients in DATA_DIR: name one below that folder."
        )
    if not path.is_file():
        raise UnknownThing(f"There is no file {uri!r} in DATA_DIR.")
    try:
        facts = path.stat()
        with path.open("rb"):
            pass
    except OSError as error:
        raise Unreadable(f"{uri!r} cannot be read ({error.strerror}).") from None
    return File(functools.partial(read, path), facts.st_size, f"{facts.st_mtime_ns}")


def read(path: Path, start: int, stop: int) -> bytes:
    """The bytes of a file from one place to another."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(stop - start)


def _remote(uri: str) -> File:
    """An object, whose parts are asked for as they are read."""
    scheme, _, path = uri.partition("://")
    bucket, _, name = path.partition("/")
    try:
        import obstore
        from obstore.store import GCSStore, S3Store
    except ImportError:
        raise Unreadable(
            f"{scheme}:// needs the package obstore, which is not installed: write {PACKAGE} into "
            "models/requirements.txt, and run make again."
        ) from None
    try:
        store: Any = _store(S3Store if scheme == "s3" else GCSStore, bucket)
        found = obstore.head(store, name)
    except FileNotFoundError:
        raise UnknownThing(f"There is no object {uri}.") from None
    except Exception as error:
        raise Unreadable(f"{uri} cannot be read ({_reason(error)}).") from None

    def read(start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        try:
            return bytes(obstore.get_range(store, name, start=start, end=stop))
        except Exception as error:
            # The chunk is tried again.
            raise OSError(f"{uri} cannot be read now ({_reason(error)})") from None

    return File(read, int(found["size"]), found["e_tag"] or found["last_modified"].isoformat())


def _reason(error: Exception) -> str:
    """The first line of an error, without the query of an address, which may have a signature."""
    return str(error).partition("\n")[0].partition("?")[0]


@functools.lru_cache(maxsize=16)
def _store(make: Callable[..., Any], bucket: str) -> Any:
    # An endpoint of http:// is only there where somebody set it.
    return make(bucket, client_options={"allow_http": True}, retry_config=RETRIES)
