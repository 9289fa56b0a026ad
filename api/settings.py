"""The settings of the service, read once from the environment."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from models import names

# The description of a type completes the sentence "expected ..." about a value that is not of it.
Port = Annotated[int, Meta(ge=1, le=65535, description="a whole number from 1 to 65535")]
PortOrNone = Annotated[int, Meta(ge=0, le=65535, description="a whole number from 0 to 65535")]
Few = Annotated[int, Meta(ge=1, le=1024, description="a whole number from 1 to 1024")]
Positive = Annotated[int, Meta(ge=1, description="a whole number of at least 1")]
Bytes = Annotated[
    int, Meta(ge=1, le=2**40, description="a whole number of bytes, without a unit, of at least 1")
]
Seconds = Annotated[
    float, Meta(gt=0, le=86_400, description="a number of seconds above 0, and at most 86400")
]
Wait = Annotated[float, Meta(ge=0, le=86_400, description="a number of seconds from 0 to 86400")]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_.-]+\Z", description="letters A to Z and a to z, digits, _, . and -"
    ),
]
Sha256 = Annotated[
    str,
    Meta(
        pattern=r"^([0-9a-f]{64})?\Z",
        description="64 hexadecimal digits, as `sha256sum models/latest.joblib` prints them",
    ),
]
Route = Annotated[
    str, Meta(pattern=r"^(/[^\s<>?#]*)?\Z", description="a path that begins with /, as /predict")
]
Bucket = Annotated[
    str,
    Meta(pattern=r"^(gs://[^/\s]+(/[^\r\n]*)?)?\Z", description="a folder, as gs://bucket/path"),
]
Host = Annotated[
    str, Meta(pattern=r"^[\w.:\[\]-]+\Z", description="the name or address of a machine")
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^(https?://)?[\w.:\[\]-]+/?\Z",
        description="an address of https or http without a path",
    ),
]

KEY = "[A-Za-z0-9_.-]{1,64}:[0-9a-f]{64}"
# Extensions and apps have schemes of their own.
WEB_ORIGIN = r"[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
ApiKeys = Annotated[
    str,
    Meta(
        pattern=rf"^({KEY}(, ?{KEY})*)?\Z",
        description="names with the SHA-256 of their keys, as in alice:SHA256,bob:SHA256; "
        "make api-key NAME=alice makes one",
    ),
]
Origins = Annotated[
    str,
    Meta(
        pattern=rf"^(\*|{WEB_ORIGIN}(, ?{WEB_ORIGIN})*)?\Z",
        description="* for all, or origins without a path and without a slash at their end, as in "
        "https://one.example,http://localhost:3000",
    ),
]

Nothing = Annotated[
    str,
    Meta(
        pattern=r"^\Z",
        description="no value: uWSGI's wheel has no TLS, so let a proxy in front speak HTTPS, as "
        "docs/access.md shows",
    ),
]

# A value may be a whole file by mistake.
MAX_SHOWN = 80
# What a platform calls a setting, which counts where our own name for it is not set.
OTHER_NAMES = {"port": ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT")}
# What only make knows, and is like a setting.
MAKES = {"API_KEY"}
# Where a platform puts a model, which is passed over where MODEL_PATH is set.
PLACES = ("aip_storage_uri", "sm_model_dir")


class SettingsError(Exception):
    """Variables have values that cannot be used; the message names all of them."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set from outside: each field is the variable of its name in capitals.

    `example.env` has one line on each. What a platform sets gives way to our own names.
    """

    host: Host = "127.0.0.1"
    port: Port = 8080
    published_port: PortOrNone = 0
    model_path: str = "models/latest.joblib"
    model_sha256: Sha256 = ""
    model_name: Name = "model"
    engine: Literal["auto", "plan", "sklearn"] = "auto"
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
    bake_seconds: Seconds = 120
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    access_log: Literal["false", "true"] = "false"
    api_keys: ApiKeys = ""
    lock_metrics: Literal["true", "false"] = "true"
    allowed_origins: Origins = ""
    # So that whoever looks for HTTPS learns where to find it.
    tls_cert: Nothing = ""
    tls_key: Nothing = ""
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
                values[field.name] = msgspec.convert(_plain(text, field), field.type, strict=False)
            except msgspec.ValidationError:
                shown = repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")
                if field.type == ApiKeys:  # it may be a key
                    shown = "…"
                problems.append(f"{variable}={shown}: expected {_expected(variable, field)}")
        if problems:
            raise SettingsError("\n".join(problems))
        if "model_path" in values:
            values |= dict.fromkeys(PLACES, "")
        return cls(**values)


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
    return {*own, *itertools.chain.from_iterable(OTHER_NAMES.values())}


def _plain(text: str, field: FieldInfo) -> str:
    """The value without what is no part of it, where its type tells: blanks and capitals."""
    if get_origin(field.type) is Literal or Sha256 == field.type:
        return text.strip().lower()
    return text if isinstance(field.default, str) else text.strip()


def _expected(variable: str, field: FieldInfo) -> str:
    if get_origin(field.type) is Literal:
        *words, last = get_args(field.type)
        listed = f"{', '.join(words)} or {last}"
    else:
        listed = field.type.__metadata__[0].description
    return f"{listed}, as in {variable}={field.default}" if field.default else listed


def _find(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable that sets this field and its value, which is empty if none does."""
    own = name.upper()
    for variable in (own, *OTHER_NAMES.get(name, ())):
        if text := environ.get(variable):
            return variable, text
    return own, ""
