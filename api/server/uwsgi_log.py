"""uWSGI's own lines: held back while it starts, and translated after that.

uWSGI writes to descriptor 2, from C. This module makes descriptor 2 a pipe, which a thread of the
master reads. `sys.stderr`, and so the service's log, writes to the former target of descriptor 2.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from io import TextIOWrapper
from types import ModuleType

from api.server import process
from models.waiting import readable

log = logging.getLogger("api")

CHUNK_BYTES = 65536
# Each worker prints this line as soon as it accepts requests: see uwsgi.ini.
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
# Lines about single requests: logged for LOG_LEVEL=debug only.
CLIENT = re.compile(
    r"SIGPIPE: |uwsgi_(response|proto|simple)_|\[uwsgi-body-read\]|\[uwsgi-warning\]|invalid HTTP"
    r"|Empty python request|.* \[core/(reader|writer|chunked)"
)
# Lines that say nothing new: uWSGI starts, ends or replaces its workers.
USUAL = re.compile(
    r"running \"|spawned uWSGI|Gracefully killing worker|\.\.\.The work of process"
    r"|graceful shutdown|worker \d+ (buried|killed)|goodbye to uWSGI|worker respawning too fast"
    r"|pthread_join|subprocess \d+ exited|waitpid\(\): No child|!!! uWSGI process"
    r"|\*\*\* (end of )?backtrace"
)


class Translator:
    """Takes uWSGI's lines one by one, and logs what they mean for the service.

    `greet` is called once all `processes` workers accept requests; `give_up`, where the workers die
    again and again before that.
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
        """Log one line of uWSGI's in the service's words, if it matters."""
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
        """Log the reason where the master ends by itself before all workers accepted requests."""
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
            # uWSGI prints no line for a worker that died during its fork.
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
    """Let `sys.stderr` write to the present target of descriptor 2, also after that is a pipe.

    It has no buffer: after a fork, a worker could find the lock of a buffer taken.
    """
    kept = open(os.dup(2), "wb", buffering=0)  # noqa: PTH123, SIM115
    sys.stderr = TextIOWrapper(
        kept, encoding=sys.stderr.encoding, errors="backslashreplace", write_through=True
    )


def _redirect() -> int:
    """Make descriptor 2 a pipe, and give the descriptor that reads from it."""
    ours, theirs = os.pipe()
    # Writers do not wait for the reader: a line for which the pipe has no room is lost.
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    os.dup2(theirs, 2)
    os.close(theirs)
    kept = sys.stderr

    def restore() -> None:
        # uWSGI lets both write to descriptor 2.
        sys.stdout = sys.stderr = kept

    os.register_at_fork(after_in_child=restore, after_in_parent=restore)
    return ours


def watch(translator: Translator, leave: Callable[[], object]) -> None:
    """Make descriptor 2 a pipe, and start a thread that gives its lines to `translator`.

    `leave` is called in each worker at its end.
    """
    ours = _redirect()
    # logging looks each level up once, under a lock that a failed fork never releases.
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.isEnabledFor(level)
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
            readable(ours)
            drain()

    def end() -> None:
        if os.getpid() == master:
            drain()
            translator.end()
        else:
            # The requests of this process are answered.
            leave()

    # uWSGI calls `uwsgi.atexit` at the end of each process, of the master first. It fills a module
    # of this name that exists, instead of making one.
    uwsgi = sys.modules["uwsgi"] = ModuleType("uwsgi")
    uwsgi.atexit = end  # type: ignore[attr-defined]
    threading.Thread(target=follow, daemon=True).start()
