"""A scikit-learn model behind an HTTP endpoint."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial

# What is imported and loaded stays: looking through it for garbage takes a twentieth of the start.
gc.disable()

# Each process answers with one thread at a time, and a library that starts threads of its own
# before the fork hangs after it. They read this once, when numpy is first imported: below.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def _count_in(folder: str) -> None:
    """Let all processes count in one folder, which the first of them removes at its end."""
    owner = os.getpid()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder

    @atexit.register
    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


# prometheus_client reads this when it is first imported: below. It is always a folder of our own:
# one that was inherited belongs to another service, and is removed with it.
_count_in(tempfile.mkdtemp(prefix="metrics-"))

import msgspec  # noqa: E402
from flask import Flask  # noqa: E402

from api import errors, metrics, server, source, telemetry  # noqa: E402
from api.engines.choice import choose  # noqa: E402
from api.formats import Reader  # noqa: E402
from api.gateway import Gateway  # noqa: E402
from api.predictor import Predictor  # noqa: E402
from api.routes import (  # noqa: E402
    about,
    docs,
    explain,
    invocations,
    page,
    predict,
    v1,
    v2,
    vertex,
)
from api.service import Service  # noqa: E402
from api.settings import Settings  # noqa: E402

# Frozen, or the first look after this would go through all of it.
gc.freeze()
gc.enable()


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        # Processes share it after the fork.
        gc.freeze()
        gc.enable()


@_no_collection()
def create_app(settings: Settings) -> Flask:
    """Load the model and build the service around it.

    Raises ModelError if the model cannot be served.
    """
    with source.located(settings) as path:
        model, engine = choose(msgspec.structs.replace(settings, model_path=str(path)))
    predictor = Predictor(
        engine,
        max_waiting=settings.max_waiting,
        timeout=settings.timeout,
        backlog=server.untaken_connections,
        hold=server.connection,
        give_up=partial(give_up, version=model.version),
        observe=metrics.observe,
    )

    app = Flask(__name__, static_folder=None)
    # A redirect to the same path with one slash less would be HTML, and name any Host it was sent.
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["GREETING"] = about.greeting(model, engine.signature, settings.port)
    errors.init_app(app)
    telemetry.init_app(app, model.version)
    metrics.init_app(app, model)
    about.init_app(app, model, engine.signature, settings.model_name)
    page.init_app(app)
    service = Service(
        name=settings.model_name,
        model=model,
        signature=engine.signature,
        reader=Reader(engine.signature, settings.max_rows),
        predictor=predictor,
        max_bytes=settings.max_body_bytes,
        max_rows=settings.max_rows,
    )
    gateway = Gateway(app, model.version)
    predict.init_app(gateway, service)
    v1.init_app(app, gateway, service)
    v2.init_app(app, gateway, service)
    invocations.init_app(app, gateway, service)
    vertex.init_app(app, gateway, settings.aip_health_route, settings.aip_predict_route)
    explain.init_app(gateway, service, settings.timeout)
    docs.init_app(app, service)
    return app


def give_up(connection: int, *, version: str) -> None:
    """Answer for a thread that is stuck in the model, and replace its process."""
    request_id = telemetry.identify({})
    answer = errors.render(errors.Busy("The model took too long for this request."), request_id)
    answer.headers.update(telemetry.names(request_id, version))
    server.replace_process(connection, answer)
