"""Coverage at a lower cost: processes tell each other what they have executed.

coverage gives each forked child a data file of its own, which takes 60 ms, and the tests fork
thousands of children. Here a child tells what is new, and pytest's workers take it over. A file all
of whose lines and branches have been executed is traced no more.
"""

from __future__ import annotations

import atexit
import functools
import io
import marshal
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any, cast

from coverage import Coverage, CoverageData
from coverage.config import CoverageConfig
from coverage.python import PythonFileReporter
from coverage.results import analysis_from_file_reporter

from models.engines import call

CONFIG = "COVERAGE_PROCESS_CONFIG"
# The file in which processes tell each other of arcs, which are pairs of line numbers.
TOLD = "TEST_ARCS"
MASK = (1 << 28) - 1


def share() -> None:
    """Make the file that the workers of pytest-xdist share, in the process that starts them."""
    file = tempfile.NamedTemporaryFile(prefix="arcs-")  # noqa: SIM115 - open until the end
    atexit.register(file.close)
    os.environ[TOLD] = file.name


def begin() -> Tracing | None:
    """Take over the coverage of this process; None if it is not measured."""
    coverage = Coverage.current()
    if coverage is None:
        return None
    if TOLD not in os.environ:
        share()
    return Tracing(coverage)


class Tracing:
    """The arcs that this process and those that tell it of theirs have executed, by file."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._collector = cast("Any", coverage._collector)
        self._arcs: dict[str, set[int]] = self._collector.data
        self._file = os.open(os.environ[TOLD], os.O_RDWR | os.O_APPEND)
        self._read = 0
        self._is_child = False
        # How many arcs of each file were told of, and how many there were when it was last checked.
        self._known: dict[str, int] = {}
        self._checked: dict[str, int] = {}
        # Servers that tests start fork by means of C, so each of their workers has a data file.
        self._config = CoverageConfig.deserialize(os.environ[CONFIG])
        self._config.patch = [*self._config.patch, "_exit", "fork"]
        os.environ[CONFIG] = self._config.serialize()
        measured = call._call
        vars(call)["_call"] = lambda estimator, *rest: measured(Untraced(estimator), *rest)
        self._exit = os._exit
        vars(os)["_exit"] = self._tell_and_exit
        os.register_at_fork(before=self._absorb, after_in_child=self._begin_child)
        atexit.register(self._absorb)

    def drop_complete_files(self) -> None:
        """Trace no file any more, here and in new processes, that has been executed completely."""
        self._absorb()
        self._tell()
        omitted = len(self._config.run_omit or ())
        for disposition in list(self._collector.should_trace_cache.values()):
            if disposition is not None and disposition.trace:
                name = disposition.source_filename
                if self._is_complete(name):
                    disposition.trace = False
                    self._config.run_omit = [*(self._config.run_omit or ()), name]
        if len(self._config.run_omit or ()) > omitted:
            os.environ[CONFIG] = self._config.serialize()

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
        if not self._is_child:
            self._is_child = True
            self._known = {name: len(arcs) for name, arcs in self._arcs.items()}

    def _tell_and_exit(self, status: int) -> None:
        self._tell()
        if not self._is_child:
            self._coverage.save()
        self._exit(status)

    def _tell(self) -> None:
        """Write the arcs of those files that have more than are known."""
        more = {
            name: list(arcs)
            for name, arcs in list(self._arcs.items())
            if len(arcs) > self._known.get(name, 0)
        }
        if more:
            message = marshal.dumps(more)
            os.write(self._file, len(message).to_bytes(8, "little") + message)
            self._known |= {name: len(arcs) for name, arcs in more.items()}

    def _absorb(self) -> None:
        """Add the arcs that were told of; a child needs none."""
        if self._is_child:
            return
        read = self._read
        stream = io.BytesIO(os.pread(self._file, os.fstat(self._file).st_size - read, read))
        while len(message := stream.read(8)) == 8:
            message = stream.read(size := int.from_bytes(message, "little"))
            if len(message) < size:  # another process is writing
                break
            read += 8 + size
            for name, more in marshal.loads(message).items():
                arcs = self._arcs.setdefault(name, set())
                is_told = len(arcs) == self._known.get(name, 0)
                arcs.update(more)
                if is_told:
                    self._known[name] = len(arcs)
        self._read = max(self._read, read)  # two threads may fork at once


class Untraced:
    """An estimator whose methods run without a measurement.

    Where a line is measured, Python runs all code of the thread step by step, scikit-learn's too,
    and takes twice as long.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        method = getattr(self._estimator, name)

        def run(rows: Any) -> Any:
            tracer = sys.gettrace()
            sys.settrace(None)
            try:
                return method(rows)
            finally:
                # The tracer sees the return of this function, as it saw the call.
                sys.settrace(tracer)

        return run


def unpack(arc: int) -> tuple[int, int]:
    """The two line numbers of an arc, as coverage's C tracer packs them."""
    start, end = arc & MASK, arc >> 28 & MASK
    return (-start if arc >> 56 & 1 else start), (-end if arc >> 57 & 1 else end)
