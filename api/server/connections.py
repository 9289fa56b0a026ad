"""Which threads accept connections, and which connections stay open.

The GIL lets one thread of a process run at a time, and each further thread that wants to run slows
the others down. So 4 threads accept connections, and the others stand by. A thread that keeps an
open connection, waits for a sender or for the model, or writes to a slow reader is replaced by one
that stands by.

uWSGI's `http11-socket` keeps every connection open, with a thread that waits for its next request.
This module decides after each answer whether the connection stays open: RFC 9112, section 9.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from api.http.bodies import EXCHANGE, Exchange, is_number
from api.http.gateway import WSGI
from api.http.request import Environ
from api.server import process, sockets

log = logging.getLogger("api")

# More accepting threads answer fewer requests a second on many cores, and fewer threads answer no
# more: docs/connections.md has the figures.
ACCEPTING = 4
# While more requests than these are under way in a process, no connection is kept.
BUSY = 8


class Kept:
    """An open connection that waits for its next request, since `since` by time.perf_counter.

    `ended` says that no more is read from it; it stays open only while its answer is being sent.
    """

    __slots__ = ("descriptor", "ended", "inode", "since")

    def __init__(self, descriptor: int) -> None:
        self.since = time.perf_counter()
        self.descriptor = descriptor
        self.ended = False
        # fstat takes as long as half of an answer, so the watcher calls it.
        self.inode: int | None = None


class Connections:
    """A WSGI application around another, for uWSGI with `threads` threads in each process.

    `keeps` says whether connections may stay open at all.
    """

    def __init__(self, app: WSGI, *, threads: int, keeps: bool) -> None:
        self._app = app
        self._threads = threads
        self._max_kept = threads // 2 if keeps else 0
        self._min_accepting = min(ACCEPTING, threads)
        # The exchanges that are not finished, by their threads.
        self.under_way: dict[int, Exchange] = {}
        # The kept connections, by descriptor: a descriptor that is used again replaces the old one.
        self.kept: dict[int, Kept] = {}
        # The lock of each thread that stands by, and the descriptor of its last connection.
        self.standing_by: list[tuple[threading.Lock, int]] = []
        self._aside: set[int] = set()
        # The number of threads that wait for a client, as the watcher counted them.
        self.blocked = 0
        # The number of requests so far.
        self.count = 0

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, PEP 3333, and decide what becomes of its connection and thread."""
        thread = threading.get_ident()
        exchange = Exchange(environ["wsgi.input"])
        self.kept.pop(exchange.input.fileno(), None)
        self.under_way[thread] = exchange
        self.count += 1
        environ[EXCHANGE] = exchange
        keep = False

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal keep
            keep = self._keeps(environ, exchange)
            if not keep:
                headers.append(("Connection", "close"))
            return start_response(status, headers, *rest)

        try:
            body = self._app(environ, start)
        except BaseException:
            self.close(exchange, unread=False)
            raise
        if not keep:
            exchange.answered = time.perf_counter()
            return _Closing(self, body, exchange, unread=is_unread(environ, exchange))
        descriptor = exchange.input.fileno()
        self.kept[descriptor] = Kept(descriptor)
        del self.under_way[thread]
        self._replace()
        return body

    def step_aside(self) -> None:
        """Let another thread accept connections while this one waits."""
        thread = threading.get_ident()
        self._aside.add(thread)
        if exchange := self.under_way.get(thread):
            exchange.merged = True
        self._replace()

    def step_back(self) -> None:
        """Count this thread as accepting again."""
        self._aside.discard(threading.get_ident())

    def is_aside(self, thread: int) -> bool:
        """Whether this thread has stepped aside."""
        return thread in self._aside

    def _keeps(self, environ: Environ, exchange: Exchange) -> bool:
        """Whether the connection stays open after this answer."""
        return (
            len(self.kept) < self._max_kept
            and (len(self.under_way) - self.blocked <= BUSY or exchange.merged)
            and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
            and "close" not in environ.get("HTTP_CONNECTION", "").lower()
            # uWSGI may have read the beginning of the next request with the last chunk.
            and "HTTP_TRANSFER_ENCODING" not in environ
            and not is_unread(environ, exchange)
            and not exchange.streams
            and not process.is_ending()
        )

    def close(self, exchange: Exchange, *, unread: bool) -> None:
        """Close the connection after its answer; the thread stands by if it is not needed."""
        descriptor = exchange.input.fileno()
        try:
            if unread:
                # The watcher ends it where another client waits for its thread.
                exchange.reading = time.perf_counter()
                sockets.linger(descriptor)
            else:
                # Otherwise uWSGI would keep the connection.
                sockets.close_both(descriptor)
        finally:
            del self.under_way[threading.get_ident()]
        if self.accepting() > self.wanted() and not process.is_ending():
            self._stand_by(descriptor)

    def forget(self, kept: Kept) -> None:
        """Forget a kept connection, unless its descriptor stands for another one by now."""
        if self.kept.get(kept.descriptor) is kept:
            self.kept.pop(kept.descriptor, None)

    def accepting(self) -> int:
        """The number of threads that accept connections or answer a request."""
        return self._threads - len(self.standing_by) - len(self.kept)

    def wanted(self) -> int:
        """The number of threads that should accept connections or answer a request."""
        return self._min_accepting + self.blocked + len(self._aside)

    def _replace(self) -> None:
        if self.standing_by and self.accepting() < self.wanted():
            self.wake()

    def _stand_by(self, descriptor: int) -> None:
        lock = threading.Lock()
        lock.acquire()
        self.standing_by.append((lock, descriptor))
        # Another thread may have begun to stand by at the same time.
        self._replace()
        lock.acquire()

    def wake(self) -> bool:
        """Let a thread that stands by accept connections; False if there is none."""
        try:
            lock, _ = self.standing_by.pop()
        except IndexError:
            return False
        lock.release()
        return True


class _Closing:
    """The body of an answer after which the connection is closed."""

    __slots__ = ("_body", "_connections", "_exchange", "_unread")

    def __init__(
        self, connections: Connections, body: Iterable[bytes], exchange: Exchange, *, unread: bool
    ) -> None:
        self._connections = connections
        self._body = body
        self._exchange = exchange
        self._unread = unread

    def __iter__(self) -> Iterator[bytes]:
        # uWSGI sends the headers with the first chunk, and closes the connection before the headers
        # where there is no chunk. It releases the GIL for each chunk.
        if isinstance(self._body, list) and self._body:
            return iter(self._body)
        return itertools.chain(self._body, (b"",))

    def close(self) -> None:
        """Close the connection after the body was sent: PEP 3333."""
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._connections.close(self._exchange, unread=self._unread)


def is_unread(environ: Environ, exchange: Exchange) -> bool:
    """Whether some of the body may still be unread."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return not exchange.is_read
    # uWSGI does not read such a header; a body may follow all the same: RFC 9112, section 5.1.
    if "HTTP_CONTENT_LENGTH " in environ or "HTTP_TRANSFER_ENCODING " in environ:
        return True
    length = environ.get("CONTENT_LENGTH") or "0"
    return not is_number(length) or bool(exchange.input.tell() < int(length))
