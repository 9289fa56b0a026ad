"""Which threads accept connections, which connections stay open, and how long a sender may take.

Python runs one thread of a process at a time, and each further one that wants to run slows the
others down. So few threads accept connections, and the others stand by. A thread that keeps an
open connection, waits for a sender or for the model, or sends to a slow reader does not count:
another takes its place.

uWSGI keeps every connection open (`http11-socket`), and one thread waits for its next request.
Here it is decided after each answer whether the connection stays: RFC 9112, section 9.
"""

from __future__ import annotations

import ctypes
import itertools
import logging
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from api import server
from api.bodies import REQUEST, Request
from api.gateway import WSGI, Environ

log = logging.getLogger("api")

# More threads that accept connections answer fewer requests a second on many cores, and no more on
# one: measured with 1 to 8 processes, from 1 to 32 threads each.
ACCEPTING = 4
# While more requests than this are under way in a process, no connection is kept.
BUSY = 8
TICK_SECONDS = 0.025
# A connection that has been idle for less is not closed for the sake of another.
IDLE_SECONDS = 1.0
# Sockets that no request has come out of are looked for this often where nobody waits.
LOOK_SECONDS = 1.0
# The line and the headers of a request have to come in this time.
HEAD_SECONDS = 10.0
# A client that is answered before its body was read may go on sending for so long. To close at once
# would reset the connection, and the answer would be lost: RFC 9112, section 9.6.
LINGER_SECONDS = 10.0
LINGER_READ_BYTES = 65_536
# A request that takes longer than TIMEOUT by this loses its connection; by twice this, its process.
PATIENCE_SECONDS = 30.0

LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain\r\nContent-Length: 47\r\n"
    b"Connection: close\r\n\r\nThe headers of the request took over 10 seconds"
)

# Python's own needs a socket object for the descriptor, which takes longer than the call.
_shutdown = ctypes.CDLL(None, use_errno=True).shutdown


class Aside:
    """A context in which a thread waits for something else than Python's lock: another takes over.

    It does nothing where there are no `Connections`.
    """

    def __init__(self) -> None:
        self.connections: Connections | None = None

    def __enter__(self) -> None:
        """Let another thread accept connections."""
        if self.connections is not None:
            self.connections.step_aside()

    def __exit__(self, *_: object) -> None:
        """Go on."""
        if self.connections is not None:
            self.connections.step_back()


aside = Aside()


class _Kept:
    """An open connection that waits for its next request."""

    __slots__ = ("descriptor", "inode", "since")

    def __init__(self, since: float, descriptor: int) -> None:
        self.since = since
        self.descriptor = descriptor
        self.inode: int | None = None


