"""Another version of the model takes over between two requests, in every process at once.

Each process builds the new version beside the old one and says that it is ready. When all are, the
new version is written into `active.json`, and then one number in shared memory changes: every
request that begins after that is answered by the new version. A request keeps the version that it
began with. A process that cannot load the new version makes all of them drop it.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from api.errors import Busy, Conflict, render
from api.feedback.swaps import note_swap
from api.http.gateway import STATUS_LINES, WSGI
from api.http.request import Environ, Request
from api.monitor import metrics
from api.server import process
from api.server.board import Board
from models.candidate.facts import Served
from models.errors import ModelError, brief
from models.model import Model
from models.versions import Active, Store, Version
from models.waiting import readable

log = logging.getLogger("api")

# All processes have so long to build a new version, unless a client waits for them.
BUILD_SECONDS = 300.0
# Another swap, or a removal, may hold the store for so long.
LOCK_SECONDS = 10.0
# Between two looks whether all processes are ready.
LOOK_SECONDS = 0.0005
# A process looks this often whether the one that staged a swap has died.
HEAL_SECONDS = 1.0
# A swap goes on if so many processes die meanwhile.
MAX_DEATHS = 8


class Built(NamedTuple):
    """A model, the application that answers by it, and the function that ends what it started."""

    model: Model
    app: WSGI
    close: Callable[[], object]


class House(NamedTuple):
    """One version in one process, under the number of the swap that brought it."""

    number: int
    built: Built
    app: WSGI


Build = Callable[[Version], Built]


class Swap:
    """A WSGI application that answers by the active version.

    `enter` gives it the version that the service starts with. `build` makes another one; it raises
    ModelError, or whatever the code of users raises. `keep` is the number of versions that the
    store has room for.
    """

    def __init__(
        self,
        store: Store,
        build: Build,
        *,
        processes: int,
        keep: int,
    ) -> None:
        active = store.active()
        self.store = store
        self._build = build
        self._keep = keep
        self._board = Board(processes, active.number if active else 0)
        self._house: House
        self._pending: House | None = None
        self._turning = threading.Lock()
        self._place = 0
        self._failure = ""
        self._failed = -1.0

    def enter(self, built: Built) -> None:
        """Begin with this version."""
        self._house = House(self._board.active, built, built.app)

    def served(self) -> Served:
        """The contract of the active version; raises Busy if this process cannot load it."""
        return Served.of(self._turn().built.model)

    @property
    def model(self) -> Model:
        """The version that this process answers by."""
        return self._house.built.model

    @property
    def version(self) -> str:
        """The SHA-256 of the version that this process answers by."""
        return self.model.version

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request by one version, from its first byte to its last."""
        house = self._house
        if house.number != self._board.active:
            try:
                house = self._turn()
            except Busy as busy:
                return self._refuse(busy, environ, start_response)
        return house.app(environ, start_response)

    def activate(
        self, version: Version, seconds: float = BUILD_SECONDS, base: str | None = None
    ) -> Active:
        """Have all processes answer by this version, and say which one serves then.

        All processes have so many seconds to load it. `base` is the SHA-256 of the file at
        MODEL_PATH, None if it is that of the last swap. Raises Conflict if one of them cannot, Busy
        if another swap takes too long.
        """
        try:
            with self.store.locked(LOCK_SECONDS):
                active = self._swap(version, seconds, base)
                for old in self.store.remove_old(self._keep):
                    log.info("the version %s is removed: KEEP_VERSIONS=%d", old[:12], self._keep)
        except TimeoutError:
            raise Busy("Another change of the model takes too long: ask again later.") from None
        except OSError as error:
            raise Conflict(f"The version cannot be written down ({error.strerror}).") from None
        return active

    def _swap(self, version: Version, seconds: float, base: str | None) -> Active:
        """Stage a version, wait for all processes, and make it active; within the store's lock."""
        board, old = self._board, self.store.active()
        number = board.next_number(old.number if old else 0)
        if base is None:
            base = old.base if old else ""
        started = time.monotonic()
        board.reason = ""
        board.stage(number, version.version)
        try:
            # Meanwhile the processes get ready.
            active = self.store.prepare(version.version, number=number, base=base)
            self._await(number, started + seconds)
            self.store.commit()
        except BaseException:
            metrics.count_swap("failed")
            board.staged = board.active
            board.ring()
            raise
        board.active = number
        board.ring()
        metrics.count_swap("done")
        note_swap(version.version)
        took = time.monotonic() - started
        log.warning("version %s serves now, after %.3f s", version.version[:12], took)
        return active

    def _await(self, number: int, end: float) -> None:
        """Wait until all processes are ready; raises Conflict if one of them cannot follow.

        A process that dies does not count, unless many die: then the version is the reason.
        """
        seen: set[int] = set()
        while True:
            slots = [slot for slot in self._board.slots() if process.is_running(slot.pid)]
            seen.update(slot.pid for slot in slots)
            if len(seen) > len(slots) + MAX_DEATHS:
                raise Conflict("This version ends the processes that load it.")
            if any(slot.failed == number for slot in slots):
                raise Conflict(f"This version cannot be served: {self._board.reason}")
            if all(slot.ready == number for slot in slots):
                return
            if time.monotonic() > end:
                raise Conflict("This version takes too long to load.")
            time.sleep(LOOK_SECONDS)

    def watch(self) -> None:
        """Follow the swaps of other processes, for ever; in a thread of each process."""
        self._place = process.place()
        board = self._board
        board.enter(self._place)
        bell = board.bell(self._place)
        while True:
            self.look()
            if readable(bell, HEAL_SECONDS):
                os.read(bell, 4096)
            else:
                self._heal()

    def look(self) -> None:
        """Get ready for the swap that is staged, and turn to the one that is active."""
        board = self._board
        staged, pending = board.staged, self._pending
        if staged > board.active and (pending is None or pending.number != staged):
            self._get_ready(staged)
        if self._house.number != board.active:
            try:
                self._turn()
            except Busy as busy:
                log.error("%s", busy)  # noqa: TRY400
            # The old version has cycles of references.
            gc.collect()
        elif self._pending is not None and board.staged == board.active:
            self._drop()

    def _get_ready(self, number: int) -> None:
        """Build the staged version beside the old one."""
        board = self._board
        version = board.version
        if board.staged != number or board.active >= number:
            # The swap is over, and the version may be that of the next one.
            return
        try:
            self._pending = self._built(number, version)
        except Exception as error:
            log.debug("the version cannot be loaded", exc_info=True)
            reason = str(error) if isinstance(error, ModelError) else brief(error)
            board.say_failed(self._place, number, reason)
        else:
            board.say_ready(self._place, number)

    def _built(self, number: int, version: str) -> House:
        built = self._build(self.store.find(version))
        return House(number, built, built.app)

    def _turn(self) -> House:
        """Answer by the active version from now on; raises Busy if it cannot be loaded."""
        with self._turning:
            number, old = self._board.active, self._house
            if old.number == number:
                return old
            pending = self._pending
            if pending is not None and pending.number == number:
                self._pending = None
                new = pending
            else:
                new = self._load_active()
            self._house = new
        # Requests that are inside keep the old one until they are answered.
        old.built.close()
        return new

    def _load_active(self) -> House:
        """The active version, for a process that was not there when it was staged."""
        if time.monotonic() - self._failed < HEAL_SECONDS:
            raise Busy(self._failure)
        try:
            active = self.store.active()
            if active is None:
                raise ModelError(f"{self.store.folder} has no active.json any more")
            house = self._built(active.number, active.version)
        except Exception as error:
            log.debug("the active version cannot be loaded", exc_info=True)
            reason = str(error) if isinstance(error, ModelError) else brief(error)
            self._failed = time.monotonic()
            self._failure = f"The active version cannot be loaded: {reason}"
            raise Busy(self._failure) from None
        # It is written down before the number changes: who reads it knows of it first.
        self._board.active = max(self._board.active, house.number)
        return house

    def _drop(self) -> None:
        """Forget a version that another process could not load."""
        with self._turning:
            pending, self._pending = self._pending, None
        if pending is not None:
            pending.built.close()
            gc.collect()

    def _heal(self) -> None:
        """End a swap whose process has died: it counts if it was written down."""
        board = self._board
        if board.staged == board.active:
            return
        try:
            with self.store.locked(0):
                active = self.store.active()
                if active and active.number == board.staged:
                    board.active = board.staged
                else:
                    board.staged = board.active
        except (TimeoutError, OSError, ModelError):
            return
        board.ring()

    def _refuse(
        self, busy: Busy, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer 503, in a process that cannot load the active version."""
        request = Request(environ)
        status, headers, body = render(busy, request.id)
        headers |= {"X-Request-Id": request.id, "Content-Length": str(len(body))}
        start_response(STATUS_LINES[status], list(headers.items()))
        return [b"" if request.verb == "HEAD" else body]
