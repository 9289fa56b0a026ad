"""The service put together: the model, what runs it, the routes of all families, the doors."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from api import errors, source
from api.batching import Batcher
from api.feedback.recorder import recorder
from api.formats import Reader
from api.http.gateway import FlaskApp, Gateway, Guard
from api.http.request import Request
from api.http.route import Route, Routes, Site
from api.monitor import metrics
from api.protocols import (
    content,
    docs,
    explain,
    feedback,
    health,
    inference,
    inference_v2,
    kserve_v1,
    mlflow,
    native,
    page,
    training,
    uploads,
    versions,
)
from api.protocols import metrics as metrics_routes
from api.server import process
from api.server.aside import aside
from api.service import Service
from api.settings import Settings
from models.engines import choose
from models.model import Model
from models.text.contract import Contract

if TYPE_CHECKING:
    from api.swap import Swap

# Each family is one file; the OpenAPI document and `/` name them in this order.
FAMILIES: tuple[ModuleType, ...] = (
    native,
    inference,
    feedback,
    content,
    versions,
    uploads,
    training,
    health,
    metrics_routes,
    docs,
    page,
    explain,
    mlflow,
    kserve_v1,
    inference_v2,
)


def load(settings: Settings) -> Service:
    """Load the model, and have it ready to answer.

    Raises ModelError if the model cannot be served.
    """
    with source.located(settings) as path:
        return service_of(choose.load(path, settings.model_sha256, settings.engine), settings)


def service_of(model: Model, settings: Settings) -> Service:
    """A model, ready to answer."""
    metrics.tally()
    batcher = Batcher(
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
        notes=recorder.notes(model),
        name=settings.model_name,
        model=model,
        contract=contract,
        reader=Reader(contract),
        ignore=settings.extra_fields == "ignore",
        batcher=batcher,
        timeout=settings.timeout,
        locked=bool(settings.api_keys),
    )


def serve(service: Service, settings: Settings, swap: Swap | None = None) -> Gateway:
    """The WSGI application around a model, which `swap` replaces."""
    site = Site(service, settings, routes(service, settings, swap), swap)
    doors = _doors(site)
    build = partial(_flask_app, site, doors.get("guard"))
    return Gateway(service.model.version, list(site.routes), build, **doors)


def routes(service: Service, settings: Settings, swap: Swap | None = None) -> Routes:
    """The routes of all families.

    Raises ValueError if two have one path and method.
    """
    found = Routes()
    site = Site(service, settings, found, swap)
    declared = [route for family in FAMILIES for route in family.routes(site)]
    for route in sorted(declared, key=lambda each: each.yields):
        found.add(_administered(route, settings) if route.admin else route)
    return found


def _administered(route: Route, settings: Settings) -> Route:
    """A route that changes the model, behind a check of its key."""

    def administer(*args: Any, **named: Any) -> Any:
        # Most services have no such keys.
        from api.http import keys

        return keys.guard(settings, route)(*args, **named)

    return msgspec.structs.replace(route, handler=administer)


def _doors(site: Site) -> dict[str, Any]:
    """The arguments of `Gateway` for API keys, other origins and the access log, where set."""
    settings = site.settings
    doors: dict[str, Any] = {"finish": []}
    if settings.api_keys:
        from api.http.keys import Keys

        known = ",".join(filter(None, (settings.api_keys, settings.admin_keys)))
        doors["guard"] = Keys(known, open_paths(site)).check
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


def open_paths(site: Site) -> frozenset[str]:
    """The paths that need no API key: where platforms ask whether all is well, and the pages."""
    name, version = site.service.name, site.service.model.version
    found = {route.place(name, version) for route in site.routes if route.open}
    # Vertex AI asks here, whichever route has the path.
    return frozenset(found | {site.settings.aip_health_route})


def _flask_app(site: Site, guard: Guard | None) -> FlaskApp:
    # Flask takes as long to import as all the rest, and many services never need it.
    from api.http import flask_app

    return flask_app.FlaskApp(site, guard)


def give_up(connection: int, *, version: str) -> None:
    """Answer for a thread that is stuck in the model, and replace its process."""
    answer = _last_answer(errors.Busy("The model took too long for this request."), version)
    process.replace_process(connection, answer)


def refuse_late(connection: int, *, version: str) -> None:
    """Answer a client whose request line and headers do not come."""
    detail = "The line and the headers of the request took too long to come."
    process.send_answer(connection, _last_answer(errors.TooSlow(detail), version))


def _last_answer(error: errors.Problem, version: str) -> errors.Answer:
    request_id = Request({}).id
    answer = errors.render(error, request_id)
    answer.headers.update({"X-Request-Id": request_id, "X-Model-Version": version})
    return answer
