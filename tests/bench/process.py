"""Start a server, find the processes that belong to it, and stop them all."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from api.settings import Settings
from tests.bench.cores import ONE_CORE, Cores, pinned
from tests.bench.environment import ROOT, SERVERS, Environment
from tests.bench.peers import MIXED, PROCESSES, Peer

PROC = Path("/proc")
STOP_SECONDS = 20
# The workers share the cores; a library that starts a thread for each core would only hinder them.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# What a developer has set in .env does not count here.
DEFAULTS = {name.upper(): "" for name in Settings.__struct_fields__}


class ServerError(Exception):
    """A server did not start or did not answer as it must; the message says what happened."""


class Server:
    """A server under measurement: the first process and all that came from it."""

    def __init__(
        self,
        peer: Peer,
        environment: Environment,
        model: str,
        *,
        cores: Cores = ONE_CORE,
        processes: int = PROCESSES,
    ) -> None:
        """Start it with `model`, on a port and on cores of its own."""
        ports = free_ports(3)
        values = {
            "bin": str(environment.bin),
            "root": str(ROOT),
            "servers": str(SERVERS),
            "state": str(environment.state),
            "answers": str(environment.file(f"{model}.answers")),
            "model": str(environment.file(f"{model}.joblib")),
            "app": "table_app" if model in MIXED else "app",
            "processes": str(processes),
            "port": str(ports[0]),
            "second_port": str(ports[1]),
            "third_port": str(ports[2]),
        }
        variables = {name: value.format(**values) for name, value in peer.variables.items()}
        if peer.directory == "{root}":
            variables = DEFAULTS | variables
        self.port = ports[0]
        self.family: dict[int, str] = {}
        self.log = environment.state / f"{peer.name}-{model}.log"
        self.started = time.perf_counter()
        with self.log.open("wb") as log, pinned(cores.server):
            self.process = subprocess.Popen(
                [part.format(**values) for part in shlex.split(peer.command)],
                cwd=peer.directory.format(**values),
                env={
                    "PATH": f"{environment.bin}{os.pathsep}{os.environ['PATH']}",
                    "HOME": str(environment.state),
                    **ONE_THREAD,
                    **variables,
                    "HOST": "127.0.0.1",
                    "PORT": values["port"],
                    "MODEL_PATH": values["model"],
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own is how all of its processes are found again.
                start_new_session=True,
            )

    def check_alive(self) -> None:
        """Raise ServerError if the first process has ended."""
        if self.process.poll() is not None:
            raise ServerError(f"ended with status {self.process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-3:])

    def processes(self) -> list[int]:
        """The ids of all its processes: its session, their children, and those seen before."""
        alive = dict(_processes())
        family = {
            pid for pid, born in self.family.items() if pid in alive and alive[pid].born == born
        }
        family |= {pid for pid, each in alive.items() if each.session == self.process.pid}
        while new := {pid for pid, each in alive.items() if each.parent in family} - family:
            family |= new
        self.family = {pid: alive[pid].born for pid in family}
        return sorted(family)

    def memory(self) -> int:
        """Bytes of memory, where a page that n processes share counts for 1/n in each (PSS)."""
        return sum(_figure(pid, "smaps_rollup", "Pss:") for pid in self.processes())

    def resident(self) -> int:
        """Bytes of memory, where a shared page counts in each process; told faster than the PSS."""
        return sum(_figure(pid, "status", "VmRSS:") for pid in self.processes())

    def cpu_ticks(self) -> int:
        """Ticks of CPU that its processes have used, for themselves and in the kernel."""
        family = self.processes()
        return sum(process.ticks for pid, process in _processes() if pid in family)

    def stop(self) -> None:
        """Ask the first process to end, wait, and kill what is left."""
        self.processes()
        if self.process.poll() is None:
            self.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while self.processes() and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(0.05)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass(frozen=True)
class Process:
    """A living process; an id can come again, with the time of its start it cannot."""

    parent: int
    session: int
    born: str
    ticks: int


def _processes() -> Iterator[tuple[int, Process]]:
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The fields from the third on, proc(5); the second may hold spaces.
            state, parent, _, session, *more = (
                (folder / "stat").read_text().rpartition(")")[2].split()
            )
            if state != "Z":
                ticks = int(more[7]) + int(more[8])
                yield int(folder.name), Process(int(parent), int(session), more[15], ticks)


def _figure(pid: int, file: str, name: str) -> int:
    """Bytes that a file of /proc tells of a process; 0 if that has ended."""
    try:
        lines = (PROC / str(pid) / file).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)
