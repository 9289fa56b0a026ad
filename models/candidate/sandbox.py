"""Keep code that runs while a model is loaded from doing harm, as far as the system allows it.

Each layer stands alone. Namespaces take the network away, limits bound memory and time, Landlock
forbids to write outside one folder: these are walls, where the kernel has them and a container
allows them. The audit hook is none, since code of C gets around it; it is there to say by name
what a model has tried.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import mmap
import multiprocessing
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from models.candidate.facts import Fault

# Numbers of the kernel, which are equal on all machines that Linux runs on with 64 bits:
# linux/sched.h, linux/prctl.h, linux/landlock.h, asm-generic/unistd.h.
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_RULE_PATH_BENEATH = 1, 1
# Write a file; remove and make files, folders, links and devices; then what later kernels add:
# link between folders, and truncate.
WRITE_FILE = 1 << 1
ALL_WRITES = {1: sum(1 << bit for bit in (1, *range(4, 13))), 2: 1 << 13, 3: 1 << 14}
# Connect by TCP, since version 4.
CONNECT_TCP = 1 << 1

DEVICES = ("/dev/null",)
# Processes and threads that a check may start beside those that its user has.
MAX_MORE_TASKS = 64
# For the sentence on the first thing that was refused.
RECORD_BYTES = 4096


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, where the system is Linux."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def leave_namespaces() -> bool:
    """Give this process's children no network and a table of processes of their own.

    Whoever is not root needs a namespace of users for that, and a container may forbid it: then
    nothing is changed.
    """
    wanted = CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC
    unshare = getattr(ctypes.CDLL(None), "unshare", lambda _: -1)
    return any(unshare(flags) == 0 for flags in (wanted, wanted | CLONE_NEWUSER))


def limit(cpu_seconds: int, memory_bytes: int, *, hostile: bool) -> None:
    """Bound the CPU time and the memory of this process, and of a stranger's code the rest."""
    limits = {resource.RLIMIT_CPU: cpu_seconds, resource.RLIMIT_AS: memory_bytes}
    if hostile:
        limits |= {resource.RLIMIT_FSIZE: memory_bytes, resource.RLIMIT_CORE: 0}
        # The kernel counts the threads of all processes of a user together.
        tasks = len(glob.glob("/proc/[0-9]*/task/*"))  # noqa: PTH207 - processes may end meanwhile
        limits |= {resource.RLIMIT_NPROC: tasks + MAX_MORE_TASKS} if tasks else {}
    for number, most in limits.items():
        _, before = resource.getrlimit(number)
        bound = most if before == resource.RLIM_INFINITY else min(most, before)
        # macOS does not bound the address space.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(number, (bound, bound))
    # Where the machine's memory runs out first, this process is to be ended for it and no other.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def lock_files(folder: str) -> bool:
    """Let this process write only in one folder, for good, and not connect by TCP (Landlock).

    Gives False where the kernel has none of this.
    """
    # Elsewhere these numbers are those of other calls.
    syscall = ctypes.CDLL(None).syscall if sys.platform == "linux" else lambda *_: -1
    version = syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION)
    if version < 1:
        return False
    rights = sum(bits for since, bits in ALL_WRITES.items() if version >= since)
    handled = struct.pack("QQ", rights, CONNECT_TCP if version >= 4 else 0)
    rules = syscall(LANDLOCK_CREATE_RULESET, handled, len(handled) if version >= 4 else 8, 0)
    for path in (folder, *DEVICES):
        descriptor = os.open(path, os.O_RDONLY if path in DEVICES else os.O_DIRECTORY)
        rule = struct.pack("=Qi", WRITE_FILE if path in DEVICES else rights, descriptor)
        syscall(LANDLOCK_ADD_RULE, rules, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
        os.close(descriptor)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    done: bool = syscall(LANDLOCK_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return done


# The events of Python's audit hooks that a model has no reason for.
PROCESS = (
    *("os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.system"),
    *("pty.spawn", "signal.pthread_kill", "subprocess.Popen"),
)
NETWORK = (
    *("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr"),
    *("socket.gethostbyname", "socket.getnameinfo", "socket.sendmsg", "socket.sendto"),
)
# These events begin with the socket itself.
OF_A_SOCKET = ("socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto")
FILES = (
    *("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir"),
    *("os.symlink", "os.truncate", "os.utime", "shutil.move", "shutil.rmtree"),
)


class Refused(PermissionError):
    """What a model has tried is not for a model to do."""


class Watch:
    """Refuses by name what a model has no business to do, from `arm` to the end of the process.

    `folder` may be written. `ours` are functions that may fork. What was refused first is kept
    for all processes that are forked from this one, whatever becomes of the exception.
    """

    def __init__(self, folder: str, ours: Sequence[Callable[..., Any]]) -> None:
        self._folder = os.path.realpath(folder) + os.sep
        self._ours = {function.__code__ for function in ours}
        self._record = mmap.mmap(-1, RECORD_BYTES)
        self._rules: dict[str, Callable[[str, tuple[Any, ...]], tuple[str, str] | None]] = {}
        for events, rule in (
            (PROCESS, self._process),
            (NETWORK, self._network),
            (FILES, self._file),
            (("open",), self._open),
        ):
            self._rules |= dict.fromkeys(events, rule)

    def arm(self) -> None:
        """Begin; an audit hook stays for as long as its process."""
        sys.addaudithook(self._hook)

    def check(self) -> None:
        """Raise Fault if something was refused."""
        if self._record[0]:
            kind, _, reason = (
                bytes(self._record).rstrip(b"\0").decode(errors="replace").partition("\n")
            )
            raise Fault(kind, reason)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        rule = self._rules.get(event)
        if rule is None or not (found := rule(event, args)):
            return
        kind, tried = found
        reason = f"the model {tried} while it is loaded and tried, which no model has to do"
        if not self._record[0]:
            self._record[: RECORD_BYTES - 1] = f"{kind}\n{reason}".encode()[
                : RECORD_BYTES - 1
            ].ljust(RECORD_BYTES - 1, b"\0")
        raise Refused(reason)

    def _process(self, event: str, _: tuple[Any, ...]) -> tuple[str, str] | None:
        frame: FrameType | None = sys._getframe(2)  # noqa: SLF001
        folder = os.path.dirname(multiprocessing.__file__)  # noqa: PTH120
        while frame and frame.f_code.co_filename.startswith(folder):
            frame = frame.f_back
        if frame and frame.f_code in self._ours and event in ("os.fork", "os.kill"):
            return None
        what = "signals a process" if "kill" in event else "starts a process"
        return "process", f"{what} ({event})"

    def _network(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        # urllib3 binds a socket of this machine to see whether it has IPv6, when it is imported.
        where = args[event in OF_A_SOCKET]
        if event == "socket.bind" and where[0] in ("127.0.0.1", "::1"):
            return None
        return "network", f"uses the network ({event}, {str(where)[:100]})"

    def _open(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        path, _, flags = args
        if isinstance(path, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return None
        return self._file(event, (path,))

    def _file(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        both = event in ("os.rename", "os.link", "shutil.move")
        for path in args[1:2] if event == "os.symlink" else args[: 1 + both]:
            name = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
            whole = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))  # noqa: PTH118, PTH119, PTH120
            if name and whole not in DEVICES and not f"{whole}{os.sep}".startswith(self._folder):
                what = "writes the file" if event == "open" else f"changes ({event})"
                return "file", f"{what} {name[:200]}"
        return None


def unblock_signals() -> None:
    """Undo a mask that was inherited: a server blocks the signals that stop it."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
