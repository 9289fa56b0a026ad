"""Fetch a model from a bucket of Cloud Storage, as the account that the container runs as."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import msgspec

from models.errors import ModelError

TIMEOUT_SECONDS = 30
FAILURES = (OSError, http.client.HTTPException)

Request = urllib.request.Request


class Token(msgspec.Struct):
    """The answer of the metadata server for an account's token."""

    access_token: str


def fetch(uri: str, path: Path, *, storage: str, metadata: str) -> None:
    """Copy the object at `uri`, gs://bucket/name, to `path`; raises ModelError.

    `storage` is the origin of Cloud Storage, `metadata` the host of the metadata server. Source:
    https://cloud.google.com/storage/docs/json_api/v1/objects/get.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    origin = storage.rstrip("/")
    origin = origin if "://" in origin else f"http://{origin}"
    url = f"{origin}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
    request = Request(url, headers={"Authorization": f"Bearer {_token(uri, metadata)}"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            with path.open("wb") as file:
                shutil.copyfileobj(answer, file)
            if answer.length:
                raise OSError("the connection ended too early")
    except FAILURES as error:
        raise ModelError(
            f"cannot fetch {uri} from {origin} ({_reason(error)}): it must be there, and the "
            "account that the container runs as must be allowed to read it"
        ) from None


def _token(uri: str, host: str) -> str:
    """A token of the account that the container runs as; raises ModelError.

    Source: https://cloud.google.com/compute/docs/access/authenticate-workloads.
    """
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    request = Request(url, headers={"Metadata-Flavor": "Google"})
    # The metadata server is on this machine, behind no proxy.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return msgspec.json.decode(answer.read(), type=Token).access_token
    except (*FAILURES, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{uri} needs a token, and the metadata server {host} gives none ({_reason(error)}): "
            "where Google does not run this, fetch the model and set MODEL_PATH"
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"{error.code} {error.reason}"
    return str(getattr(error, "reason", error))
