"""A real docker-registry on loopback that keeps what is pushed."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable

import flask

from tests.google_cloud.cloud import Cloud, Part

CHUNK = 1 << 16
# A connection's own headers are not passed on.
HOP = {"connection", "host", "authorization", "content-length", "transfer-encoding", "keep-alive"}
CONFIG = """\
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:0", relativeurls: true}
"""


def passed(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that go through."""
    return [(name, value) for name, value in headers if name.lower() not in HOP]


class Registry(Part):
    """A docker-registry process that keeps what is pushed; it runs from its first use on."""

    def __init__(self, cloud: Cloud) -> None:
        self.folder = cloud.folder / "registry"
        self.process: subprocess.Popen[bytes] | None = None
        self.starting = threading.Lock()

    @property
    def backend(self) -> str:
        """Its address: without authentication, so it is only for the cloud itself."""
        with self.starting:
            if not self.process:
                self.address = self._serve()
        return self.address

    def put(self, path: str, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """Put a manifest."""
        with contextlib.closing(http.client.HTTPConnection(self.backend, timeout=60)) as connection:
            headers = dict(passed(flask.request.headers.items()))
            connection.request("PUT", path, body, headers)
            response = connection.getresponse()
            return response, response.read()

    def forward(self, method: str, path: str) -> flask.Response:
        """Pass the request on as it comes, and the answer as it comes back."""
        connection = http.client.HTTPConnection(self.backend, timeout=60)
        headers = dict(passed(flask.request.headers.items()))
        length = flask.request.content_length
        body = iter(lambda: flask.request.stream.read(CHUNK), b"")
        if length is not None:
            headers["Content-Length"] = str(length)
        elif flask.request.headers.get("Transfer-Encoding") == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        chunked = "Transfer-Encoding" in headers
        sends = body if length or chunked else None
        connection.request(method, path, sends, headers, encode_chunked=chunked)
        response = connection.getresponse()

        content = iter(lambda: response.read(CHUNK), b"")
        answer = flask.Response(content, response.status, passed(response.headers.items()))
        answer.call_on_close(response.close)
        answer.call_on_close(connection.close)
        if "Content-Length" in response.headers:
            answer.headers["Content-Length"] = response.headers["Content-Length"]
        return answer

    def _serve(self) -> str:
        """Start the process, and say where it listens."""
        self.folder.mkdir()
        config, log = self.folder / "config.yml", self.folder / "log"
        config.write_text(CONFIG % (self.folder / "storage"))
        with log.open("w") as out:
            command = ["docker-registry", "serve", str(config)]
            # Ctrl-C ends it last: what runs of its images is stopped before.
            self.process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        ends = time.monotonic() + 20
        while time.monotonic() < ends and self.process.poll() is None:
            if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text()):
                return found[1]
            time.sleep(0.02)
        raise RuntimeError(f"docker-registry did not start: {log.read_text()}")

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.folder)


def register(cloud: Cloud) -> None:
    """Let a registry run behind the server."""
    cloud.add(Registry(cloud))
