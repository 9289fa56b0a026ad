"""uWSGI's own lines: kept back while it starts, and put into the service's words after that.

uWSGI writes to descriptor 2, from C. That becomes a pipe, which a thread of the master reads;
`sys.stderr`, and with it the service's log, goes on to write to where descriptor 2 led before.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import signal
import sys
import threading
from collections.abc import Callable
from io import TextIOWrapper
from types import ModuleType

from api.server import process

log = logging.getLogger("api")

CHUNK_BYTES = 65536
# Each worker says so as soon as it accepts requests: see uwsgi.ini.
ACCEPTS = "accepts requests"
# The service gives up after so many deaths, for each worker, before all workers were there.
MAX_DEATHS = 3
TIME = re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} - ")
WHERE = re.compile(r" \[core/\w+\.c line \d+\]$")
DIED = re.compile(
    r"DAMN ! worker (\d+) \(pid: (\d+)\) (?:MISTERIOUSLY killed by|died(?:, killed by)?)"
    r"(?: signal (\d+))? :\("
)
REPLACED = re.compile(r"Respawned uWSGI worker (\d+)")
FULL = re.compile(r"\*\*\* uWSGI listen queue of socket .* full !!! \((\d+)/(\d+)\)")
NO_FORK = re.compile(r"fork\(\): (.+) \[")
# Of interest to those only who look for what a client did.
CLIENT = re.compile(
    r"SIGPIPE: |uwsgi_(response|proto|simple)_|\[uwsgi-body-read\]|\[uwsgi-warning\]|invalid HTTP"
    r"|Empty python request|.* \[core/(reader|writer|chunked)"
)
# What goes without saying: that it starts, ends or replaces its workers, and what it says of one
# that is told of already.
USUAL = re.compile(
    r"running \"|spawned uWSGI|Gracefully killing worker|\.\.\.The work of process"
    r"|graceful shutdown|worker \d+ (buried|killed)|goodbye to uWSGI|worker respawning too fast"
    r"|pthread_join|waitpid\(\): No child|!!! uWSGI process"
    r"|\*\*\* (end of )?backtrace"
)


class Translator:
    """Takes uWSGI's lines one by one, and logs what they mean for the service.

    `greet` is called once all `processes` workers accept requests; `give_up`, when they end before
    that again and again.
    """

    def __init__(
        self, processes: int, greet: Callable[[], object], give_up: Callable[[], object]
    ) -> None:
        self._missing = processes
        self._deaths_left = MAX_DEATHS * processes
        self._greet = greet
        self._give_up = give_up
        self._last = ""
        self._failed = False
        self._dead: set[str] = set()

    def take(self, line: str) -> None:
        """Log one line, put into words, if it is of interest."""
        line = TIME.sub("", line).strip()
        log.debug("uWSGI: %s", line)
        if line == ACCEPTS:
            self._accept()
        elif found := DIED.match(line):
            self._bury(*found.groups())
        elif found := REPLACED.match(line):
            self._replace(found[1])
        elif found := FULL.match(line):
            log.warning(
                "%s connections wait and the backlog holds %s: more are turned away",
                *found.groups(),
            )
        elif found := NO_FORK.match(line):
            log.error("no worker can be started (%s): the service ends", found[1])
            self._failed = True
        elif CLIENT.match(line):
            log.info("%s", line)
        elif self._missing:
            self._last = line or self._last
        elif line and not USUAL.match(line):
            log.warning("%s", line)

    def end(self) -> None:
        """Say why, if the master ends before all workers accepted requests and was not told to."""
        if self._missing and not (self._failed or process.is_ending()):
            log.error("uWSGI ended: %s", WHERE.sub("", self._last))
        if self._failed:
            self._give_up()

    def _accept(self) -> None:
        if self._missing:
            self._missing -= 1
            if not self._missing:
                self._greet()

    def _bury(self, worker: str, pid: str, number: str | None) -> None:
        by = f" was killed by {_name(int(number))}" if number else " ended"
        log.warning("worker %s (pid %s)%s: another takes its place", worker, pid, by)
        self._dead.add(worker)

    def _replace(self, worker: str) -> None:
        if worker not in self._dead:
            # uWSGI says nothing of one that ended as it was forked.
            log.warning("worker %s ended as it started: another takes its place", worker)
        self._dead.discard(worker)
        if self._missing:
            self._deaths_left -= 1
            if not self._deaths_left:
                log.error("the workers end as soon as they are started: the service gives up")
                self._give_up()


def _name(number: int) -> str:
    if number == signal.SIGKILL:
        return "SIGKILL, as the kernel does where memory is short"
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def keep_stderr() -> None:
    """Let `sys.stderr` write to where descriptor 2 leads now, whatever becomes of that.

    It has no buffer: a worker could find the lock of one taken, after a fork.
    """
    kept = open(os.dup(2), "wb", buffering=0)  # noqa: PTH123, SIM115
    sys.stderr = TextIOWrapper(
        kept, encoding=sys.stderr.encoding, errors="backslashreplace", write_through=True
    )


def watch(translator: Translator) -> None:
    """Make descriptor 2 a pipe, and have a thread give what comes out of it to `translator`."""
    ours, theirs = os.pipe()
    # Whoever writes does not wait for the thread that reads: a line without room is lost.
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    os.dup2(theirs, 2)
    os.close(theirs)
    # Each level is looked up once, under a lock that is held during a fork: for ever, if it fails.
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.isEnabledFor(level)
    kept = sys.stderr

    def restore() -> None:
        # uWSGI has both write to descriptor 2.
        sys.stdout = sys.stderr = kept

    os.register_at_fork(after_in_child=restore, after_in_parent=restore)
    master = os.getpid()
    reading = threading.RLock()
    rest = b""

    def drain() -> None:
        nonlocal rest
        with reading, contextlib.suppress(BlockingIOError):
            while True:
                *lines, rest = (rest + os.read(ours, CHUNK_BYTES)).split(b"\n")
                for line in lines:
                    translator.take(line.decode(errors="backslashreplace"))

    def follow() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            select.select([ours], [], [])
            drain()

    def end() -> None:
        if os.getpid() == master:
            drain()
            translator.end()

    # What has this name in this module is called at the end of each process, the master first of
    # all: uWSGI fills the module, and does not make it anew.
    uwsgi = sys.modules["uwsgi"] = ModuleType("uwsgi")
    uwsgi.atexit = end  # type: ignore[attr-defined]
    threading.Thread(target=follow, daemon=True).start()
