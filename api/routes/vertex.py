"""Vertex AI: its requests are those of `/predict`, at the paths that it names.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

from flask import Flask

from api.gateway import Gateway


def init_app(app: Flask, gateway: Gateway, health_route: str, predict_route: str) -> None:
    """Answer at these paths too, as far as they are named, as `/health` and `/predict` do."""
    if health_route:
        app.add_url_rule(health_route, "vertex_health", app.view_functions["well"])
    if predict_route:
        gateway.alias(predict_route, "/predict")
