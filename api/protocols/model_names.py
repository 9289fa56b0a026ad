"""The model and its versions, by the names that the paths of protocols have for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NoReturn

from api.answers import IndexEntry
from api.errors import UnknownModel
from api.http.route import Site
from models.errors import ModelError
from models.files import DIGITS

# What a sentence shows of a version that a client made up.
MAX_DIGITS = 64


def check(site: Site, name: str, version: str = "") -> None:
    """Raise UnknownModel if no model has this name, or if another version of it serves."""
    service = site.service
    if name != service.name or version not in ("", service.model.version):
        refuse(site, name, version)


def refuse(site: Site, name: str, version: str = "") -> NoReturn:
    """Raise UnknownModel, which says what serves, and how a version that is kept would."""
    service, swap = site.service, site.swap
    active = service.model.version
    if name != service.name:
        raise UnknownModel(f"There is no such model here, only {service.name}.")
    if version and active.startswith(version):
        raise UnknownModel(f"A path has all digits of a version: {active}.")
    if swap is None:
        raise UnknownModel(f"The model {name} has only the version {active} here.")
    with contextlib.suppress(ModelError):
        kept = swap.store.find(version).version
        raise UnknownModel(
            f"The version {kept[:DIGITS]} of {name} is kept, and the version {active} serves: "
            f'POST /model/activate {{"version": "{kept[:DIGITS]}"}} changes that.'
        )
    raise UnknownModel(
        f"The model {name} has no version {version[:MAX_DIGITS]} here: the version {active} "
        "serves, and GET /model/versions lists those that are kept."
    )


def index(site: Site) -> Iterator[IndexEntry]:
    """The versions that are kept, as Triton lists them: the one that serves first."""
    name, active = site.service.name, site.service.model.version
    yield IndexEntry(name, active, "READY", "")
    for kept in site.swap.store.versions() if site.swap else ():
        if kept.version != active:
            reason = f'kept: POST /model/activate {{"version": "{kept.version[:DIGITS]}"}}'
            yield IndexEntry(name, kept.version, "UNAVAILABLE", reason)
