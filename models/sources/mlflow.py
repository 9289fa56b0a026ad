"""A model in MLflow's registry: mlflow://NAME@ALIAS, mlflow://NAME/VERSION, mlflow://NAME/latest.

MLFLOW_TRACKING_URI is the server's address. The model must be of MLflow's sklearn flavor; both of
its forms are fetched: cloudpickle's as model.joblib, which joblib reads, and skops' as model.skops.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from models.errors import ModelError
from models.sources import client, files, gcs, objects, shown
from models.sources.transfer import Failure, Saved, Transfer

if TYPE_CHECKING:
    from models.sources import Fetched

NAMED = re.compile(r"mlflow://([^/@]+)(?:@([^/@]+)|/(latest|[0-9]+))", re.IGNORECASE)
API = "/api/2.0/mlflow"
PROXY = "mlflow-artifacts"
# Fetches a file from where the artifacts are, where that is not the server itself.
SAVERS = {"": files.save, "file": files.save, "gs": gcs.save, "s3": objects.save}
# A file MLmodel is YAML as yaml.safe_dump writes it: the sklearn flavor is a block of such lines.
FLAVOR = re.compile(r"^  sklearn:\n((?:    .*\n)+)", re.MULTILINE)
FLAVORS = re.compile(r"^  (\w+):$", re.MULTILINE)
FILE = re.compile(r"^    pickled_model: (\S+)$", re.MULTILINE)
CREDENTIALS = "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD,"


class Version(msgspec.Struct):
    """What the registry says of a version of a model; `creation_timestamp` is in ms."""

    name: str
    version: str
    creation_timestamp: int = 0


def fetch(transfer: Transfer) -> Fetched | None:
    """Download the model of a version; the revision is its number and the time it was made.

    Raises ModelError.
    """
    from models.sources import Fetched

    named = NAMED.fullmatch(transfer.uri)
    if not named:
        raise ModelError(
            f"{transfer.uri} names no model: expected mlflow://name@alias, mlflow://name/version "
            "or mlflow://name/latest"
        )
    registry = _Registry(transfer)
    version = registry.version(unquote(named[1]), named[2] and unquote(named[2]), named[3])
    revision = f"{version.version}-{version.creation_timestamp}"
    if revision == transfer.known:
        return None
    root = registry.artifacts(version)
    described = registry.save(root, "MLmodel").path.read_text(errors="replace")
    name = _model_file(transfer, described)
    saved = registry.save(root, name)
    # Its name says to who reads it which of the two forms it is.
    ending = ".skops" if name.endswith(".skops") else ".joblib"
    model = saved.path.rename(transfer.unfinished / f"model{ending}")
    return Fetched(model, None, revision, saved.sha256)


def _model_file(transfer: Transfer, described: str) -> str:
    """The name of the model's file; raises ModelError if it is no model of scikit-learn."""
    flavor = FLAVOR.search(described)
    file = flavor and FILE.search(flavor[1])
    if not file:
        have = ", ".join(FLAVORS.findall(described)) or "none"
        raise ModelError(
            f"{transfer.uri} has the flavors {have}: expected sklearn, as "
            "mlflow.sklearn.log_model writes it"
        )
    return file[1].strip("'\"")


class _Registry:
    """The server at MLFLOW_TRACKING_URI, and the artifacts that it knows of."""

    def __init__(self, transfer: Transfer) -> None:
        """Raises ModelError if no server is named."""
        self._transfer = transfer
        settings = transfer.settings
        self._server = settings.mlflow_tracking_uri.rstrip("/")
        if not self._server.startswith(("http://", "https://")):
            raise ModelError(
                f"{transfer.uri} needs the server's address: set MLFLOW_TRACKING_URI, as in "
                "https://mlflow.example.com"
            )
        self._headers = {}
        if settings.mlflow_tracking_token:
            self._headers["Authorization"] = f"Bearer {settings.mlflow_tracking_token}"
        elif settings.mlflow_tracking_username:
            pair = f"{settings.mlflow_tracking_username}:{settings.mlflow_tracking_password}"
            encoded = base64.b64encode(pair.encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"

    def version(self, name: str, alias: str | None, number: str | None) -> Version:
        """The version that an alias or a number means; without both, the latest."""
        if alias:
            found = self._ask("registered-models/alias", name=name, alias=alias)
        elif number != "latest":
            found = self._ask("model-versions/get", name=name, version=number)
        else:
            quoted = name.replace("'", "''")
            found = self._ask(
                "model-versions/search",
                filter=f"name='{quoted}'",
                order_by="version_number DESC",
                max_results="1",
            )
            found = {"model_version": next(iter(found.get("model_versions", ())), None)}
        try:
            return msgspec.convert(found["model_version"], Version, strict=False)
        except (KeyError, TypeError, msgspec.ValidationError):
            raise self._refused("its answer has no version") from None

    def artifacts(self, version: Version) -> str:
        """Where the artifacts of a version are: the registry decides, and may move them."""
        found = self._ask(
            "model-versions/get-download-uri", name=version.name, version=version.version
        )
        try:
            return str(found["artifact_uri"]).rstrip("/")
        except (KeyError, TypeError):
            raise self._refused("its answer has no artifacts") from None

    def save(self, root: str, name: str) -> Saved:
        """Download a file of the artifacts at `root`; raises ModelError."""
        parts = urlsplit(root)
        if parts.scheme in SAVERS:
            return SAVERS[parts.scheme](self._transfer, f"{root}/{name}")
        if parts.scheme != PROXY:
            raise ModelError(
                f"{self._transfer.uri} has its artifacts at {shown(root)}, where they cannot be "
                "fetched: let the server pass them on, with mlflow server --serve-artifacts"
            )
        # A server may name itself, by an address that is not known here.
        path = quote(f"{parts.path.strip('/')}/{name}")
        url = f"{self._server}/api/2.0/mlflow-artifacts/artifacts/{path}"
        try:
            return client.download(self._transfer, url, self._headers, name.rpartition("/")[2])
        except Failure as failure:
            raise self._refused(failure) from None

    def _ask(self, path: str, **query: str | None) -> Any:
        url = f"{self._server}{API}/{path}?{urlencode(query)}"
        try:
            return client.get_json(self._transfer, url, self._headers)
        except Failure as failure:
            raise self._refused(failure) from None

    def _refused(self, reason: object) -> ModelError:
        status = getattr(reason, "status", 0)
        advice = "it must answer as MLflow's server does"
        if status in (400, 404):
            advice = "the registry must have this model and its version or alias"
        elif status in (401, 403):
            advice = f"{CREDENTIALS} must be allowed to read it"
        server = shown(self._server)
        return ModelError(f"cannot fetch {self._transfer.uri} from {server} ({reason}): {advice}")
