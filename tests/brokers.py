"""RabbitMQ and Redis of Debian, each on ports of its own and with its data in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

START_SECONDS = 60
REDIS = shutil.which("redis-server")
# Debian's own command becomes another user first.
RABBITMQ = next(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"), None)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Broker:
    """A server in a process group of its own, which keeps its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port, *self.more_ports = free_ports(3)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for clients."""
        raise NotImplementedError

    def command(self) -> tuple[list[str], dict[str, str]]:
        """The command line, and variables for it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command, variables = self.command()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it speaks its protocol."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
        ):
            connection.sendall(self.greeting)
            return bool(connection.recv(1))
        return False

    greeting = b""

    def kill(self) -> None:
        """End all of its processes, as a loss of power would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Kill it, and start it again with what it has on the disk."""
        self.kill()
        self.start()

    stop = kill


class Redis(Broker):
    """Redis, which writes each change to the disk before it answers."""

    greeting = b"PING\r\n"

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> tuple[list[str], dict[str, str]]:
        """The command line, and variables for it."""
        if REDIS is None:
            pytest.skip("redis is not installed: apt-get install redis-server")
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [REDIS, *words], {}


class RabbitMQ(Broker):
    """RabbitMQ, with the daemon that knows the ports of Erlang's nodes."""

    greeting = b"AMQP\x00\x00\x09\x01"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._epmd: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def command(self) -> tuple[list[str], dict[str, str]]:
        """The command line, and variables for it."""
        if RABBITMQ is None:
            pytest.skip("rabbitmq is not installed: apt-get install rabbitmq-server")
        distribution, names = self.more_ports
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            # Its own checks of the disk and the memory would stop it on a full machine.
            "disk_free_limit.absolute = 1MB\nvm_memory_high_watermark.relative = 0.8\n"
        )
        return [str(RABBITMQ)], {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        if self._epmd is None:
            # RabbitMQ would start one that stays.
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self.more_ports[1]), "-address", "127.0.0.1"],
                start_new_session=True,
            )
        super().start()

    def stop(self) -> None:
        """End the server, and the daemon."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
