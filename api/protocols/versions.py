"""The versions of the model that the service keeps, and which one serves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from api.answers import ModelVersion, Versions
from api.errors import Answer, Conflict, UnknownThing, UnsupportedType
from api.formats import media
from api.formats.writers import JSON
from api.http.request import Request
from api.http.route import Route, Site, Tag
from api.server.aside import aside
from models.errors import MalformedBody, ModelError

if TYPE_CHECKING:
    from api.swap import Swap
    from models.versions import Version

TAG = Tag("Versions", "The versions of the model that the service keeps, and which one serves.")
NO_STORE = (
    "This service keeps no versions: it keeps them once ADMIN_KEYS is set; make api-key NAME=admin "
    "prints the line for it."
)


class Activation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /model/activate: the version's SHA-256, its first digits, or its release."""

    version: str


def routes(site: Site) -> Iterator[Route]:
    """`GET /model/versions`, `POST /model/activate` and `POST /model/rollback`."""
    locked = bool(site.settings.admin_keys)
    own = partial(Route, tag=TAG, gives={JSON: "Versions"})
    yield own(
        verb="GET",
        path="/model/versions",
        handler=partial(tell, site),
        name="versions",
        summary="The versions that are kept, the newest first",
    )
    yield own(
        verb="POST",
        path="/model/activate",
        handler=partial(activate, site),
        name="activate",
        summary="Answer by another version from now on" if locked else "",
        takes="activation",
        errors=(400, 404, 409, 411, 413, 415, 503),
        admin=True,
    )
    yield own(
        verb="POST",
        path="/model/rollback",
        handler=partial(roll_back, site),
        name="rollback",
        summary="Answer by the version before the active one" if locked else "",
        errors=(409,),
        admin=True,
    )


def tell(site: Site, _: Request) -> Answer:
    """Answer with the versions, the newest first."""
    service, swap = site.service, site.swap
    if swap is None:
        model = service.model
        metrics, release = model.card.get("metrics", {}), str(model.card.get("release") or "")
        only = ModelVersion(model.version, "active", "", model.path, metrics, release)
        return _answer(Versions(model.version, None, [only]))
    return _listed(swap)


def activate(site: Site, request: Request) -> Answer:
    """Answer by the version that the body names, in every process.

    Raises MalformedBody, UnknownThing, and what `Swap.activate` raises.
    """
    swap = _swap(site)
    if not media.is_json(request.content_type):
        raise UnsupportedType(f"The Content-Type {request.content_type} is not read: send {JSON}.")
    body = site.service.body(request)
    try:
        asked = msgspec.json.decode(body, type=Activation)
    except msgspec.DecodeError as error:
        raise MalformedBody(f'Expected {{"version": "1350f591f8b2"}}: {error}.') from None
    return _take(site, swap, asked.version)


def roll_back(site: Site, _: Request) -> Answer:
    """Answer by the version before the active one; raises Conflict if there is none."""
    swap = _swap(site)
    active = swap.store.active()
    if active is None or not active.before:
        raise Conflict("No version served before this one.")
    return _take(site, swap, active.before)


def _take(site: Site, swap: Swap, version: str) -> Answer:
    try:
        found = swap.store.find(version)
    except ModelError as error:
        raise UnknownThing(f"{error}.".capitalize()) from None
    active = swap.store.active()
    if active is None or active.version != found.version:
        with aside:
            # A request is answered in time, also where a process loads for longer.
            swap.activate(found, site.settings.timeout)
    return _listed(swap)


def _swap(site: Site) -> Swap:
    if site.swap is None:
        raise Conflict(NO_STORE)
    return site.swap


def _listed(swap: Swap) -> Answer:
    active = swap.store.active()
    states = {active.before: "before", active.version: "active"} if active else {}
    kept = [_describe(each, states.get(each.version, "kept")) for each in swap.store.versions()]
    before = active.before if active else ""
    return _answer(Versions(active.version if active else swap.version, before or None, kept))


def _describe(version: Version, state: str) -> ModelVersion:
    metrics = version.card.get("metrics", {})
    return ModelVersion(
        version.version, state, version.added, version.origin, metrics, version.release
    )


def _answer(document: Versions) -> Answer:
    return Answer(HTTPStatus.OK, {"Content-Type": JSON}, msgspec.json.encode(document))
