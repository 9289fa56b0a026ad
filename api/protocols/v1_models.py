"""KServe's protocol v1, as far as it does not run the model."""

from __future__ import annotations

from typing import NoReturn

from flask import Flask, Response, jsonify
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from api.service import Service


class NameConverter(BaseConverter):
    """The name of a model in a path, which ends before the colon of a verb."""

    regex = "[^/:]+"


def init_app(app: Flask, service: Service) -> None:
    """Add `/v1/models` and `/v1/models/<model>`, and say of other models that they are not here."""

    @app.get("/v1/models")
    def v1_models() -> Response:
        return jsonify(models=[service.name])

    app.url_map.converters["name"] = NameConverter

    @app.get("/v1/models/<name:name>")
    def v1_model(name: str) -> Response:
        service.check_name(name)
        return jsonify(name=name, ready=True)

    @app.post("/v1/models/<name>:<_verb>")
    def v1_other(name: str, _verb: str) -> NoReturn:
        service.check_name(name)
        raise NotFound
