"""What an API is made of: paths under its host, and a part that keeps its state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import flask
from werkzeug.serving import WSGIRequestHandler

from tests.google_cloud import errors

if TYPE_CHECKING:
    from tests.google_cloud.cloud import Cloud

Json = dict[str, Any]
# What gcloud calls them in its settings api_endpoint_overrides, and Google in its errors.
APIS = {
    "aiplatform": "Vertex AI API",
    "artifactregistry": "Artifact Registry API",
    "cloudbuild": "Cloud Build API",
    "cloudresourcemanager": "Cloud Resource Manager API",
    "cloudscheduler": "Cloud Scheduler API",
    "containeranalysis": "Container Analysis API",
    "iam": "Identity and Access Management (IAM) API",
    "iamcredentials": "IAM Service Account Credentials API",
    "logging": "Cloud Logging API",
    "run": "Cloud Run Admin API",
    "secretmanager": "Secret Manager API",
    "serviceusage": "Service Usage API",
    "storage": "Cloud Storage API",
    "sts": "Security Token Service API",
}
# Without these nobody could enable the others.
ALWAYS_ENABLED = {"serviceusage"}
# The library inside gcloud that calls these does not heed gcloud's proxy setting.
DIRECT = {"iamcredentials", "sts"}


class Part:
    """What one API is made of: its state, and what runs for it."""

    name = ""  # under which it stands in the snapshot; none if it has nothing to show

    def start(self) -> None:
        """Start what the API needs, when the server answers already."""

    def stop(self) -> None:
        """Stop it, and leave nothing behind."""

    def snapshot(self) -> Any:
        """All state that callers made: empty where nothing was made or all is gone."""


@dataclass
class Fault:
    """An error that the next requests get whose method and URL match."""

    method: str
    url: str
    status: int
    left: int
    seen: int = 0


@dataclass(frozen=True)
class Request:
    """A line of the access log."""

    method: str
    url: str
    status: int
    member: str


class Api:
    """Paths of one host; the regional names of the host are the same API."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self.service = f"{name}.googleapis.com"

    def route(
        self, rule: str, *methods: str, waits: bool = False, public: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Answer this path with a view; see the module for what is known when the view runs.

        `waits`: the view may take long, so it takes `cloud.lock` by itself. `public`: anyone may
        call without a token, and the API need not be enabled.
        """

        def add(view: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(view)
            def answer(**values: str) -> Any:
                values.pop("api_region", None)
                self.cloud.enter(self, public=public)
                if waits:
                    return view(**values)
                with self.cloud.lock:
                    return view(**values)

            for host in self.hosts():
                endpoint = f"{host} {rule} {methods} {view.__module__}.{view.__qualname__}"
                self.cloud.app.add_url_rule(
                    rule, endpoint, answer, methods=methods or ("GET",), host=host
                )
            return view

        return add

    def hosts(self) -> tuple[str, ...]:
        """The names under which the API is called."""
        names = (f"{self.name}.googleapis.test", f"<api_region>-{self.name}.googleapis.test")
        return (*names, self.cloud.address) if self.name in DIRECT else names

    def render(self, error: errors.ApiError) -> flask.Response:
        """The answer that tells an error."""
        response = flask.jsonify(error.body())
        response.status_code = error.code
        return response


class Own(Api):
    """Paths of the server's own address, which need no proxy: tokens, and the registry's front."""

    def hosts(self) -> tuple[str, ...]:
        return (self.cloud.address, self.cloud.registry_host)


class SilentHandler(WSGIRequestHandler):
    """Reads requests; `Cloud.requests` is the log."""

    def do_CONNECT(self) -> None:  # noqa: N802
        """Carry a call over gRPC to its server."""
        tunnel = self.server.app.extensions["tunnel"]  # type: ignore[attr-defined]
        tunnel.start_server()
        self.send_response(200)
        self.end_headers()
        tunnel.carry(self.connection)
        self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass
