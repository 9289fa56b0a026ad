"""The application that uWSGI serves, built from the environment."""

from __future__ import annotations

import os
from functools import partial

from api.app import give_up, load, refuse_late, serve
from api.metadata import greeting
from api.monitor.telemetry import configure_logging
from api.server.connections import Connections
from api.server.watcher import Watcher
from api.settings import Settings

settings = Settings.from_env(os.environ)
configure_logging(
    json=bool(settings.k_service),
    project=settings.google_cloud_project,
    level=settings.log_level,
)
service = load(settings)
app = Connections(serve(service, settings), threads=settings.threads, keeps=settings.keep_alive > 0)
watcher = Watcher(
    app,
    keep_alive=settings.keep_alive,
    body_timeout=settings.body_timeout,
    timeout=settings.timeout,
    refuse=partial(refuse_late, version=service.model.version),
    give_up=partial(give_up, version=service.model.version),
)
hello = greeting(
    service.model,
    settings.published_port or settings.port,
    locked=service.locked,
)
