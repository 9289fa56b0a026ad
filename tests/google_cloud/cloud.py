"""The server: hosts and paths of the APIs, who calls, faults, and what the APIs are made of.

An API is a module of this package with a function `register(cloud)`. It makes its `Part` (its state,
with what must be started and stopped), hands it to `cloud.add`, and adds its paths:

    def register(cloud: Cloud) -> None:
        services = cloud.add(Services(cloud))
        api = cloud.api("run")  # run.googleapis.test and REGION-run.googleapis.test

        @api.route("/v1/projects/<project>/locations/<location>/services", "GET")
        def list_services(project: str, location: str) -> Json:
            cloud.require("run.services.list", f"projects/{project}/locations/{location}")
            return {"services": …}

A view answers with JSON (or anything that Flask takes) or raises `errors.ApiError`. Before it
runs, the caller is known (`cloud.caller()`), the API is enabled, and `cloud.lock` is held (not with
`waits=True`). Resources are named `projects/P/…` in full; a policy on one holds for what is below.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import flask
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from tests.google_cloud import errors
from tests.google_cloud.api import (
    ALWAYS_ENABLED,
    APIS,
    Api,
    Fault,
    Json,
    Own,
    Part,
    Request,
    SilentHandler,
)
from tests.google_cloud.environment import environment
from tests.google_cloud.identity import Caller, Identity, Unauthenticated, caller
from tests.google_cloud.policies import Policies, Use
from tests.sources.servers import authority

__all__ = ["Api", "Cloud", "Json", "Own", "Part"]
P = TypeVar("P", bound="Part")
PROJECT = "penguins-test"
PROJECT_NUMBER = "123456789012"
PERSON = "person@example.com"
# The modules behind the server, in the order in which they are registered; one that is not there
# is left out.
MODULES = (
    "service_usage", "resource_manager", "iam", "tokens", "iam_credentials", "workload_identity",
    "artifact_registry", "docker_images", "registry", "registry_front", "container_analysis",
    "logging", "run", "aiplatform", "cloud_build", "scheduler", "storage", "metadata",
    "secret_manager", "grpc_tunnel", "run_worker_pools",
)  # fmt: skip


class Cloud:
    """The small Google Cloud, a context manager: one project, and all APIs on one loopback port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project, self.project_number, self.person = PROJECT, PROJECT_NUMBER, PERSON
        self.lock = threading.RLock()
        self.identity = Identity()
        self.policies = Policies()
        self.accounts: Mapping[str, object] = {}  # service accounts that policies may name
        self.enabled: set[str] = set()  # APIs by their name: run.googleapis.com
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.parts: dict[type[Part], Part] = {}
        # Only calls over gRPC are encrypted.
        self.trusted = authority(folder / "authority.pem", "*.googleapis.test")
        self.app = flask.Flask(__name__, host_matching=True, static_folder=None)
        self.server = make_server(
            "127.0.0.1", 0, self.app, threaded=True, request_handler=SilentHandler
        )
        self.port = self.server.server_port
        self.address = f"127.0.0.1:{self.port}"
        # What stands for GCP_REGISTRY; podman logs in over plain HTTP only under this name.
        self.registry_host = f"localhost:{self.port}"
        self.app.after_request(self._log)
        self.app.register_error_handler(errors.ApiError, self._refused)
        self.app.register_error_handler(Unauthenticated, self._unauthenticated)
        self.app.register_error_handler(HTTPException, self._unknown)
        self.own = Own(self, "own")
        self.empty_project()
        for name in MODULES:
            if importlib.util.find_spec(f"tests.google_cloud.{name}"):
                module = importlib.import_module(f"tests.google_cloud.{name}")
                getattr(module, "register", lambda cloud: None)(self)

    def empty_project(self) -> None:
        """The project as it begins: the person owns it, and no API is enabled."""
        owner = {"role": "roles/owner", "members": [f"user:{self.person}"]}
        self.policies.set(self.resource, {"bindings": [owner]})

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(self.server.server_close)
            thread.start()
            stack.callback(self.server.shutdown)
            for part in self.parts.values():
                part.start()
                stack.callback(part.stop)
            self.running = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.running.close()

    # What modules use

    @property
    def resource(self) -> str:
        """The project's full name."""
        return f"projects/{self.project}"

    def api(self, name: str) -> Api:
        """The API with this short name, to add paths to."""
        return Api(self, name)

    def add(self, part: P) -> P:
        """Keep a part; it is started and stopped with the server."""
        self.parts[type(part)] = part
        return part

    def part(self, kind: type[P]) -> P:
        """The part of this class, of another module."""
        found = self.parts[kind]
        assert isinstance(found, kind)
        return found

    def caller(self) -> Caller:
        """Who sent the request that is being answered."""
        who: Caller = flask.g.caller
        return who

    def require(self, permission: str, resource: str, who: Caller | None = None) -> None:
        """Refuse the request unless its caller (or `who`) has the permission on the resource."""
        self.policies.require(who or self.caller(), permission, resource, flask.g.service)

    def body(self) -> Json:
        """The JSON of the request."""
        raw = flask.request.get_data()
        try:
            body = json.loads(raw or b"{}")
        except ValueError as error:
            raise errors.invalid(f"Invalid JSON payload received. {error}") from error
        if not isinstance(body, dict):
            raise errors.invalid("Invalid JSON payload received. Expected an object.")
        return body

    def known_project(self, name: str) -> str:
        """The project's id for its id or number; of any other nobody is told whether it exists."""
        if name not in {self.project, self.project_number}:
            raise errors.permission_denied(
                "resourcemanager.projects.get", f"projects/{name}", flask.g.service
            )
        return self.project

    def enter(self, api: Api, *, public: bool) -> None:
        """What happens before each view: faults, the caller, the project, the enabled API."""
        flask.g.api, flask.g.service = api, api.service
        self._fail_if_told()
        if public:
            return
        kind, _, token = flask.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise errors.unauthenticated(api.service)
        flask.g.caller = self.identity.who(token)
        billed = flask.request.headers.get("X-Goog-User-Project")
        if billed and not self.policies.allows(
            self.caller(), "serviceusage.services.use", f"projects/{billed}"
        ):
            raise errors.user_project_denied(billed)
        self.require_enabled(api)

    def require_enabled(self, api: Api) -> None:
        """Refuse the request if nobody enabled the API on the project.

        To gcloud, a person's calls of Resource Manager go on the bill of a project of its own.
        """
        if api.name == "cloudresourcemanager" and self.caller().member.startswith("user:"):
            return
        if api.name not in ALWAYS_ENABLED and api.service not in self.enabled:
            raise errors.service_disabled(api.service, APIS[api.name], self.project)

    # What tests use

    @property
    def journal(self) -> list[Use]:
        """Every permission that was asked for, in order."""
        return self.policies.journal

    def fault(self, method: str, url: str, status: int, times: int = 1) -> Fault:
        """Answer the next requests whose URL has this pattern with an error of Google's."""
        fault = Fault(method, url, status, times)
        self.faults.append(fault)
        return fault

    def snapshot(self) -> Json:
        """All that callers made, by part; equal snapshots mean that nothing is left behind."""
        with self.lock:
            state = {part.name: part.snapshot() for part in self.parts.values() if part.name}
            grants = sorted((g.resource, g.role, g.member) for g in self.policies.grants())
            return {**state, "enabled": sorted(self.enabled), "grants": grants}

    def environment(self, person: str = PERSON) -> dict[str, str]:
        """The variables with which gcloud, docker and make run as a person on this cloud.

        Each person has gcloud and docker configurations of their own, which stay from call to call;
        in the first they are logged in, in gcloud's configuration default.
        """
        home = self.folder / person
        new = not home.exists()
        variables = environment(home, self.port, self.trusted)
        if new:
            token = self.identity.log_in(caller(person))
            command = ["gcloud", "auth", "activate-refresh-token", person, token]
            subprocess.run(command, env=variables, check=True, capture_output=True, timeout=60)
        return variables

    def _fail_if_told(self) -> None:
        with self.lock:
            for fault in self.faults:
                matches = fault.method in {"*", flask.request.method}
                if fault.left and matches and re.search(fault.url, flask.request.url):
                    fault.left -= 1
                    fault.seen += 1
                    raise errors.injected(fault.status, flask.g.service)

    def _log(self, response: flask.Response) -> flask.Response:
        member = flask.g.caller.member if "caller" in flask.g else "-"
        line = Request(flask.request.method, flask.request.url, response.status_code, member)
        self.requests.append(line)
        return response

    def _refused(self, error: errors.ApiError) -> flask.Response:
        response: flask.Response = flask.g.api.render(error)
        return response

    def _unauthenticated(self, _: Unauthenticated) -> flask.Response:
        return self._refused(errors.unauthenticated(flask.g.service))

    def _unknown(self, error: HTTPException) -> tuple[Json, int]:
        code = error.code or 500
        where = f"{flask.request.method} {flask.request.url}"
        status = errors.STATUS.get(code, "UNIMPLEMENTED")
        return errors.ApiError(code, f"{where}: {error.description}", status).body(), code
