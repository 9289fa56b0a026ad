"""Fetch a model from a bucket of Cloud Storage, as Vertex AI wants its containers to."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import msgspec

from api.settings import Settings
from models.errors import ModelError

NAME = "model.joblib"
TIMEOUT = 30
FAILURES = (OSError, http.client.HTTPException)

Request = urllib.request.Request


class Token(msgspec.Struct):
    """What the metadata server says of an account's token."""

    access_token: str


def fetch(settings: Settings, path: Path) -> None:
    """Fetch the model from the folder in Cloud Storage, as the account that the container runs as.

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/get. Raises ModelError.
    """
    bucket, _, folder = settings.aip_storage_uri.removeprefix("gs://").strip("/").partition("/")
    name = f"{folder}/{NAME}" if folder else NAME
    host = settings.storage_emulator_host.rstrip("/")
    origin = host if "://" in host else f"http://{host}"
    url = f"{origin}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
    request = Request(url, headers={"Authorization": f"Bearer {token(settings)}"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            with path.open("wb") as file:
                shutil.copyfileobj(answer, file)
            if answer.length:
                raise OSError("the connection ended too early")
    except FAILURES as error:
        raise ModelError(
            f"cannot fetch gs://{bucket}/{name} from {origin} ({_reason(error)}): it must be "
            "there, and the account that the container runs as must be allowed to read it"
        ) from None


def token(settings: Settings) -> str:
    """A token of the account that the container runs as.

    Source: https://cloud.google.com/compute/docs/access/authenticate-workloads. Raises ModelError.
    """
    host = settings.gce_metadata_host
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    request = Request(url, headers={"Metadata-Flavor": "Google"})
    # It is on this machine, behind no proxy.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=TIMEOUT) as answer:
            return msgspec.json.decode(answer.read(), type=Token).access_token
    except (*FAILURES, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{settings.aip_storage_uri} needs a token, and the metadata server {host} gives "
            f"none ({_reason(error)}): where Google does not run this, fetch the model and set "
            "MODEL_PATH"
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"{error.code} {error.reason}"
    return str(getattr(error, "reason", error))
