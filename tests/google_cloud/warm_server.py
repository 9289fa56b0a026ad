"""Runs in gcloud's own Python: has gcloud's modules loaded, and forks for each call of gcloud.

Started by `warm`, with the folder that gcloud is in and the socket to listen on. A call is what
`warm_client` sends: its standard streams, and its arguments, variables, folder and umask.
"""

import array
import atexit
import contextlib
import gc
import importlib
import marshal
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any


def main(library: str, address: str) -> None:
    """Answer calls until whoever started this closes its standard input."""
    sys.path.insert(0, library)
    gcloud = importlib.import_module("gcloud")
    sys.path[:] = gcloud.reorder_sys_path(sys.path)
    importlib.import_module("googlecloudsdk.gcloud_main")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    names, told = os.pipe()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    Path(f"{address}.new").rename(address)  # who sees it can call
    rest = b""
    while True:
        ready, _, _ = select.select([0, listener.fileno(), names], [], [])
        if 0 in ready:
            return
        if names in ready:
            *whole, rest = (rest + os.read(names, 1 << 16)).split(b"\n")
            load([name.decode() for name in whole])
        if listener.fileno() in ready:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                answer(gcloud, connection, told)
            connection.close()


def load(modules: list[str]) -> None:
    """Import what a call has imported, so that the next one need not."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()


def receive(connection: socket.socket) -> dict[str, Any]:
    """What the client sends, once its standard streams are ours."""
    size = array.array("i").itemsize
    message, ancillary, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(3 * size))
    for _, _, data in ancillary:
        for number, stream in enumerate(array.array("i", data)):
            os.dup2(stream, number)
            os.close(stream)
    while len(message) < 4 + int.from_bytes(message[:4], "little"):
        message += connection.recv(1 << 16)
    call: dict[str, Any] = marshal.loads(message[4:])
    return call


def answer(gcloud: Any, connection: socket.socket, told: int) -> None:
    """Be gcloud in this fork, and tell the client how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    call = receive(connection)
    threading.Thread(target=end_with, args=(connection,), daemon=True).start()
    os.chdir(call["folder"])
    os.umask(call["umask"])
    os.environ.clear()
    os.environ.update(call["variables"])
    time.tzset()
    sys.argv[:] = call["arguments"]
    # Some modules ask for a setting while they load, and gcloud keeps what the file of settings says.
    configs = importlib.import_module("googlecloudsdk.core.configurations.named_configs")
    configs.ActivePropertiesFile.Invalidate()
    known = set(sys.modules)
    gc.disable()  # it would look through, and so copy, what all forks share
    try:
        gcloud.main()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    for name in [name for name in sys.modules if name not in known]:
        if not name.startswith("__"):
            os.write(told, f"{name}\n".encode())
    connection.sendall(bytes([status & 255]))
    os._exit(0)


def end_with(connection: socket.socket) -> None:
    """End this call, and what it started, when its client is killed."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
