"""One container of a revision of Cloud Run, under its container runtime contract.

Source: https://cloud.google.com/run/docs/container-contract
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

GRACE = 10  # seconds from SIGTERM to SIGKILL
# What all containers of this process have, and none that another run has left behind.
LABEL = f"google-cloud={secrets.token_hex(8)}"
Log = Callable[[str, str], None]  # of a stream's name and a line

DEFAULT_FAILURE = (
    "The user-provided container failed to start and listen on the port defined provided by the "
    "PORT={port} environment variable within the allocated timeout. This can happen when the "
    "container port is misconfigured or if the timeout is too short. The health check timeout can "
    "be extended. Logs for this revision might contain more information."
)
PROBE_FAILURE = (
    "The user-provided container failed the configured startup probe checks. Logs for this "
    "revision might contain more information."
)


class StartFailed(Exception):
    """A container that did not get ready, in Cloud Run's words."""


class Docker:
    """The real docker client."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def __call__(self, *arguments: str) -> str:
        result = subprocess.run(
            ["docker", *arguments],
            env=self.environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if result.returncode != 0:
            raise OSError(f"docker {arguments[0]}: {result.stderr.strip()}")
        return result.stdout.strip()

    def follow(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["docker", *arguments],
            env=self.environment, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a revision says of its instances."""

    image: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    container: str  # its name in the log
    port: int
    memory: int  # bytes
    cpus: float
    concurrency: int
    minimum: int
    maximum: int
    timeout: int  # seconds for an answer
    startup: Mapping[str, Any]
    startup_is_default: bool
    liveness: Mapping[str, Any] | None
    volumes: Mapping[str, str] = dataclasses.field(default_factory=dict)  # path in it: folder


class Instance:
    """One running container."""

    def __init__(self, docker: Docker, plan: Plan, name: str, log: Log) -> None:
        self.docker = docker
        self.plan = plan
        self.log = log
        self.under_way = 0
        self.name = f"{name}-{secrets.token_hex(4)}"
        entrypoint = [f"--entrypoint={plan.command[0]}"] if plan.command else []
        docker(
            "run", "--detach", "--name", self.name, "--label", LABEL,
            "--publish", f"127.0.0.1::{plan.port}",
            "--read-only", "--tmpfs", "/tmp",
            "--memory", str(plan.memory), "--cpus", str(plan.cpus),
            *(f"--env={key}={value}" for key, value in plan.environment.items()),
            *(f"--volume={folder}:{path}:ro" for path, folder in plan.volumes.items()),
            *entrypoint, plan.image, *plan.command[1:], *plan.arguments,
        )  # fmt: skip
        self.port = int(
            docker("port", self.name, str(plan.port)).splitlines()[0].rpartition(":")[2]
        )
        # It ends when the container does, and so tells of that too.
        self.logs = docker.follow("logs", "--follow", self.name)
        self.readers = [
            threading.Thread(target=self._read, args=(stream, pipe), daemon=True)
            for stream, pipe in (("stdout", self.logs.stdout), ("stderr", self.logs.stderr))
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, stream: str, pipe: IO[str]) -> None:
        for line in pipe:
            self.log(stream, line.rstrip("\n"))

    @property
    def running(self) -> bool:
        return self.logs.poll() is None

    def probe(self, probe: Mapping[str, Any]) -> bool:
        """Whether one HTTP or TCP probe succeeds."""
        timeout = probe["timeoutSeconds"]
        if "httpGet" not in probe:
            # What has just exited may leave an address behind at which nobody says no.
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), min(timeout, 1)).close()
                return True
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {
                item["name"]: item["value"] for item in probe["httpGet"].get("httpHeaders", [])
            }
            headers.setdefault("User-Agent", "GoogleHC/1.0")
            connection.request("GET", probe["httpGet"].get("path", "/"), headers=headers)
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """Wait for the startup probe, as long as the container runs."""
        probe, plan = self.plan.startup, self.plan
        http_get = "httpGet" in probe
        kind = f"{'Default ' if plan.startup_is_default else ''}STARTUP {'HTTP' if http_get else 'TCP'} probe"
        where = f'for container "{plan.container}" on port {plan.port}' + (
            f' path "{probe["httpGet"].get("path", "/")}"' if http_get else ""
        )
        # A TCP probe connects anew until its timeout is over; an HTTP probe asks once a period.
        pause = probe["periodSeconds"] if http_get else 0.05
        lasts = probe["failureThreshold"] * probe["periodSeconds"]
        self.sleep(probe.get("initialDelaySeconds", 0))
        began = time.monotonic()
        attempts = 0
        while self.running and time.monotonic() - began < lasts:
            attempts += 1
            next_probe = time.monotonic() + pause
            if self.probe(probe):
                count = attempts if http_get else 1
                plural = "" if count == 1 else "s"
                self.log("system", f"{kind} succeeded after {count} attempt{plural} {where}.")
                return
            self.sleep(next_probe - time.monotonic())
        if self.running:
            times = probe["failureThreshold"]
            plural = "" if times == 1 else "s"
            self.log(
                "system",
                f"{kind} failed {times} time{plural} consecutively {where}. "
                "The instance was not started.",
            )
        else:
            for reader in self.readers:
                reader.join(5)  # who reads that it failed wants its last lines
            self.log("system", f"Container called exit({self._exit_code()}).")
        message = DEFAULT_FAILURE if plan.startup_is_default else PROBE_FAILURE
        raise StartFailed(message.format(port=plan.port))

    def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than the container runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.logs.wait(max(seconds, 0))

    def _exit_code(self) -> str:
        return self.docker("inspect", "--format", "{{.State.ExitCode}}", self.name)

    def stop(self) -> None:
        """SIGTERM, 10 s, SIGKILL; then nothing is left but the lines of the log."""
        with contextlib.suppress(OSError):
            self.docker("stop", "--time", str(GRACE), self.name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.logs.wait(5)
        self.logs.kill()
        for reader in self.readers:
            reader.join(5)
        self.logs.wait()
        for pipe in (self.logs.stdout, self.logs.stderr):
            if pipe:
                pipe.close()
        with contextlib.suppress(OSError):
            self.docker("rm", "--force", "--volumes", self.name)
