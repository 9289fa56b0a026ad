"""The types of settings: which values each may have, in words that complete a refusal."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

# The description of a type completes the sentence "expected ..." about a value that is not of it.
Port = Annotated[int, Meta(ge=1, le=65535, description="a whole number from 1 to 65535")]
PortOrNone = Annotated[int, Meta(ge=0, le=65535, description="a whole number from 0 to 65535")]
Few = Annotated[int, Meta(ge=1, le=1024, description="a whole number from 1 to 1024")]
FewOrNone = Annotated[int, Meta(ge=0, le=1024, description="a whole number from 0 to 1024")]
Versions = Annotated[int, Meta(ge=2, le=1000, description="a whole number from 2 to 1000")]
Positive = Annotated[int, Meta(ge=1, description="a whole number of at least 1")]
Wait = Annotated[float, Meta(ge=0, le=86_400, description="a number of seconds from 0 to 86400")]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_.-]+\Z", description="letters A to Z and a to z, digits, _, . and -"
    ),
]
Route = Annotated[
    str, Meta(pattern=r"^(/[^\s<>?#]*)?\Z", description="a path that begins with /, as /predict")
]
Bucket = Annotated[
    str,
    Meta(pattern=r"^(gs://[^/\s]+(/[^\r\n]*)?)?\Z", description="a folder, as gs://bucket/path"),
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
        extra={"secret": True},  # it may be a key by mistake
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

Lifetime = Annotated[
    float, Meta(gt=0, le=31_536_000, description="a number of seconds, of at most a year")
]
Addresses = Annotated[
    str,
    Meta(
        pattern=r"^((gs|s3)://[^,\s]+(, ?(gs|s3)://[^,\s]+)*)?\Z",
        description="beginnings of addresses, separated by commas, as in gs://bucket/inputs/",
    ),
]
Function = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*)?\Z",
        description="a module and a function in it, as in sales:train for train() in sales.py",
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^([a-z+]+://\S+)?\Z",
        description="an address, as amqp://user:password@host:5672// or redis://host:6379/0",
        extra={"secret": True},  # it has a password
    ),
]

WebUrl = Annotated[
    str,
    Meta(
        pattern=r"^(https?://\S+)?\Z",
        description="an address of https or http, as https://hooks.example/alerts",
        extra={"secret": True},  # whoever knows it can post there
    ),
]
Secret = Annotated[
    str,
    Meta(
        pattern=r"^(\S{16,})?\Z",
        description="at least 16 characters without blanks, as `openssl rand -hex 32` prints them",
        extra={"secret": True},
    ),
]
Count = Annotated[int, Meta(ge=0, description="a whole number of at least 0")]