class Connections:
    """A WSGI application around another, for uWSGI with `threads` threads in each process.

    `keep_alive` is how long a connection may be idle, 0 if none is kept; `body_timeout` how long a
    body may take to come, and `timeout` an answer, all in seconds. `give_up` is given the
    connection of a request that takes far longer, and must end the process.
    """

    def __init__(
        self,
        app: WSGI,
        *,
        threads: int,
        keep_alive: float,
        body_timeout: float,
        timeout: float,
        give_up: Callable[[int], None],
    ) -> None:
        self._app = app
        self._threads = threads
        self._keep_alive = keep_alive
        self._body_timeout = body_timeout
        self._patience = timeout + PATIENCE_SECONDS
        self._give_up = give_up
        self._max_kept = threads // 2 if keep_alive else 0
        self._accept = min(ACCEPTING, threads)
        self.begin()

    def begin(self) -> None:
        """Start from nothing, as a process that was forked has to."""
        # By the thread that has it.
        self._under_way: dict[int, Request] = {}
        self._kept: dict[int, _Kept] = {}
        self._standing_by: list[tuple[threading.Lock, int]] = []
        # Threads that have stepped aside.
        self._aside: dict[int, bool] = {}
        # Threads that the last tick has found waiting.
        self._blocked = 0
        # Sockets that no request has come out of yet, by descriptor and inode, since when.
        self._silent: dict[tuple[int, int], float] = {}
        self._looked = 0.0
        self._count = 0
        self._counted = 0

    def watch_in_processes(self) -> None:
        """Let each process that this one forks look after its connections."""
        master = os.getpid()

        def start() -> None:
            # A worker forks, too: to try a model out.
            if os.getppid() == master:
                self.begin()
                aside.connections = self
                threading.Thread(target=self._watch, daemon=True).start()

        os.register_at_fork(after_in_child=start)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, PEP 3333, and decide what becomes of its connection and thread."""
        thread = threading.get_ident()
        self._kept.pop(thread, None)
        request = Request(time.perf_counter(), environ["wsgi.input"])
        self._under_way[thread] = request
        self._count += 1
        environ[REQUEST] = request
        keep = False

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal keep
            keep = self._keeps(environ, request)
            if not keep:
                headers.append(("Connection", "close"))
            return start_response(status, headers, *rest)

        try:
            body = self._app(environ, start)
        except BaseException:
            self.close(thread, request, unread=False)
            raise
        if not keep:
            return _Closing(self, body, thread, request, unread=_is_unread(environ, request))
        self._kept[thread] = _Kept(time.perf_counter(), request.input.fileno())
        del self._under_way[thread]
        if self._standing_by and self._accepting() < self._wanted():
            self._wake()
        return body

    def step_aside(self) -> None:
        """Let another thread accept connections while this one waits."""
        thread = threading.get_ident()
        self._aside[thread] = True
        self._under_way[thread].merged = True
        if self._standing_by and self._accepting() < self._wanted():
            self._wake()

    def step_back(self) -> None:
        """Count the thread that runs this as one of the few again."""
        self._aside.pop(threading.get_ident(), None)

    def _keeps(self, environ: Environ, request: Request) -> bool:
        """Whether the connection stays open after this answer."""
        return (
            len(self._kept) < self._max_kept
            and (len(self._under_way) <= BUSY or request.merged)
            and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
            and "close" not in environ.get("HTTP_CONNECTION", "").lower()
            # uWSGI may have read the beginning of the next request with the last chunk.
            and "HTTP_TRANSFER_ENCODING" not in environ
            and not _is_unread(environ, request)
            and not server.is_ending()
        )

    def close(self, thread: int, request: Request, *, unread: bool) -> None:
        """Close the connection after its answer; the thread stands by if it is not needed."""
        descriptor = request.input.fileno()
        try:
            if unread:
                _linger(descriptor)
            else:
                # uWSGI would keep it.
                _shutdown(descriptor, socket.SHUT_RDWR)
        finally:
            del self._under_way[thread]
        if self._accepting() > self._wanted() and not server.is_ending():
            self._stand_by(descriptor)

    def _accepting(self) -> int:
        """How many threads accept connections, or answer a request."""
        return self._threads - len(self._standing_by) - len(self._kept)

    def _wanted(self) -> int:
        """How many these should be."""
        return self._accept + self._blocked + len(self._aside)

    def _stand_by(self, descriptor: int) -> None:
        lock = threading.Lock()
        lock.acquire()
        self._standing_by.append((lock, descriptor))
        if self._accepting() < self._wanted():
            # Another thread has come to the same decision at the same time.
            self._wake()
        lock.acquire()

    def _wake(self) -> bool:
        """Let a thread accept connections that stood by; False if none does."""
        try:
            lock, _ = self._standing_by.pop()
        except IndexError:
            return False
        lock.release()
        return True

    def _watch(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            try:
                self.tick(time.perf_counter())
            except Exception:  # pragma: no cover
                log.exception("connections cannot be looked after")

    def tick(self, now: float) -> None:
        """Replace threads that wait, and end what takes too long; `now` is time.perf_counter()."""
        if server.is_ending():
            self._end()
            return
        waiting = server.untaken_connections()
        idle, self._counted = self._counted == self._count, self._count
        blocked = 0
        for thread, request in list(self._under_way.items()):
            if now - request.started > TICK_SECONDS:
                blocked += thread not in self._aside
                self._hurry(thread, request, now)
        if (waiting and idle) or self._silent or now - self._looked > LOOK_SECONDS:
            self._look(now)
        self._blocked = blocked + sum(
            now - since >= TICK_SECONDS for since in self._silent.values()
        )
        while self._accepting() < self._wanted() and self._wake():
            pass
        if waiting and idle and not self._standing_by:
            self._make_room(now)

    def _hurry(self, thread: int, request: Request, now: float) -> None:
        """End a request whose body, or whose answer, takes too long."""
        if request.reading is not None and now - request.reading > self._body_timeout:
            self._cut(thread, request)
        age = now - request.started
        if age > self._patience + PATIENCE_SECONDS:
            log.error("a request took over %g seconds: this process is replaced", age)
            self._give_up(request.input.fileno())
        elif age > self._patience:
            # Its client may be what it waits for.
            _end_reading(request.input.fileno(), socket.SHUT_RDWR)

    def _cut(self, thread: int, request: Request) -> None:
        """Let the thread that reads a body find its end at once."""
        descriptor = os.dup(request.input.fileno())
        try:
            # What the descriptor stands for cannot change any more: is it still this body?
            if request.reading is not None and self._under_way.get(thread) is request:
                request.late = True
                _shutdown(descriptor, socket.SHUT_RD)
        finally:
            os.close(descriptor)

    def _look(self, now: float) -> None:
        """Find connections that no request has come out of, and kept ones that are gone."""
        self._looked = now
        known = {descriptor for _, descriptor in self._standing_by}
        for thread, kept in list(self._kept.items()):
            inode = _inode(kept.descriptor)
            if kept.inode is None:
                kept.inode = inode
            if inode is None or inode != kept.inode:
                # Its client closed it, and uWSGI did so without a word.
                self._forget(thread, kept)
                continue
            known.add(kept.descriptor)
            if now - kept.since > self._keep_alive:
                _end_reading(kept.descriptor, socket.SHUT_RD, kept.inode)
        known.update(request.input.fileno() for request in list(self._under_way.values()))
        found = {}
        for descriptor in _descriptors():
            if descriptor in known:
                continue
            inode = _inode(descriptor)
            if inode is None:
                continue
            key = descriptor, inode
            if key in self._silent:
                found[key] = self._silent[key]
            elif _is_connection(descriptor):
                found[key] = now
        for key, since in found.items():
            if now - since > HEAD_SECONDS:
                _refuse(*key)
        self._silent = found

    def _forget(self, thread: int, kept: _Kept) -> None:
        if self._kept.get(thread) is kept:
            self._kept.pop(thread, None)

    def _make_room(self, now: float) -> None:
        """Close what has been idle or silent for longest, since somebody waits for a thread."""
        idle = [
            kept
            for kept in list(self._kept.values())
            if now - kept.since >= IDLE_SECONDS and kept.inode is not None
        ]
        if idle:
            oldest = min(idle, key=lambda kept: kept.since)
            _end_reading(oldest.descriptor, socket.SHUT_RD, oldest.inode)
            return
        silent = [
            (since, key) for key, since in self._silent.items() if now - since >= IDLE_SECONDS
        ]
        if silent:
            _refuse(*min(silent)[1])
            return
        reading = [
            (request.reading, thread, request)
            for thread, request in list(self._under_way.items())
            if request.reading is not None and now - request.reading >= IDLE_SECONDS
        ]
        if reading:
            self._cut(*min(reading, key=lambda each: each[0])[1:])

    def _end(self) -> None:
        """The service was told to stop: no thread stands by, and no connection is idle."""
        while self._wake():
            pass
        for kept in list(self._kept.values()):
            _end_reading(kept.descriptor, socket.SHUT_RD, _inode(kept.descriptor))


class _Closing:
    """The body of an answer after which the connection is closed."""

    def __init__(
        self,
        connections: Connections,
        body: Iterable[bytes],
        thread: int,
        request: Request,
        *,
        unread: bool,
    ) -> None:
        self._connections = connections
        self._body = body
        self._thread = thread
        self._request = request
        self._unread = unread

    def __iter__(self) -> Iterator[bytes]:
        # uWSGI sends the headers with the first piece; without one it would close the connection
        # first.
        return itertools.chain(self._body, (b"",))

    def close(self) -> None:
        """Close the connection, once all was sent: PEP 3333."""
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._connections.close(self._thread, self._request, unread=self._unread)


def _is_unread(environ: Environ, request: Request) -> bool:
    """Whether part of the body, or all of it, has not been read."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return not request.is_read
    length = environ.get("CONTENT_LENGTH") or "0"
    return not length.isdigit() or bool(request.input.tell() < int(length))


