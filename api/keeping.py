"""A service whose model may change: its store, its first version, and how others are built."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from api.app import serve, service_of
from api.http.gateway import WSGI
from api.service import Service
from api.settings import Settings
from api.swap import Swap
from models.engines import choose
from models.errors import ModelError
from models.files import version_of
from models.model import Model
from models.versions import DIGITS, Store, Version, folder_for

log = logging.getLogger("api")


def begin(settings: Settings) -> tuple[Swap, Service]:
    """The application of the version that is active, and its service.

    A file at MODEL_PATH that was put there after the last swap becomes active. Raises ModelError.
    """
    path = Path(settings.model_path)
    store = Store(folder_for(path, settings.model_store), settings.model_name)
    base = version_of(path, settings.model_sha256)
    version = first(store, path, base)
    service = service_of(load(version, settings), settings)

    def build(version: Version) -> tuple[WSGI, Callable[[], object]]:
        service = service_of(load(version, settings), settings)
        return serve(service, settings, swap), service.batcher.close

    swap = Swap(
        store,
        build,
        processes=settings.processes,
        keep=settings.keep_versions,
        base=base,
    )
    swap.enter(version.version, serve(service, settings, swap), service.batcher.close)
    return swap, service


def first(store: Store, path: Path, base: str) -> Version:
    """The version to begin with: the file at MODEL_PATH, where that is newer than the last swap."""
    try:
        own = store.adopt(path)
        active = store.active()
        if active is None or active.base != base:
            if active is not None and active.version != base:
                log.warning(
                    "%s was put there after version %s became active, and serves now; "
                    "make rollback-model brings that version back",
                    path,
                    active.version[:DIGITS],
                )
            store.activate(base, base=base)
            return own
    except OSError as error:
        raise ModelError(
            f"{store.folder} cannot hold {path} ({error.strerror}): make room, or set MODEL_STORE"
        ) from None
    try:
        return store.find(active.version)
    except ModelError:
        raise ModelError(
            f"{store.folder}/active.json names the version {active.version[:DIGITS]}, whose file "
            f"is not there any more: delete active.json to serve {path}"
        ) from None


def load(version: Version, settings: Settings) -> Model:
    """The model of a version in the store; raises ModelError."""
    model = choose.load(version.path, version.version, settings.engine, plan_sha256=version.plan)
    # People know the file by the name that they gave it.
    return msgspec.structs.replace(model, path=version.origin or str(version.path))
