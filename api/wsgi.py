"""The application that uWSGI serves, built from the environment."""

from __future__ import annotations

import os

from api import load, serve
from api.description import greeting
from api.settings import Settings
from api.telemetry import configure_logging

settings = Settings.from_env(os.environ)
configure_logging(
    json=bool(settings.k_service),
    project=settings.google_cloud_project,
    level=settings.log_level,
)
service = load(settings)
app = serve(service, settings)
hello = greeting(
    service.model,
    service.signature,
    settings.published_port or settings.port,
    locked=service.locked,
)