def _linger(descriptor: int) -> None:
    """Say that no more is sent, and read on until the client has closed the connection, too."""
    _shutdown(descriptor, socket.SHUT_WR)
    deadline = time.perf_counter() + LINGER_SECONDS
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        while (left := deadline - time.perf_counter()) > 0 and poll.poll(left * 1000):
            if not os.read(descriptor, LINGER_READ_BYTES):
                return
    except OSError:  # the client has reset it
        return


def _descriptors() -> list[int]:
    try:
        return [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    except OSError:
        return list(range(3, 1024))


def _inode(descriptor: int) -> int | None:
    """The inode of a socket; None if the descriptor is none, or stands for something else."""
    try:
        facts = os.fstat(descriptor)
    except OSError:
        return None
    return facts.st_ino if stat.S_ISSOCK(facts.st_mode) else None


def _is_connection(descriptor: int) -> bool:
    """Whether somebody is connected to the service by this descriptor."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            connection.getpeername()
            return bool(connection.getsockname() and _port(connection) == server.port())
    except OSError:
        return False


def _port(connection: socket.socket) -> int | None:
    name = connection.getsockname()
    return name[1] if isinstance(name, tuple) else None


def _end_reading(descriptor: int, how: int, inode: int | None = None) -> None:
    """Let whoever reads from a connection find its end; an answer can still be sent.

    If the descriptor does not stand for this inode any more, nothing happens.
    """
    try:
        copy = os.dup(descriptor)
    except OSError:
        return
    try:
        if inode is None or _inode(copy) == inode:
            _shutdown(copy, how)
    finally:
        os.close(copy)


def _refuse(descriptor: int, inode: int) -> None:
    """Answer 408 to a connection whose request has not come, and close it."""
    try:
        copy = os.dup(descriptor)
    except OSError:
        return
    try:
        if _inode(copy) == inode:
            os.write(copy, LATE)
            _shutdown(copy, socket.SHUT_RDWR)
    except OSError:  # its client is gone
        return
    finally:
        os.close(copy)
