"""The way of gcloud's gRPC calls: a tunnel through the proxy to a server that answers them."""

from __future__ import annotations

import contextlib
import select
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from tests.google_cloud.cloud import Cloud, Part

SERVER = Path(__file__).with_name("grpc_server.py")
BYTES = 1 << 16


class Tunnel(Part):
    """Starts the server at the first call, since few callers speak gRPC."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.lock = threading.Lock()
        self.server: subprocess.Popen[str] | None = None
        self.port = 0

    def stop(self) -> None:
        if self.server:
            self.server.communicate()

    def start_server(self) -> int:
        """The port of the server, which is started if it does not run yet."""
        with self.lock:
            if self.server is None:
                root = Path(shutil.which("gcloud") or "").resolve().parent.parent
                python = root / "platform" / "bundledpythonunix" / "bin" / "python3"
                told = [str(root / "lib"), str(self.cloud.trusted), str(self.cloud.port)]
                self.server = subprocess.Popen(
                    [python, "-P", SERVER, *told],
                    env={"CLOUDSDK_PYTHON_SITEPACKAGES": "1"}, text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
                assert self.server.stdout
                self.port = int(self.server.stdout.readline())
            return self.port

    def carry(self, caller: socket.socket) -> None:
        """Carry bytes between the caller and the server until one of them closes."""
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            other = {caller: server, server: caller}
            with contextlib.suppress(OSError):
                while True:
                    for ready in select.select([caller, server], [], [])[0]:
                        if not (data := ready.recv(BYTES)):
                            return
                        other[ready].sendall(data)


def register(cloud: Cloud) -> None:
    """Give the proxy its tunnel."""
    cloud.app.extensions["tunnel"] = cloud.add(Tunnel(cloud))
