"""The application that uWSGI serves, built from the environment."""

from __future__ import annotations

import os

from api import create_app
from api.settings import Settings
from api.telemetry import configure_logging

configure_logging(
    json="K_SERVICE" in os.environ, project=os.environ.get("GOOGLE_CLOUD_PROJECT", "")
)
app = create_app(Settings.from_env(os.environ))
