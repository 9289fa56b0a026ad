"""What the service is, and what it knows of its model."""

from __future__ import annotations

from flask import Flask, Response, jsonify

from api.metadata import describe
from api.service import Service


def init_app(app: Flask, service: Service) -> None:
    """Add `/`, `/metadata` and `/version`."""
    model = service.model
    described = {"name": service.name, **describe(model)}

    @app.get("/")
    def root() -> Response:
        paths = [
            "/metadata",
            "/health",
            "/ready",
            "/metrics",
            "/docs",
            "/redoc",
            "/openapi.json",
            "/snippets",
            *(f"/{method}" for method in model.methods),
            "/explain",
        ]
        return jsonify(status="alive", model=model.kind, endpoints=paths)

    @app.get("/metadata")
    def metadata() -> Response:
        return jsonify(described)

    # MLflow's.
    @app.get("/version")
    def version() -> Response:
        return Response(model.version, mimetype="text/plain")
