"""A scikit-learn model behind an HTTP endpoint."""

from __future__ import annotations

import gc
from pathlib import Path

from flask import Flask

from api import errors, telemetry
from api.engines.scikit_learn import ScikitLearnEngine
from api.formats import Reader
from api.model import load
from api.predictor import Predictor
from api.routes import about, predict
from api.settings import Settings


def create_app(settings: Settings) -> Flask:
    """Load the model and build the service around it.

    Raises ModelError if the model cannot be served.
    """
    model = load(Path(settings.model_path), settings.model_sha256)
    engine = ScikitLearnEngine(model)
    predictor = Predictor(
        engine, max_waiting=settings.max_waiting, timeout=settings.timeout_seconds
    )

    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]
    errors.init_app(app)
    telemetry.init_app(app, model.version)
    about.init_app(app, model, engine.signature)
    predict.init_app(app, model, Reader(engine.signature, settings.max_rows), predictor)

    # What is loaded now stays: processes share its memory after the fork, and the collector
    # does not walk through it again.
    gc.collect()
    gc.freeze()
    return app
