"""The application that uWSGI serves, built from the environment."""

from __future__ import annotations

import os

from api import create_app
from api.settings import Settings
from api.telemetry import configure_logging

configure_logging()
app = create_app(Settings.from_env(os.environ))
