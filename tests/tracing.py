"""Coverage at a lower cost: forked children tell their parent, and complete files are not traced.

coverage gives each forked child a data file of its own, which takes 60 ms, and the tests fork
thousands of children. Here a child hands the parent the arcs that the parent lacks.
"""

from __future__ import annotations

import atexit
import functools
import io
import marshal
import os
import tempfile
import threading
from typing import Any, cast

from coverage import Coverage, CoverageData
from coverage.config import CoverageConfig
from coverage.python import PythonFileReporter
from coverage.results import analysis_from_file_reporter

CONFIG = "COVERAGE_PROCESS_CONFIG"
MASK = (1 << 28) - 1


def begin() -> Tracing | None:
    """Take over the coverage of this process; None if it is not measured by coverage's C tracer."""
    coverage = Coverage.current()
    collector: Any = coverage and coverage._collector
    if coverage is None or not collector.core.packed_arcs:
        return None
    # Servers that tests start fork by means of C, so each of their workers has a data file.
    config = CoverageConfig.deserialize(os.environ[CONFIG])
    config.patch = [*config.patch, "_exit", "fork"]
    os.environ[CONFIG] = config.serialize()
    return Tracing(coverage)


class Tracing:
    """The arcs that this process and its forked children have executed, by file."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._collector = cast("Any", coverage._collector)
        self._arcs: dict[str, set[int]] = self._collector.data
        self._told = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open until the end
        self._read = 0
        # In a child: how many arcs of each file the parent had when it forked.
        self._known: dict[str, int] | None = None
        self._checked: dict[str, int] = {}
        self._exit = os._exit
        os.register_at_fork(before=self._absorb, after_in_child=self._begin_child)
        vars(os)["_exit"] = self._tell_and_exit
        atexit.register(self._absorb)

    def drop_complete_files(self) -> None:
        """Trace no file any more whose lines and branches have all been executed."""
        self._absorb()
        for disposition in list(self._collector.should_trace_cache.values()):
            if disposition is not None and disposition.trace:
                disposition.trace = not self._is_complete(disposition.source_filename)

    def _is_complete(self, name: str) -> bool:
        arcs = self._arcs.get(name, set())
        if len(arcs) == self._checked.get(name):
            return False
        self._checked[name] = len(arcs)
        data = CoverageData(no_disk=True)
        data.add_arcs({name: [unpack(arc) for arc in arcs]})
        found = analysis_from_file_reporter(data, 0, self._reporter(name), name)
        executed, possible = found.numbers.ratio_covered
        return executed == possible

    @functools.cache  # noqa: B019 - one instance a process
    def _reporter(self, name: str) -> PythonFileReporter:
        return PythonFileReporter(name, self._coverage)

    def _begin_child(self) -> None:
        # Another thread of the parent may have held the lock.
        self._collector.data_lock = threading.Lock()
        if self._known is None:
            self._known = {name: len(arcs) for name, arcs in self._arcs.items()}

    def _tell_and_exit(self, status: int) -> None:
        if self._known is None:
            self._absorb()
            self._coverage.save()
        else:
            known = self._known
            new = {n: list(a) for n, a in list(self._arcs.items()) if len(a) > known.get(n, 0)}
            message = marshal.dumps(new)
            if new:
                os.write(self._told.fileno(), len(message).to_bytes(8, "little") + message)
        self._exit(status)

    def _absorb(self) -> None:
        """Add the arcs that children told of."""
        if self._known is not None:
            return
        descriptor = self._told.fileno()
        unread = os.fstat(descriptor).st_size - self._read
        stream = io.BytesIO(os.pread(descriptor, unread, self._read))
        while len(message := stream.read(8)) == 8:
            message = stream.read(size := int.from_bytes(message, "little"))
            if len(message) < size:  # a child is writing
                break
            self._read += 8 + size
            for name, arcs in marshal.loads(message).items():
                self._arcs.setdefault(name, set()).update(arcs)


def unpack(arc: int) -> tuple[int, int]:
    """The two line numbers of an arc, as coverage's C tracer packs them."""
    start, end = arc & MASK, arc >> 28 & MASK
    return (-start if arc >> 56 & 1 else start), (-end if arc >> 57 & 1 else end)
