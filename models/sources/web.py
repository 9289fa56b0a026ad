"""A model at an address of https, whose SHA-256 says which file is meant."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from models.errors import ModelError
from models.sources import client
from models.sources.files import MODEL
from models.sources.transfer import Failure, Saved, Transfer

if TYPE_CHECKING:
    from models.sources import Fetched

SHA256 = re.compile(r"sha256=([0-9A-Fa-f]{64})")


def fetch(transfer: Transfer) -> Fetched | None:
    """Download the file of the SHA-256 that the fragment or MODEL_SHA256 says: the revision.

    A file of this SHA-256 can have no other content, so that nothing is asked once it is known.
    The card beside it is fetched too, if the server has one.

    Raises ModelError.
    """
    from models.sources import Fetched

    url = urlsplit(transfer.uri)
    if not client.is_safe(url):
        raise ModelError(
            f"{transfer.shown} can be changed by anyone on the way: use https:// (http:// only for "
            "localhost)"
        )
    sha256 = _expected(transfer, url.fragment)
    if transfer.known == sha256:
        return None
    name = PurePosixPath(unquote(url.path)).name or MODEL
    try:
        model = client.download(transfer, url._replace(fragment="").geturl(), {}, name)
    except Failure as failure:
        raise ModelError(_sentence(transfer, failure)) from None
    if model.sha256 != sha256:
        raise ModelError(
            f"{transfer.shown} has SHA-256 {model.sha256}, but its #sha256= or MODEL_SHA256 says "
            f"{sha256}"
        )
    card = _card(transfer, url)
    return Fetched(model.path, card.path if card else None, sha256, model.sha256)


def _expected(transfer: Transfer, fragment: str) -> str:
    """The SHA-256 that the file must have; raises ModelError if nothing says one."""
    pinned = transfer.settings.model_sha256
    if not fragment:
        if pinned:
            return pinned
        raise ModelError(
            f"{transfer.shown} says no SHA-256, and what is at an address can change: write "
            f"{transfer.shown}#sha256=..., with the 64 digits that sha256sum prints"
            + (", or set MODEL_SHA256" if transfer.what == "model" else "")
        )
    match = SHA256.fullmatch(fragment)
    if not match:
        raise ModelError(
            f"{transfer.shown} has a # that is not followed by sha256= and 64 hexadecimal digits"
        )
    digest = match[1].lower()
    if pinned and pinned != digest:
        raise ModelError(f"{transfer.shown} says #sha256={digest}, but MODEL_SHA256 says {pinned}")
    return digest


def _card(transfer: Transfer, url: SplitResult) -> Saved | None:
    """The card NAME.json beside NAME.joblib; None where the server has none."""
    path = PurePosixPath(url.path)
    # The signature in the query of a signed address is that of one file.
    if path.suffix != ".joblib" or url.query:
        return None
    beside = url._replace(path=str(path.with_suffix(".json")), fragment="")
    try:
        return client.download(transfer, beside.geturl(), {}, "card.json")
    except Failure as failure:
        if failure.status in (401, 403, 404, 410):
            return None
        raise ModelError(_sentence(transfer, failure, "its card ")) from None


def _sentence(transfer: Transfer, failure: Failure, part: str = "") -> str:
    advice = {
        401: "write the user and the password into it, as in https://user:password@host/path",
        403: "the user in it must be allowed to read it",
        404: "it must be there",
    }.get(failure.status, "it must answer with the file")
    return f"cannot fetch {part}{transfer.shown} ({failure}): {advice}"
