"""Take a request for a task: read its rows or find its file, check them, and hand the task in."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from api.errors import UnknownOption
from api.formats import media
from api.http.bodies import stream_body
from api.http.request import Request
from api.service import Service
from api.settings import Settings
from api.tasks import files, inputs
from api.tasks.desk import Desk
from api.tasks.outcome import ranks
from api.tasks.task import FIRST_ROWS, Task
from models.errors import InvalidRows, MalformedBody, Place, TooLarge
from models.model import PER_CLASS
from models.text.cut import NDJSON, TEXTS, Chunk

# A body that names a file is short.
MAX_NAME_BYTES = 4096


class Named(msgspec.Struct, forbid_unknown_fields=True):
    """A body that names a file: its address, and its media type unless its suffix tells."""

    uri: str
    media_type: str = ""


class Taken(NamedTuple):
    """A task that can be handed in: its first chunk, and its body unless that is kept already."""

    task: Task
    chunk: Chunk
    body: bytes | None


def accept(
    service: Service, settings: Settings, desk: Desk, request: Request, method: str = ""
) -> Task:
    """Hand in the task that a request asks for, and give it.

    Without a `method` its query says which one of the model.

    Raises what `/predict` raises for its rows; TooLarge, and OSError where it cannot be kept.
    """
    methods = service.model.methods
    usual = "predict" if "predict" in methods else methods[0]
    method = method or parse_qs(request.query).get("method", [usual])[-1]
    if method not in methods:
        expected = " or ".join(f"method={each}" for each in methods)
        raise UnknownOption(f"This {service.model.kind} has no such method: expected {expected}.")
    task = Task(
        method=method,
        ignore=service.ignores(request),
        version=service.model.version,
        classes=_classes(service, method),
        columns=service.columns(method),
        owner=request.key or "",
        key=key_of(request),
    )
    accepting = _Accepting(service, settings, desk, request, task)
    taken = accepting.take()
    found = desk.store.create(*taken)
    if found.state == "PENDING":
        # Also one that came before: perhaps its process ended before it was put.
        _put(desk, found)
    return found


def _put(desk: Desk, task: Task) -> None:
    """Put the first chunk of a task; raises OSError where that cannot be done."""
    try:
        desk.put(task.id, 0, task.queue)
    except OSError:
        if task.key is None:
            # Who is refused may come again, and gets another task.
            with contextlib.suppress(OSError):
                desk.store.revoke(task.id)
        raise


class _Accepting:
    """One request for a task."""

    def __init__(
        self, service: Service, settings: Settings, desk: Desk, request: Request, task: Task
    ) -> None:
        self._service = service
        self._settings = settings
        self._desk = desk
        self._request = request
        self._task = task
        self._reader = inputs.reader_of(service.contract, settings.max_task_rows)

    def take(self) -> Taken:
        request = self._request
        if self._is_long(request):
            return self._stream()
        body = self._service.body(request)
        content_type = request.content_type
        if named := self._named(body):
            self._task.digest = self._digest(b"uri", named.uri.encode(), named.media_type.encode())
            return self._from_file(named)
        self._task.digest = self._digest(content_type.encode(), body)
        return self._from_body(body, content_type)

    def _is_long(self, request: Request) -> bool:
        """Whether the body is, or may be, too long to be read as a whole."""
        environ = request.environ
        if environ.get("HTTP_CONTENT_ENCODING") or not inputs.can_be_cut(request.content_type):
            return False
        length = environ.get("CONTENT_LENGTH") or "0"
        is_chunked = "HTTP_TRANSFER_ENCODING" in environ
        return is_chunked or (length.isdigit() and int(length) > self._service.contract.max_bytes)

    def _named(self, body: bytes) -> Named | None:
        """The file that a body of JSON names, if it names one and is no row."""
        if len(body) > MAX_NAME_BYTES or b'"uri"' not in body:
            return None
        # curl -d says of JSON that it is a form.
        if media.format_of(self._request.content_type) not in (None, media.JSON):
            return None
        names = self._service.contract.names
        if names.open or "uri" in names.known:
            # It is a row.
            return None
        try:
            return msgspec.json.decode(body, type=Named)
        except msgspec.ValidationError as error:
            raise MalformedBody(
                f'Expected rows, or {{"uri": "rows.csv", "media_type": "text/csv"}}: {error}.'
            ) from None
        except msgspec.DecodeError:
            return None

    def _from_body(self, body: bytes, content_type: str) -> Taken:
        """A task of rows that were all read."""
        task = self._task
        batch = self._reader.read(body, content_type, ignore=task.ignore)
        data, found, header = media.identify(body, content_type)
        task.media_type = found.media_type + ("" if header else "; header=absent")
        task.rows = batch.count
        if batch.count <= FIRST_ROWS or not self._service.model.engine.batchable:
            chunk = Chunk(number=0, start=0, stop=batch.count, rows=batch.count)
        elif found.media_type in TEXTS:
            task.size, task.is_whole = len(data), False
            return Taken(task, self._first(lambda start, stop: data[start:stop]), data)
        else:
            task.is_whole = False
            chunk = Chunk(number=0, start=0, stop=FIRST_ROWS, rows=FIRST_ROWS)
        return Taken(task, chunk, data)

    def _from_file(self, named: Named) -> Taken:
        """A task of a file or an object."""
        task, settings = self._task, self._settings
        found = files.find(named.uri, settings)
        suffix = Path(named.uri).suffix.lower()
        media_type = named.media_type or media.SUFFIXES.get(suffix, media.BYTES)
        media.check(media_type)
        if not inputs.can_be_cut(media_type):
            if found.size > self._service.contract.max_bytes:
                raise self._too_large(self._service.contract.max_bytes)
            return self._from_body(found.read(0, found.size), media_type)
        self._check_size(found.size)
        task.uri, task.stamp, task.size = named.uri, found.stamp, found.size
        task.media_type, task.is_whole = media_type, False
        return Taken(task, self._first(found.read), None)

    def _stream(self) -> Taken:
        """A task of a long text, which goes to a file as it comes."""
        task = self._task
        digest = hashlib.sha256()
        limit = self._settings.max_task_bytes
        read: Any = None

        def write(path: Path) -> None:
            nonlocal read
            with path.open("wb") as file:

                def keep(piece: bytes) -> None:
                    file.write(piece)
                    digest.update(piece)

                task.size = stream_body(self._request, limit, keep)
            read = functools.partial(files.read, path)
            self._check_size(task.size)
            task.media_type, task.is_whole = self._request.content_type, False
            task.digest = self._digest(task.media_type.encode(), digest.digest())
            self._chunk = self._first(read)

        self._desk.store.keep_input(task.id, write)
        return Taken(task, self._chunk, None)

    def _first(self, read: Any) -> Chunk:
        """The first chunk of a text, whose rows are checked."""
        task = self._task
        source = inputs.text_input(
            read, task.size, self._reader, task.media_type, ignore=task.ignore
        )
        chunk = source.first(FIRST_ROWS)
        if chunk is None:
            raise InvalidRows([Place("", "expected at least one sample")])
        source.batch(chunk)
        return chunk

    def _check_size(self, size: int) -> None:
        limit = self._settings.max_task_bytes
        if not self._service.model.engine.batchable:
            # Its rows are answered in one call, for they may depend on each other.
            limit = min(limit, self._service.contract.max_bytes)
        if size > limit:
            raise self._too_large(limit)

    def _too_large(self, limit: int) -> TooLarge:
        texts = f"{', '.join(TEXTS[:-1])} and {NDJSON}"
        return TooLarge(
            f"The input is over the limit of {limit} bytes. {texts} may have up to "
            f"{self._settings.max_task_bytes} bytes (MAX_TASK_BYTES), where the model answers rows "
            "one by one."
        )

    def _digest(self, *parts: bytes) -> str:
        if self._task.key is None:
            return ""
        task = self._task
        facts = (task.method.encode(), str(task.ignore).encode(), *parts)
        return hashlib.sha256(b"\0".join(facts)).hexdigest()


def _classes(service: Service, method: str) -> list[Any] | None:
    """The classes that the results of a method have values for, or are ranked by."""
    return service.model.classes if method in PER_CLASS or ranks(service, method) else None


def key_of(request: Request) -> str | None:
    """The Idempotency-Key, together with the name of the API key, whose own it is."""
    given = request.header("Idempotency-Key")
    return None if given is None else f"{request.key or ''} {given}"
