"""The application that uWSGI serves, built from the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from api.app import give_up, load, refuse_late, serve
from api.feedback.keeper import Keeper, duties, say_unused
from api.feedback.recorder import recorder
from api.http.gateway import Gateway
from api.metadata import greeting
from api.monitor.telemetry import configure_logging
from api.server.connections import Connections
from api.server.watcher import Watcher
from api.settings import Settings

if TYPE_CHECKING:
    from api.swap import Swap

settings = Settings.from_env(os.environ)
configure_logging(
    json=bool(settings.k_service),
    project=settings.google_cloud_project,
    level=settings.log_level,
)
# Before the model: its answers are noted from the first one on.
recorder.begin(settings)
# Called in a thread of each worker, for ever.
follow = []
answering: Gateway | Swap
swap: Swap | None = None
if settings.keeps_versions:
    from api import keeping

    swap, service = keeping.begin(settings)
    answering = swap
    follow.append(swap.watch)
    if settings.model_refresh_seconds:
        from api.follow import Follower

        follow.append(Follower(swap, settings).watch)
else:
    service = load(settings)
    answering = serve(service, settings)
app = Connections(answering, threads=settings.threads, keeps=settings.keep_alive > 0)
watcher = Watcher(
    app,
    keep_alive=settings.keep_alive,
    body_timeout=settings.body_timeout,
    timeout=settings.timeout,
    refuse=lambda connection: refuse_late(connection, version=answering.version),
    give_up=lambda connection: give_up(connection, version=answering.version),
)
follow.append(watcher.watch)
if settings.learns:
    from api.feedback import learning

    learning.check(settings, service.model.signature)
keeper: Keeper | None = None
if recorder.mode != "off":
    keeper = Keeper(recorder.store.folder, duties(settings, service, swap))
    follow += [recorder.watch, keeper.watch]
else:
    say_unused(settings)
hello = greeting(
    service.model,
    settings.published_port or settings.port,
    locked=service.locked,
)


def leave() -> None:
    """Write down what this process has noted, and do what its duties have for the end."""
    recorder.close()
    if keeper is not None:
        keeper.finish()
