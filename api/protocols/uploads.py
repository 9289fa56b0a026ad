"""`PUT /model` sends a new version of the model, and `GET /model/uploads/ID` says how it fares."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from api.errors import (
    Answer,
    Conflict,
    Forbidden,
    PreconditionFailed,
    Problem,
    UnknownThing,
    UnsupportedType,
    WrongDigest,
)
from api.formats.writers import JSON
from api.http.bodies import stream_body
from api.http.request import Request
from api.http.route import Route, Site
from api.protocols.versions import NO_STORE, TAG
from api.settings import Settings
from models.errors import MalformedBody, ModelError

if TYPE_CHECKING:
    from api.swap import Swap
    from api.uploads import Uploads
    from models.candidate import Verdict

PLAN, SKOPS, JOBLIB = "application/vnd.mlapi.plan", "application/x-skops", "application/x-joblib"
TYPES = (PLAN, SKOPS, JOBLIB)
SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
# A dictionary of structured fields with a sequence of bytes: RFC 9530, section 3.
REPR_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):\s*(?:[,;]|$)")
HOW = (
    "send it as Content-SHA256: <64 hexadecimal digits>, as sha256sum prints them, or as "
    "Repr-Digest: sha-256=:<base64>:"
)


def routes(site: Site) -> Iterator[Route]:
    """The two routes, which need a key of ADMIN_KEYS."""
    locked = bool(site.settings.admin_keys)
    own = partial(Route, tag=TAG, admin=True, gives={JSON: "Upload"})
    yield own(
        verb="PUT",
        path="/model",
        handler=partial(put, site),
        name="upload",
        summary="Send a new version of the model" if locked else "",
        takes="model",
        parameters=("Content-SHA256", "Repr-Digest", "If-Match", "accept"),
        status=HTTPStatus.ACCEPTED,
        errors=(400, 409, 411, 412, 413, 415, 422),
    )
    yield own(
        verb="GET",
        path="/model/uploads/<id>",
        handler=partial(look, site),
        by_flask=True,
        parameters=("id",),
        name="upload_state",
        summary="What became of a model that was sent" if locked else "",
        errors=(404, 409),
    )


def put(site: Site, request: Request) -> Answer:
    """Read a model into a file, and begin to check it.

    Raises a Problem if it cannot be read or does not have its SHA-256, if the client knows another
    active version, or while another upload is under way.
    """
    from models.candidate import Served

    settings, service, swap = site.settings, site.service, _swap(site)
    expected = digest_of(request)
    check_type(request, settings)
    check_match(request, service.model.version)
    with _uploads(swap).receive() as incoming:
        stream_body(request, settings.max_model_bytes, incoming.take)
        found = incoming.end()
        if found != expected:
            raise WrongDigest(f"The body has the SHA-256 {found}, and its header says {expected}.")
        check_kind(incoming.path, settings)
        upload = incoming.check(
            Served.of(service.model),
            settings,
            accepted(request),
            partial(take, swap, request.header("If-Match")),
        )
    headers = {"Content-Type": JSON, "Location": f"/model/uploads/{upload.id}"}
    return Answer(HTTPStatus.ACCEPTED, headers, msgspec.json.encode(upload))


def look(site: Site, id: str) -> dict[str, Any]:  # noqa: A002
    """What became of an upload; raises UnknownThing if there is no such one."""
    upload = _uploads(_swap(site)).find(id)
    if upload is None:
        raise UnknownThing("There is no such upload here, or it is not among the newest any more.")
    return upload.plain()


def _swap(site: Site) -> Swap:
    if site.swap is None:
        raise Conflict(NO_STORE)
    return site.swap


def _uploads(swap: Swap) -> Uploads:
    from api.uploads import Uploads

    return Uploads(swap.store.folder)


def digest_of(request: Request) -> str:
    """The SHA-256 that the client says, in hexadecimal digits; raises MalformedBody."""
    if given := request.header("Content-SHA256"):
        if not SHA256.fullmatch(given.strip()):
            raise MalformedBody(f"The Content-SHA256 is no SHA-256: {HOW}.")
        return given.strip().lower()
    given = request.header("Repr-Digest")
    if not given:
        raise MalformedBody(f"The SHA-256 of the model is needed: {HOW}.")
    found = REPR_DIGEST.search(given)
    with_base64 = found[1] if found else ""
    try:
        digest = base64.b64decode(with_base64, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise MalformedBody(f"The Repr-Digest has no sha-256: {HOW}.")
    return digest.hex()


def check_type(request: Request, settings: Settings) -> None:
    """Raise UnsupportedType or Forbidden if the Content-Type is none that is taken here."""
    if request.header("Content-Encoding"):
        raise UnsupportedType("A model is sent as it is, without a Content-Encoding.")
    given = request.content_type.partition(";")[0].strip().lower()
    if given not in TYPES:
        raise UnsupportedType(
            f"The Content-Type {given or 'is missing'} is not read: send {PLAN} for what make "
            f"export-plan writes, {SKOPS}, or {JOBLIB}."
        )
    if given == JOBLIB and settings.allow_joblib_upload != "true":
        raise no_joblib()


def check_kind(path: Path, settings: Settings) -> None:
    """Raise Forbidden for a joblib file under another type, where none is taken."""
    from models.candidate import bundle

    # A damaged bundle is for the check to refuse.
    with contextlib.suppress(ModelError):
        if bundle.kind_of(path) == bundle.JOBLIB and settings.allow_joblib_upload != "true":
            raise no_joblib()


def no_joblib() -> Problem:
    """The refusal of a joblib file."""
    return Forbidden(
        "A joblib file is code, and is not taken here: send what make export-plan writes, or a "
        "skops file, or set ALLOW_JOBLIB_UPLOAD=true."
    )


def check_match(request: Request, version: str) -> None:
    """Raise PreconditionFailed if If-Match names another version than this, which is active."""
    given = request.header("If-Match")
    if given is not None and not matches(given, version):
        problem = PreconditionFailed(
            f"The active version is {version}, and If-Match says otherwise: somebody else has "
            "changed it. Look at it, and send yours again with If-Match on that one."
        )
        problem.headers["ETag"] = f'"{version}"'
        raise problem


def matches(given: str, version: str) -> bool:
    """Whether an If-Match names a version: RFC 9110, section 13.1.1."""
    tags = [tag.strip() for tag in given.split(",")]
    return "*" in tags or f'"{version}"' in tags


def accepted(request: Request) -> frozenset[str]:
    """The names in `?accept=`."""
    values = parse_qs(request.query).get("accept", ())
    return frozenset(name.strip() for value in values for name in value.split(","))


def take(swap: Swap, match: str | None, verdict: Verdict, folder: Path) -> None:
    """Put an accepted model into the store, and let all processes answer by it.

    Raises ModelError or Conflict if it cannot serve, or another version than If-Match says does.
    """
    active = swap.store.active()
    if match is not None and active is not None and not matches(match, active.version):
        raise Conflict(f"The version {active.version} became active while this one was checked.")
    swap.activate(swap.store.add(verdict.version, folder / verdict.file, origin="an upload"))
