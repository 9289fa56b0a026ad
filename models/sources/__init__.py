"""Fetch a model from the source that MODEL_URI names: one module for each scheme.

`fetch` gives a whole file under its final name, or raises ModelError with one sentence. A source's
*revision* says whether it has something new: an ETag, a generation, a version, or a hash.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from models.errors import ModelError
from models.settings import ModelSettings

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
# The module of a scheme: each imports what only its scheme needs.
MODULES = MappingProxyType(
    {
        "": "files",
        "file": "files",
        "gs": "gcs",
        "http": "web",
        "https": "web",
        "s3": "objects",
        "az": "objects",
        "mlflow": "mlflow",
        "wandb": "wandb",
    }
)
# They hold models, and no other files.
MODEL_REGISTRIES = ("mlflow", "wandb")
EXPECTED_DATA = (
    "expected a file of this machine, gs://bucket/path, s3://bucket/path, az://container/path or "
    "https://host/path#sha256=..."
)
EXPECTED = (
    "expected a file or a folder of this machine, gs://bucket/path, s3://bucket/path, "
    "az://container/path, https://host/path, mlflow://name@alias, mlflow://name/version or "
    "wandb://entity/project/name:alias"
)


class Fetched(msgspec.Struct, frozen=True):
    """A whole model file, its card if the source has one, and the revision of both.

    `sha256` is that of the model file: 64 hexadecimal digits. It is what tells whether the model
    is new, since a source may give the same file a new revision.
    """

    model: Path
    card: Path | None
    revision: str
    sha256: str


def fetch(uri: str, folder: Path, *, known: str = "", settings: ModelSettings) -> Fetched | None:
    """Fetch the model at `uri` into `folder`, with its card; None if its revision is `known`.

    Nothing is downloaded for None. The files have their final names only when they are whole and,
    where the source gives a checksum or MODEL_SHA256 is set, proven.

    Raises ModelError with one sentence, in which no password, key or token stands.
    """
    from models.sources.transfer import Transfer

    scheme = match[1].lower() if (match := SCHEME.match(uri)) else ""
    if scheme not in MODULES:
        raise ModelError(f"MODEL_URI has the scheme {scheme}://, which no source has: {EXPECTED}")
    try:
        urlsplit(uri)
    except ValueError:
        raise ModelError(f"MODEL_URI is no address: {EXPECTED}") from None
    source = importlib.import_module(f"models.sources.{MODULES[scheme]}")
    with Transfer(uri, folder, known, settings) as transfer:
        found: Fetched | None = source.fetch(transfer)
        return found and transfer.finish(found)


def fetch_data(uri: str, folder: Path, settings: ModelSettings) -> Path:
    """Fetch one file of rows at `uri` into `folder`; a path of this machine stays as it is.

    Raises ModelError with one sentence.
    """
    from models.sources.transfer import Transfer

    scheme = match[1].lower() if (match := SCHEME.match(uri)) else ""
    if not scheme:
        return Path(uri)
    if scheme not in MODULES or MODULES[scheme] in MODEL_REGISTRIES:
        raise ModelError(f"DATA has the scheme {scheme}://, which holds no rows: {EXPECTED_DATA}")
    source = importlib.import_module(f"models.sources.{MODULES[scheme]}")
    unpinned = msgspec.structs.replace(settings, model_sha256="")
    with Transfer(uri, folder, "", unpinned, what="data") as transfer:
        if MODULES[scheme] == "web":
            found: Fetched = source.fetch(transfer)
            saved = found.model
        else:
            saved = source.save(transfer, uri).path
        return saved.replace(folder / saved.name)


def shown(uri: str) -> str:
    """A URI as people may see it: without user and password, and https without query and hash."""
    if "://" not in uri or uri.lower().startswith(("mlflow:", "wandb:")):
        # What is before the @ of MLflow's is the name of the model.
        return uri
    scheme, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    if scheme.lower() in ("http", "https"):
        path = re.split("[?#]", path)[0]
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
