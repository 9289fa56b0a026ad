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


class SettingsError(Exception):
    """Variables have values that cannot be used; the message names all of them."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set from outside: each field is the variable of its name in capitals.

    `example.env` has one line on each.
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
    timeout: Seconds = 60
    # Cloud Run sets the first, and who deploys there the second: traces have it in their name.
    k_service: str = ""
    google_cloud_project: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from `environ`; an empty value means the default.

        Raises SettingsError, which names each wrong variable and what was expected.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field in msgspec.structs.fields(cls):
            variable = field.name.upper()
            text = environ.get(variable, "")
            if not text:
                continue
            try:
                values[field.name] = msgspec.convert(text, field.type, strict=False)
            except msgspec.ValidationError as error:
                problems.append(f"{variable}={text!r}: {error}")
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(**values)
