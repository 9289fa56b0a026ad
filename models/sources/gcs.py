"""A model in a bucket of Cloud Storage, as the account that the container runs as."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from models.errors import ModelError
from models.settings import ModelSettings
from models.sources import client
from models.sources.files import MODEL, is_model
from models.sources.transfer import Deadline, Failure, Saved, Transfer

if TYPE_CHECKING:
    from models.sources import Fetched

FIELDS = "generation,size,md5Hash,contentEncoding"


class Token(msgspec.Struct):
    """The answer of the metadata server for an account's token."""

    access_token: str


class Object(msgspec.Struct, rename="camel"):
    """What is asked of an object: each change of it makes a new generation.

    `size` is in bytes. An object that was composed of others has no MD5.
    """

    generation: int
    size: int
    md5_hash: str = ""
    content_encoding: str = ""


def fetch(transfer: Transfer) -> Fetched | None:
    """Download the object, or model.joblib in the folder; the revision is its generation.

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/get.

    Raises ModelError.
    """
    from models.sources import Fetched

    bucket, _, name = transfer.uri.partition("://")[2].partition("/")
    if not is_model(name):
        name = f"{name.rstrip('/')}/{MODEL}".lstrip("/")
    storage = _Storage(transfer, bucket, name)
    model = storage.describe(name)
    card_name = str(PurePosixPath(name).with_suffix(".json"))
    card = storage.describe(card_name, optional=True)
    revision = f"{model.generation}" + (f"+{card.generation}" if card else "")
    if revision == transfer.known:
        return None
    saved = storage.download(name, model)
    saved_card = storage.download(card_name, card) if card else None
    return Fetched(saved.path, saved_card.path if saved_card else None, revision, saved.sha256)


def save(transfer: Transfer, uri: str) -> Saved:
    """Download the object at `uri`, gs://bucket/name; raises ModelError."""
    bucket, _, name = uri.partition("://")[2].partition("/")
    storage = _Storage(transfer, bucket, name)
    return storage.download(name, storage.describe(name))


def origin(settings: ModelSettings) -> str:
    """The address of Cloud Storage, or of what stands for it."""
    host = settings.storage_emulator_host.rstrip("/")
    return host if "://" in host else f"http://{host}"


def token(deadline: Deadline, settings: ModelSettings) -> str:
    """A token of the account that the container runs as; raises Failure.

    Source: https://cloud.google.com/compute/docs/access/authenticate-workloads.
    """
    host = settings.gce_metadata_host
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    try:
        # The metadata server is on this machine, behind no proxy.
        found = client.get_json(deadline, url, {"Metadata-Flavor": "Google"}, direct=True)
        return msgspec.convert(found, Token).access_token
    except (Failure, msgspec.ValidationError) as error:
        raise Failure(f"the metadata server {host} gives none ({error})") from None


class _Storage:
    """Cloud Storage, read with a token of the account that the container runs as."""

    def __init__(self, transfer: Transfer, bucket: str, name: str) -> None:
        """Ask for the token for an object; raises ModelError."""
        self._transfer = transfer
        self._bucket = bucket
        self._origin = origin(transfer.settings)
        self._headers = {"Authorization": f"Bearer {self._token(name)}"}

    def describe(self, name: str, *, optional: bool = False) -> Any:
        """The state of an object; None if one that is `optional` is not there.

        Raises ModelError.
        """
        try:
            found = client.get_json(
                self._transfer, f"{self._url(name)}?fields={FIELDS}", self._headers
            )
            return msgspec.convert(found, Object, strict=False)
        except Failure as failure:
            # Who may not list a bucket is told 403 of an object that is not there.
            if optional and failure.status in (403, 404):
                return None
            raise self._refused(name, failure) from None
        except msgspec.ValidationError as error:
            raise self._refused(name, Failure(f"malformed answer: {error}")) from None

    def download(self, name: str, found: Object) -> Saved:
        """Save one generation of an object; raises ModelError."""
        # Storage unpacks what was compressed for the transfer, and describes what is compressed.
        same = not found.content_encoding
        try:
            return client.download(
                self._transfer,
                f"{self._url(name)}?alt=media&generation={found.generation}",
                self._headers,
                PurePosixPath(name).name,
                length=found.size if same else None,
                md5=found.md5_hash if same else "",
            )
        except Failure as failure:
            raise self._refused(name, failure) from None

    def _url(self, name: str) -> str:
        bucket, name = quote(self._bucket, safe=""), quote(name, safe="")
        return f"{self._origin}/storage/v1/b/{bucket}/o/{name}"

    def _refused(self, name: str, failure: Failure) -> ModelError:
        return ModelError(
            f"cannot fetch gs://{self._bucket}/{name} from {self._origin} ({failure}): it must be "
            "there, and the account that the container runs as must be allowed to read it"
        )

    def _token(self, name: str) -> str:
        """A token of the account that the container runs as; raises ModelError."""
        try:
            return token(self._transfer, self._transfer.settings)
        except Failure as error:
            uri = f"gs://{self._bucket}/{name}"
            by_hand = f"make fetch-model MODEL_URI={uri}, and serve the file"
            if self._transfer.what == "data":
                by_hand = f"gcloud storage cp {uri} ., and set DATA to the file"
            raise ModelError(
                f"{uri} needs a token, and {error}: where Google does not run this, fetch it with "
                f"{by_hand}"
            ) from None
