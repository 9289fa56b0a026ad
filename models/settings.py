"""Settings, read once from the environment; here those that concern the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

# The description of a type completes the sentence "expected ..." about a value that is not of it.
Seconds = Annotated[
    float, Meta(gt=0, le=86_400, description="a number of seconds above 0, and at most 86400")
]
Sha256 = Annotated[
    str,
    Meta(
        pattern=r"^([0-9a-f]{64})?\Z",
        description="64 hexadecimal digits, as `sha256sum models/latest.joblib` prints them",
    ),
]
Bytes = Annotated[
    int, Meta(ge=1, le=2**40, description="a whole number of bytes, without a unit, of at least 1")
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
Engines = Literal["auto", "plan", "sklearn"]
NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
# The metric, the sign and the number of one condition.
CONDITION = rf"([A-Za-z_][\w.-]*) ?([<>]=) ?({NUMBER})"
CONDITIONS = rf"^({CONDITION}(, ?{CONDITION})*)?\Z"
Conditions = Annotated[
    str,
    Meta(
        pattern=CONDITIONS,
        description="conditions on metrics of the card, as in accuracy>=0.9,log_loss<=0.1",
    ),
]
Names = Annotated[
    str,
    Meta(pattern=r"^([^,;\r\n]+(,[^,;\r\n]+)*)?\Z", description="names, separated by commas"),
]

# A value may be a whole file by mistake.
MAX_SHOWN_CHARACTERS = 80


class SettingsError(Exception):
    """Variables have values that cannot be used; the message names all of them."""


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set from outside: each field is the variable of its name in capitals.

    `OTHER_NAMES` are what a platform calls a field, which count where our own name is not set.
    """

    OTHER_NAMES: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    model_path: str = "models/latest.joblib"
    model_sha256: Sha256 = ""
    engine: Engines = "auto"
    bake_seconds: Seconds = 120
    # Where the model is fetched from, in which time, and how large it may be.
    model_uri: str = ""
    model_fetch_seconds: Seconds = 600
    max_model_bytes: Bytes = 4 * 1024 * 1024 * 1024
    mlflow_tracking_uri: str = ""
    mlflow_tracking_token: str = ""
    mlflow_tracking_username: str = ""
    mlflow_tracking_password: str = ""
    wandb_api_key: str = ""
    wandb_base_url: str = ""
    gce_metadata_host: Host = "metadata.google.internal"
    storage_emulator_host: Origin = "https://storage.googleapis.com"
    # A new version is checked within these limits before it serves.
    check_seconds: Seconds = 300
    check_bytes: Bytes = 4 * 1024 * 1024 * 1024
    model_min: Conditions = ""
    model_accept: Names = ""
    model_trusted_types: Names = ""
    log_level: Literal["debug", "info", "warning", "error"] = "warning"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from `environ`; an empty value means the default.

        Raises SettingsError, which names each wrong variable and what was expected.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field in msgspec.structs.fields(cls):
            own = field.name.upper()
            variables = (own, *cls.OTHER_NAMES.get(field.name, ()))
            variable = next((name for name in variables if environ.get(name)), own)
            text = environ.get(variable)
            if not text:
                continue
            try:
                values[field.name] = msgspec.convert(_plain(text, field), field.type, strict=False)
            except msgspec.ValidationError:
                problems.append(f"{variable}={_shown(text, field)}: {_expected(variable, field)}")
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**values)


def _plain(text: str, field: FieldInfo) -> str:
    """The value without blanks around it, and in small letters, where its type tells."""
    if get_origin(field.type) is Literal or Sha256 == field.type:
        return text.strip().lower()
    return text if isinstance(field.default, str) else text.strip()


def _shown(text: str, field: FieldInfo) -> str:
    facts = getattr(field.type, "__metadata__", (Meta(),))[0]
    if (facts.extra or {}).get("secret"):
        return "…"
    cut = text[:MAX_SHOWN_CHARACTERS]
    return repr(text if text == cut else f"{cut}…")


def _expected(variable: str, field: FieldInfo) -> str:
    if get_origin(field.type) is Literal:
        *words, last = get_args(field.type)
        listed = f"{', '.join(words)} or {last}"
    else:
        listed = field.type.__metadata__[0].description
    return f"expected {listed}" + (f", as in {variable}={field.default}" if field.default else "")
