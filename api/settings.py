"""The settings of the service, read once from the environment."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import ClassVar, Literal, Self

import msgspec

from api.setting_types import (
    Addresses,
    ApiKeys,
    Bucket,
    Count,
    Few,
    FewOrNone,
    Function,
    Lifetime,
    Name,
    Nothing,
    Origins,
    Port,
    PortOrNone,
    Positive,
    Route,
    Secret,
    Url,
    Versions,
    Wait,
    WebUrl,
)
from models import names
from models.settings import Bytes, Host, ModelSettings, Names, Seconds, SettingsError

# What only make knows, and is like a setting.
MAKES = {"API_KEY"}
# Where a platform puts a model, which is passed over where MODEL_PATH is set.
PLACES = ("aip_storage_uri", "sm_model_dir")


class Settings(ModelSettings, frozen=True, kw_only=True):
    """What can be set from outside: each field is the variable of its name in capitals.

    `example.env` has one line on each. What a platform sets gives way to our own names.
    """

    OTHER_NAMES: ClassVar = {
        "port": ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"),
        "k_service": ("CLOUD_RUN_WORKER_POOL",),
    }

    host: Host = "127.0.0.1"
    port: Port = 8080
    published_port: PortOrNone = 0
    model_name: Name = "model"
    processes: Few = 2
    threads: Few = 40
    keep_alive: Wait = 75
    body_timeout: Seconds = 30
    max_body_bytes: Bytes = 32 * 1024 * 1024
    max_answer_bytes: Positive = 32 * 1024 * 1024
    max_rows: Positive = 10_000
    max_waiting: Positive = 256
    extra_fields: Literal["refuse", "ignore"] = "refuse"
    timeout: Seconds = 60
    model_store: str = ""
    model_refresh_seconds: Wait = 0
    keep_versions: Versions = 5
    access_log: Literal["false", "true"] = "false"
    api_keys: ApiKeys = ""
    admin_keys: ApiKeys = ""
    allow_joblib_upload: Literal["false", "true"] = "false"
    lock_metrics: Literal["true", "false"] = "true"
    allowed_origins: Origins = ""
    # So that whoever looks for HTTPS learns where to find it.
    tls_cert: Nothing = ""
    tls_key: Nothing = ""
    # Cloud Run sets the first, and who deploys there the second: traces have it in their name.
    k_service: str = ""
    google_cloud_project: str = ""
    # Tasks: where they are kept, who works on them, and what bounds them.
    data_dir: str = ""
    task_workers: FewOrNone = 1
    result_ttl: Lifetime = 86_400
    max_tasks: Positive = 100_000
    max_task_rows: Positive = 100_000_000
    max_task_bytes: Bytes = 16 * 1024 * 1024 * 1024
    task_uris: Addresses = ""
    durable: Literal["false", "true"] = "false"
    celery_broker_url: Url = ""
    celery_backend_url: Url = ""
    # The function that POST /train/start has a process call, and for how long; by default that of
    # the example, or a table's with feedback on a version that was made of one.
    train: Function = ""
    train_seconds: Seconds = 3600
    # Feedback: what is kept of predictions and where, who is told of faults, and when it is learnt
    # from.
    prediction_log: Literal["auto", "all", "statistics", "off"] = "auto"
    prediction_log_rate: Positive = 20
    prediction_ttl: Lifetime = 2_592_000
    max_predictions: Positive = 10_000_000
    prediction_hash: Names = ""
    prediction_drop: Names = ""
    prediction_key: Secret = ""
    feedback_uri: Bucket = ""
    alert_url: WebUrl = ""
    learn_every: Count = 0
    learn_cron: str = ""
    # What Vertex AI sets; the last is another name of MODEL_URI, for a folder:
    # https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
    aip_health_route: Route = ""
    aip_predict_route: Route = ""
    aip_storage_uri: Bucket = ""
    # SageMaker unpacks the model there:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    sm_model_dir: str = "/opt/ml/model"

    @property
    def keeps_versions(self) -> bool:
        """Whether the model may change while it is served."""
        changes = self.admin_keys or self.model_uri or self.model_refresh_seconds
        return bool(changes or self.learns)

    @property
    def learns(self) -> bool:
        """Whether the service trains by itself on selections."""
        return bool(self.learn_every or self.learn_cron)

    @property
    def data_folder(self) -> Path | None:
        """The folder DATA_DIR: `data` unless it is set; none on Cloud Run, whose disk is memory."""
        if self.data_dir or not self.k_service:
            return Path(self.data_dir or "data").absolute()
        return None

    @property
    def keeps_predictions(self) -> Literal["all", "statistics", "off"]:
        """What is kept of predictions: rows and all, or counts only, as on Cloud Run by default."""
        if self.prediction_log == "auto":
            return "statistics" if self.k_service else "all"
        return self.prediction_log

    @property
    def source(self) -> str:
        """Where the model comes from: a path, or an address."""
        # Vertex AI names a folder.
        folder = self.aip_storage_uri and f"{self.aip_storage_uri.rstrip('/')}/"
        return self.model_uri or folder or self.model_path

    @property
    def is_fetched(self) -> bool:
        """Whether the model comes from elsewhere than MODEL_PATH."""
        return bool(self.model_uri or self.aip_storage_uri)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """See `ModelSettings.from_env`; the places of platforms give way to MODEL_PATH."""
        settings = super().from_env(environ)
        if settings.learn_cron:
            # Few services have it.
            from api.feedback import cron

            try:
                cron.read(settings.learn_cron)
            except ValueError as error:
                raise SettingsError(f"LEARN_CRON={settings.learn_cron}: {error}") from None
        if environ.get("MODEL_PATH"):
            return msgspec.structs.replace(settings, **dict.fromkeys(PLACES, ""))
        return settings


def add_file(environ: MutableMapping[str, str], path: Path) -> None:
    """Add the variables of a .env file that `environ` lacks.

    Raises SettingsError, which names the line of each that misspells a setting, or a variable of
    the file example.env beside it.
    """
    # No container has such a file, and starts sooner without.
    from dotenv import dotenv_values

    example = path.with_name("example.env")
    known = variables()
    if example.exists():
        known |= set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", example.read_text(), re.MULTILINE))
    lines = names.names_in(path.read_text(errors="replace"), str(path))
    if problems := list(names.misspelt(lines, known)):
        raise SettingsError("\n".join(problems))
    for variable, value in dotenv_values(path).items():
        environ.setdefault(variable, value or "")


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """A sentence on each variable of the environment that misspells a setting, and has a value."""
    given = (("the environment", name) for name, value in environ.items() if value)
    return list(names.misspelt(given, variables() | MAKES))


def variables() -> set[str]:
    """The names of all variables that set something."""
    own = (field.name.upper() for field in msgspec.structs.fields(Settings))
    return {*own, *itertools.chain.from_iterable(Settings.OTHER_NAMES.values())}
