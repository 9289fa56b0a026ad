"""A scikit-learn model behind an HTTP endpoint."""

from __future__ import annotations

import gc
import os
from pathlib import Path

# Each process answers with one thread at a time, and a library that starts threads of its own
# before the fork hangs after it. They read this once, when numpy is first imported: below.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from flask import Flask  # noqa: E402

from api import errors, telemetry  # noqa: E402
from api.engines.scikit_learn import ScikitLearnEngine  # noqa: E402
from api.formats import Reader  # noqa: E402
from api.model import load  # noqa: E402
from api.predictor import Predictor  # noqa: E402
from api.routes import about, predict  # noqa: E402
from api.server import untaken_connections  # noqa: E402
from api.settings import Settings  # noqa: E402


def create_app(settings: Settings) -> Flask:
    """Load the model and build the service around it.

    Raises ModelError if the model cannot be served.
    """
    model = load(Path(settings.model_path), settings.model_sha256)
    engine = ScikitLearnEngine(model)
    predictor = Predictor(
        engine,
        max_waiting=settings.max_waiting,
        timeout=settings.timeout_seconds,
        backlog=untaken_connections,
    )

    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["GREETING"] = about.greeting(model, engine.signature, settings.port)
    errors.init_app(app)
    telemetry.init_app(app, model.version)
    about.init_app(app, model, engine.signature)
    reader = Reader(engine.signature, settings.max_rows)
    predict.init_app(app, model, reader, predictor, settings.max_body_bytes)

    # What is loaded now stays: processes share its memory after the fork, and the collector
    # does not walk through it again.
    gc.collect()
    gc.freeze()
    return app
