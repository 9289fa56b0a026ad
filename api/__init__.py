"""A scikit-learn model behind an HTTP endpoint."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

# What is imported and loaded stays: looking through it for garbage takes a twentieth of the start.
gc.disable()

from models import threads  # noqa: E402

threads.limit()

from api import errors, source  # noqa: E402
from api.batching import Batcher  # noqa: E402
from api.formats import Reader  # noqa: E402
from api.formats.contract import Contract  # noqa: E402
from api.http.gateway import Gateway  # noqa: E402
from api.monitor import metrics, telemetry  # noqa: E402
from api.protocols import explain, health, inference_v2, kserve_v1, mlflow, native  # noqa: E402
from api.server import process  # noqa: E402
from api.server.connections import aside  # noqa: E402
from api.service import Service  # noqa: E402
from api.settings import Settings  # noqa: E402
from models.engines import choose  # noqa: E402

if TYPE_CHECKING:
    from flask import Flask

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
def load(settings: Settings) -> Service:
    """Load the model, and have it ready to answer.

    Raises ModelError if the model cannot be served.
    """
    with source.located(settings) as path:
        model = choose.load(path, settings.model_sha256, settings.engine)
    predictor = Batcher(
        model.engine,
        max_waiting=settings.max_waiting,
        timeout=settings.timeout,
        backlog=process.untaken_connections,
        hold=process.connection,
        give_up=partial(give_up, version=model.version),
        observe=metrics.observe,
        aside=aside,
    )
    contract = Contract(
        model.signature,
        settings.max_rows,
        max_bytes=settings.max_body_bytes,
        max_answer_bytes=settings.max_answer_bytes,
    )
    return Service(
        name=settings.model_name,
        model=model,
        contract=contract,
        reader=Reader(contract),
        ignore=settings.extra_fields == "ignore",
        predictor=predictor,
        timeout=settings.timeout,
        locked=bool(settings.api_keys),
        open_paths=health.open_paths(settings, model.version),
    )


def serve(service: Service, settings: Settings) -> Gateway:
    """The WSGI application around a model: the protocols at once, Flask when it is asked for."""
    build = partial(_others, service)
    gateway = Gateway(service.model.version, build, **_doors(service, settings))
    health.init(gateway, settings.aip_health_route)
    native.init(gateway, service)
    kserve_v1.init(gateway, service)
    inference_v2.init(gateway, service)
    mlflow.init(gateway, service)
    explain.init(gateway, service)
    if settings.aip_predict_route:
        gateway.alias(settings.aip_predict_route, "/predict")
    return gateway


def _doors(service: Service, settings: Settings) -> dict[str, Any]:
    """The arguments of `Gateway` for API keys, other origins and the access log, where set."""
    doors: dict[str, Any] = {"finish": []}
    if settings.api_keys:
        from api.http.keys import Keys

        doors["guard"] = Keys(settings.api_keys, service.open_paths).check
    if settings.allowed_origins:
        from api.http.origins import Origins

        origins = Origins(settings.allowed_origins)
        doors["preflight"] = origins.preflight
        doors["finish"].append(origins.finish)
    if settings.access_log == "true":
        from api.monitor import access_log

        access_log.log.setLevel("INFO")
        doors["finish"].append(access_log.finish)
    return doors


def create_app(settings: Settings) -> Flask:
    """The same as a Flask application, for what wants one: its test client, or another server.

    Raises ModelError if the model cannot be served.
    """
    return serve(load(settings), settings).app


def _others(service: Service, gateway: Gateway) -> Flask:
    """Flask, for all that does not run the model.

    It takes as long to import as all the rest, and most processes are never asked for it.
    """
    from api.http import flask_app

    return flask_app.create(gateway, service)


def give_up(connection: int, *, version: str) -> None:
    """Answer for a thread that is stuck in the model, and replace its process."""
    answer = _last_answer(errors.Busy("The model took too long for this request."), version)
    process.replace_process(connection, answer)


def refuse_late(connection: int, *, version: str) -> None:
    """Answer a client whose request line and headers do not come."""
    detail = "The line and the headers of the request took too long to come."
    process.send_answer(connection, _last_answer(errors.TooSlow(detail), version))


def _last_answer(error: errors.Problem, version: str) -> errors.Answer:
    request_id = telemetry.identify({})
    answer = errors.render(error, request_id)
    answer.headers.update(telemetry.names(request_id, version))
    return answer
