"""A scikit-learn model behind an HTTP endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from api.settings import Settings


def create_app(settings: Settings) -> Flask:
    """The service as a Flask application, for its test client or another server.

    Raises ModelError if the model cannot be served.
    """
    from api import boot
    from api.app import load, serve

    with boot.frozen():
        return serve(load(settings), settings).app
