"""The application that uWSGI serves, built from the environment."""

from __future__ import annotations

import os

from api import create_app
from api.settings import Settings
from api.telemetry import configure_logging

settings = Settings.from_env(os.environ)
configure_logging(json=bool(settings.k_service), project=settings.google_cloud_project)
app = create_app(settings)
