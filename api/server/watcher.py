"""One thread in each process that replaces waiting threads, and ends clients that take too long.

A slow client holds one thread and no other request: while it sends the request line, the headers or
the body, while it reads the answer, or before its next request on an open connection.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import time
from collections.abc import Callable

from api.http.bodies import Exchange
from api.server import process, sockets
from api.server.connections import Connections, Kept

log = logging.getLogger("api")

TICK_SECONDS = 0.025
# Seconds between two looks at the connections while no client waits.
LOOK_SECONDS = 1.0
# An idle connection or a slow sender has at least this time before it is ended for another client.
IDLE_SECONDS = 1.0
# The request line and the headers have to come in this time.
HEAD_SECONDS = 10.0
# A client that does not read its answer for so long is ended for another client.
ANSWER_SECONDS = 10.0
# A request over TIMEOUT by this loses its connection; by twice this, its process is replaced.
PATIENCE_SECONDS = 30.0
# A process in which no Python thread has run for so long is ended.
STUCK_SECONDS = 120.0

Key = tuple[int, int]


class Watcher:
    """Looks after the connections of a process.

    `keep_alive` is how long a connection may be idle, `body_timeout` how long a body may take to
    come, and `timeout` an answer, all in seconds. `refuse` answers a connection whose headers do
    not come; `give_up` answers a connection whose request is stuck, and ends the process.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        keep_alive: float,
        body_timeout: float,
        timeout: float,
        refuse: Callable[[int], object],
        give_up: Callable[[int], object],
    ) -> None:
        self._connections = connections
        self._keep_alive = keep_alive
        self._body_timeout = body_timeout
        self._timeout = timeout
        self._refuse = refuse
        self._give_up = give_up
        # Since when a connection has sent no request, by its descriptor and inode.
        self._silent: dict[Key, float] = {}
        self._looked = 0.0
        self._counted = 0

    def watch(self) -> None:
        """Tick for ever."""
        armed = 0.0
        while True:
            time.sleep(TICK_SECONDS)
            now = time.perf_counter()
            if now - armed > LOOK_SECONDS:
                armed = now
                # faulthandler ends the process from C, if this thread does not run any more.
                patience = self._timeout + STUCK_SECONDS
                faulthandler.dump_traceback_later(patience, exit=True, file=sys.stderr)
            try:
                self.tick(now)
            except Exception:
                log.exception("connections cannot be looked after")

    def tick(self, now: float) -> None:
        """Look once; `now` is by time.perf_counter."""
        connections = self._connections
        if process.is_ending():
            self._end(now)
            return
        waiting = process.untaken_connections()
        idle, self._counted = self._counted == connections.count, connections.count
        blocked = 0
        for thread, exchange in list(connections.under_way.items()):
            if now - exchange.started > TICK_SECONDS:
                blocked += not connections.is_aside(thread)
                self._hurry(thread, exchange, now)
        if (waiting and idle) or self._silent or now - self._looked > LOOK_SECONDS:
            self._look(now)
        blocked += sum(now - since >= TICK_SECONDS for since in self._silent.values())
        connections.blocked = blocked
        while connections.accepting() < connections.wanted() and connections.wake():
            pass
        if waiting and idle and not connections.standing_by:
            self._make_room(now)

    def _hurry(self, thread: int, exchange: Exchange, now: float) -> None:
        """End a request whose body, or whose answer, takes too long."""
        if exchange.reading is not None:
            if now - exchange.reading > self._body_timeout:
                self._cut(thread, exchange)
            return
        late = now - exchange.started - self._timeout
        if late > 2 * PATIENCE_SECONDS:
            log.error("a request took over %g seconds: this process is replaced", self._timeout)
            self._give_up(exchange.input.fileno())
        elif late > PATIENCE_SECONDS:
            # Perhaps its client does not read the answer.
            descriptor = exchange.input.fileno()
            sockets.end(descriptor, sockets.inode_of(descriptor))

    def _cut(self, thread: int, exchange: Exchange) -> None:
        """End a connection for reading, so that the thread that reads a body stops."""
        descriptor = exchange.input.fileno()
        inode = sockets.inode_of(descriptor)
        # The inode is known now; the body must still be the one that is read.
        if exchange.reading is not None and self._connections.under_way.get(thread) is exchange:
            exchange.late = True
            sockets.end_reading(descriptor, inode)

    def _look(self, now: float) -> None:
        """Find connections without a request, and kept connections that are closed or old."""
        self._looked = now
        connections = self._connections
        known = {descriptor for _, descriptor in list(connections.standing_by)}
        for kept in list(connections.kept.values()):
            if self._is_gone(kept):
                # The client closed the connection, and then uWSGI did.
                connections.forget(kept)
                continue
            known.add(kept.descriptor)
            if now - kept.since > self._keep_alive + self._timeout + PATIENCE_SECONDS:
                sockets.end(kept.descriptor, kept.inode)
            elif now - kept.since > self._keep_alive:
                sockets.end_reading(kept.descriptor, kept.inode)
        known |= {exchange.input.fileno() for exchange in list(connections.under_way.values())}
        self._silent = {
            key: self._silent.get(key, now)
            for key in sockets.others(known)
            if key in self._silent or sockets.is_client(key[0])
        }
        for key, since in self._silent.items():
            if now - since > HEAD_SECONDS:
                self._turn_away(key)

    def _is_gone(self, kept: Kept) -> bool:
        inode = sockets.inode_of(kept.descriptor)
        # Its client may have closed it before the first look: then the descriptor may stand for
        # the listener, and to end that would end the service.
        if inode and kept.inode is None and sockets.is_client(kept.descriptor):
            kept.inode = inode
        return inode is None or inode != kept.inode

    def _turn_away(self, key: Key) -> None:
        """Answer and close a connection whose request does not come."""
        with sockets.copy(*key) as copied:
            if copied is not None:
                self._refuse(copied)
                sockets.close_both(copied)

    def _make_room(self, now: float) -> None:
        """End the connection that is idle or slow for longest, while a client waits for a thread.

        Clients that read slowly come last: a large answer may take long.
        """
        connections = self._connections
        before = now - IDLE_SECONDS
        idle = [k for k in list(connections.kept.values()) if k.since <= before and not k.ended]
        if idle:
            oldest = min(idle, key=lambda kept: kept.since)
            oldest.ended = True
            sockets.end_reading(oldest.descriptor, oldest.inode)
            return
        silent = [key for key, since in self._silent.items() if since <= before]
        if silent:
            self._turn_away(min(silent, key=self._silent.__getitem__))
            return
        slow = [
            (exchange.reading, thread, exchange)
            for thread, exchange in list(connections.under_way.items())
            if exchange.reading is not None and exchange.reading <= before and not exchange.late
        ]
        if slow:
            _, thread, exchange = min(slow, key=lambda each: each[0])
            self._cut(thread, exchange)
            return
        self._cut_reader(now - ANSWER_SECONDS)

    def _cut_reader(self, before: float) -> None:
        """End the connection with the oldest unread answer, if that is older than a time."""
        connections = self._connections
        readers = [
            (kept.since, kept.descriptor, kept.inode)
            for kept in list(connections.kept.values())
            if kept.ended and kept.since <= before
        ]
        for thread, exchange in list(connections.under_way.items()):
            if exchange.answered is not None and exchange.answered <= before:
                descriptor = exchange.input.fileno()
                inode = sockets.inode_of(descriptor)
                if connections.under_way.get(thread) is exchange:
                    readers.append((exchange.answered, descriptor, inode))
        if readers:
            _, descriptor, inode = min(readers, key=lambda each: each[0])
            sockets.end(descriptor, inode)

    def _end(self, now: float) -> None:
        """Wake threads and end idle connections, once the service was told to stop.

        A connection that was just in use may have a request on its way, which gets its answer.
        """
        while self._connections.wake():
            pass
        self._look(now)
        before = now - IDLE_SECONDS
        for kept in list(self._connections.kept.values()):
            if kept.since <= before:
                sockets.end_reading(kept.descriptor, kept.inode)
        for (descriptor, inode), since in self._silent.items():
            if since <= before:
                sockets.end_reading(descriptor, inode)
