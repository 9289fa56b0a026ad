"""A model in a bucket of S3 or a container of Azure, by the optional package obstore.

obstore finds the credentials where each platform keeps them: AWS_ACCESS_KEY_ID and its like,
AZURE_STORAGE_ACCOUNT_NAME and its like, or the role of the machine.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from models.errors import ModelError
from models.sources import transfer as transfers
from models.sources.files import MODEL, is_model
from models.sources.transfer import Saved, Transfer

if TYPE_CHECKING:
    from obstore.store import AzureStore, S3Store

    from models.sources import Fetched

# The line of models/requirements.txt, with the version that the tests have.
PACKAGE = "obstore==0.12.1"
BLOCK_BYTES = 1024 * 1024
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of the machine,",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or the machine's identity,",
}


def fetch(transfer: Transfer) -> Fetched | None:
    """Download the object, or model.joblib in the folder; the revision is its ETag.

    Raises ModelError.
    """
    from models.sources import Fetched

    name = transfer.uri.partition("://")[2].partition("/")[2]
    if not is_model(name):
        name = f"{name.rstrip('/')}/{MODEL}".lstrip("/")
    card_name = str(PurePosixPath(name).with_suffix(".json"))
    store = _Store(transfer, transfer.uri)
    model = store.tag(name)
    card = store.tag(card_name, optional=True)
    if f"{model}{card}" == transfer.known:
        return None
    saved, model = store.download(name)
    saved_card = None
    if card:
        saved_card, card = store.download(card_name)
    return Fetched(
        saved.path, saved_card.path if saved_card else None, f"{model}{card}", saved.sha256
    )


def save(transfer: Transfer, uri: str) -> Saved:
    """Download the object at `uri`, s3://bucket/name or az://container/name; raises ModelError."""
    return _Store(transfer, uri).download(uri.partition("://")[2].partition("/")[2])[0]


class _Store:
    """The bucket, or the container, of an address, and how obstore reads it."""

    def __init__(self, transfer: Transfer, uri: str) -> None:
        """Raises ModelError if obstore is not installed, or without the name of a bucket."""
        self._transfer = transfer
        scheme, _, path = uri.partition("://")
        self._scheme, self._name = scheme.lower(), path.partition("/")[0]
        try:
            import obstore
            from obstore.store import AzureStore, S3Store
        except ImportError:
            raise ModelError(
                f"{self._scheme}:// needs the package obstore, which is not installed: write "
                f"{PACKAGE} into models/requirements.txt, and run make again"
            ) from None
        self._obstore = obstore
        make = {"s3": S3Store, "az": AzureStore}[self._scheme]
        try:
            self._store: S3Store | AzureStore = make(
                self._name, client_options=self._limits(), retry_config=self._retries()
            )
        except Exception as error:
            raise self._refused("", error) from None

    def _limits(self) -> Any:
        seconds = self._transfer.seconds_left()
        # An endpoint of http:// is only there where somebody set it.
        return {"timeout": dt.timedelta(seconds=seconds), "allow_http": True}

    def _retries(self) -> Any:
        waits = transfers.WAITS_SECONDS
        return {
            "max_retries": len(waits),
            "retry_timeout": dt.timedelta(seconds=self._transfer.seconds_left()),
            "backoff": {
                "init_backoff": dt.timedelta(seconds=waits[0]),
                "max_backoff": dt.timedelta(seconds=waits[-1]),
                "base": 2,
            },
        }

    def tag(self, name: str, *, optional: bool = False) -> str:
        """The ETag of an object; "" if one that is `optional` is not there. Raises ModelError."""
        missing = (FileNotFoundError, self._obstore.exceptions.PermissionDeniedError)
        try:
            return _tag(self._obstore.head(self._store, name))
        except Exception as error:
            # Who may not list a bucket is told 403 of an object that is not there.
            if optional and isinstance(error, missing):
                return ""
            raise self._refused(name, error) from None

    def download(self, name: str) -> tuple[Saved, str]:
        """Save an object; gives its ETag too. Raises ModelError."""

        def attempt() -> tuple[Saved, str]:
            found = self._obstore.get(self._store, name)
            saved = self._transfer.save(
                map(bytes, found.stream(BLOCK_BYTES)),
                PurePosixPath(name).name,
                length=found.meta["size"],
            )
            return saved, _tag(found.meta)

        try:
            return self._transfer.retry(attempt)
        except ModelError:
            raise
        except Exception as error:
            raise self._refused(name, error) from None

    def _refused(self, name: str, error: Exception) -> ModelError:
        self._transfer.seconds_left()
        uri = f"{self._scheme}://{self._name}/{name}"
        # The query of an address may have a signature, and all after the first line is for experts.
        reason = re.sub(r"\?\S+", "", str(error).partition("\n")[0]) or type(error).__name__
        if isinstance(error, FileNotFoundError):
            advice = "it must be there"
        else:
            advice = f"it must answer, and {CREDENTIALS[self._scheme]} must be allowed to read it"
        return ModelError(f"cannot fetch {uri} ({reason.strip().rstrip(':')}): {advice}")


def _tag(state: Any) -> str:
    """The ETag of an object's state, or where a server has none the time of its last change."""
    return f"{state['e_tag'] or state['last_modified'].isoformat()};"
