"""The settings of the service, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(pattern=r"^[\w.-]+$")]
Sha256 = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
Route = Annotated[str, Meta(pattern=r"^(/[^\s<>?#]*)?$")]
Bucket = Annotated[str, Meta(pattern=r"^(gs://[^/\s]+(/.*)?)?$")]
Host = Annotated[str, Meta(pattern=r"^[\w.:\[\]-]+$")]
Origin = Annotated[str, Meta(pattern=r"^(https?://)?[\w.:\[\]-]+/?$")]

# What a platform calls a setting, which counts where our own name for it is not set.
OTHER_NAMES = {"port": ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT")}
# Where a platform puts a model, which is passed over where MODEL_PATH is set.
PLACES = ("aip_storage_uri", "sm_model_dir")


class SettingsError(Exception):
    """Variables have values that cannot be used; the message names all of them."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set from outside: each field is the variable of its name in capitals.

    `example.env` has one line on each. What a platform sets gives way to our own names.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    model_path: str = "models/latest.joblib"
    model_sha256: Sha256 = ""
    model_name: Name = "model"
    engine: Literal["auto", "plan", "sklearn"] = "auto"
    processes: Positive = 2
    threads: Positive = 32
    max_body_bytes: Positive = 32 * 1024 * 1024
    max_rows: Positive = 10_000
    max_waiting: Positive = 256
    extra_fields: Literal["refuse", "ignore"] = "refuse"
    timeout: Seconds = 60
    bake_seconds: Seconds = 120
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    # Cloud Run sets the first, and who deploys there the second: traces have it in their name.
    k_service: str = ""
    google_cloud_project: str = ""
    # What Vertex AI sets, and where the model that it names is fetched from:
    # https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
    aip_health_route: Route = ""
    aip_predict_route: Route = ""
    aip_storage_uri: Bucket = ""
    gce_metadata_host: Host = "metadata.google.internal"
    storage_emulator_host: Origin = "https://storage.googleapis.com"
    # SageMaker unpacks the model there:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    sm_model_dir: str = "/opt/ml/model"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from `environ`; an empty value means the default.

        Raises SettingsError, which names each wrong variable and what was expected.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field in msgspec.structs.fields(cls):
            variable, text = _find(field.name, environ)
            if not text:
                continue
            try:
                values[field.name] = msgspec.convert(text, field.type, strict=False)
            except msgspec.ValidationError as error:
                problems.append(f"{variable}={text!r}: {error}")
        if problems:
            raise SettingsError("; ".join(problems))
        if "model_path" in values:
            values |= dict.fromkeys(PLACES, "")
        return cls(**values)


def _find(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable that sets this field and its value, which is empty if none does."""
    own = name.upper()
    for variable in (own, *OTHER_NAMES.get(name, ())):
        if text := environ.get(variable):
            return variable, text
    return own, ""
