"""A service whose model may change: its store, its first version, and how others are built."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from api.app import serve, service_of
from api.service import Service
from api.settings import Settings
from api.swap import Built, Swap
from models.candidate.facts import Served
from models.engines import choose
from models.errors import ModelError
from models.files import DIGITS, version_of
from models.model import Model
from models.versions import Store, Version, folder_for

log = logging.getLogger("api")

ONE_INSTANCE = (
    "ADMIN_KEYS is set on Cloud Run: PUT /model, activate and rollback change one instance only, "
    "and what it keeps ends with it; MODEL_URI with MODEL_REFRESH_SECONDS, or make release, "
    "changes all"
)


def begin(settings: Settings) -> tuple[Swap, Service]:
    """The application of the version that is active, and its service.

    Raises ModelError if there is no model that can be served.
    """
    if settings.k_service and settings.admin_keys:
        log.warning(ONE_INSTANCE)
    path = Path(settings.model_path)
    store = Store(folder_for(path, settings.model_store), settings.model_name)
    base = "" if settings.is_fetched else version_of(path, settings.model_sha256)
    try:
        version = _fetched(store, settings) if settings.is_fetched else _own(store, path, base)
    except OSError as error:
        raise ModelError(
            f"{store.folder} cannot hold the model ({error.strerror}): make room, or set "
            "MODEL_STORE to another folder"
        ) from None
    service = service_of(load(version, settings), settings)

    def build(version: Version) -> Built:
        return built(service_of(load(version, settings), settings))

    def built(service: Service) -> Built:
        return Built(service.model, serve(service, settings, swap), service.close)

    swap = Swap(store, build, processes=settings.processes, keep=settings.keep_versions)
    swap.enter(built(service))
    return swap, service


def _own(store: Store, path: Path, base: str) -> Version:
    """The active version, or the file at MODEL_PATH where that is newer than the last swap."""
    own = store.adopt(path)
    active = store.active()
    if active is not None and active.base == base:
        return _find(store, active.version, f"serve {path}")
    if active is not None and active.version != base:
        log.warning(
            "%s was put there after version %s became active, and serves now; "
            "make rollback-model brings that version back",
            path,
            active.version[:DIGITS],
        )
    store.activate(base, base=base)
    return own


def _fetched(store: Store, settings: Settings) -> Version:
    """The newest version of the source, or the active one if there is none that may serve."""
    # It needs HTTPS, whose import takes a tenth of the start.
    from api import follow

    active = store.active()
    kept = served = None
    if active is not None and active.base == "":
        kept = _find(store, active.version, "fetch the model again")
        served = Served.of(load(kept, settings))
    try:
        found = follow.newest(store, settings, served)
    except ModelError as error:
        if kept is None:
            raise
        log.warning("%s; the version %s serves", error, kept.version[:DIGITS])
        return kept
    if found is None:
        if kept is None:
            raise ModelError(f"{store.folder}/source.json is there without active.json: delete it")
        return kept
    version, seen = found
    if active is None or active.version != version.version or active.base != "":
        store.activate(version.version)
    store.remember(seen)
    return version


def _find(store: Store, version: str, purpose: str) -> Version:
    try:
        return store.find(version)
    except ModelError:
        raise ModelError(
            f"{store.folder}/active.json names the version {version[:DIGITS]}, whose file "
            f"is not there any more: delete active.json and source.json to {purpose}"
        ) from None


def load(version: Version, settings: Settings) -> Model:
    """The model of a version in the store; raises ModelError."""
    model = choose.load(version.path, version.version, settings.engine, plan_sha256=version.plan)
    # People know the file by the name that they gave it.
    return msgspec.structs.replace(model, path=version.origin or str(version.path))
