"""What is known of the model, in words for programs and for people."""

from __future__ import annotations

import platform
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from api.answers import Feature, Metadata
from models.files import card_command
from models.model import Model
from models.rows.words import some
from models.signature import types
from models.signature.types import plain_rows

# The key is read from the environment: a text with a key in it would be passed on.
CURL_KEY = '-H "authorization: Bearer $API_KEY"'


def describe(name: str, model: Model) -> Metadata:
    """Everything known about the model, which protocols call `name`."""
    signature = model.signature
    python = {"python": platform.python_version(), "numpy": np.__version__}
    return Metadata(
        name=name,
        model=model.kind,
        version=model.version,
        methods=model.methods,
        classes=model.classes,
        input=signature.form,
        example=example(model),
        advice=advice(model),
        features=[describe_feature(feature) for feature in signature.features],
        # The rows of the background are for explanations, and may be many.
        card={fact: value for fact, value in model.card.items() if fact != "background"},
        versions=python | model.versions,
    )


def example(model: Model) -> Any:
    """A sample to try the model with: the card's, or one made from the signature."""
    if "example" in model.card:
        return model.card["example"]
    signature = model.signature
    row = signature.example or plain_rows(signature)[0]
    if signature.form == "mapping":
        return row
    if signature.form == "table" and not signature.named:
        return list(row)
    return {feature.name: value for feature, value in zip(signature.features, row, strict=True)}


def greeting(model: Model, port: int, *, locked: bool = False) -> str:
    """What to tell the person who started the service: where it is, and what to send."""
    url = f"http://localhost:{port}"
    method = model.methods[0]
    body = msgspec.json.format(msgspec.json.encode(example(model)), indent=0).decode()
    quoted = body.replace("'", "'\\''")
    key = f" {CURL_KEY} \\\n   " if locked else ""
    more = "".join(f"\n{sentence}\n" for sentence in advice(model))
    return f"""
{model.kind} from {model.path} (version {model.version[:12]}) is served on {url}

Try it:

  curl {url}/{method}{key} -H 'content-type: application/json' \\
    -d '{quoted}'

In a browser: {url}, and {url}/docs
{more}"""


def advice(model: Model) -> list[str]:
    """Sentences on the facts of the model that only training rows can tell."""
    signature = model.signature
    if signature.form not in ("table", "text"):
        return []
    command = card_command(model.path)
    said = []
    if unknown := [feature.name for feature in signature.features if feature.kind == "any"]:
        said.append(
            f"The type of {some(unknown)} is not known: any number, text, true or false is taken. "
            f"Let the rows of training tell it: {command}"
        )
    if "example" not in model.card:
        said.append(
            "The example is made up, and the ranges of the features are not known. "
            f"Let the rows of training tell them: {command}"
        )
    return said


def describe_feature(feature: types.Feature) -> Feature:
    """One feature of the signature."""
    return Feature(
        feature.name,
        feature.kind,
        feature.missing,
        feature.dtype or UNSET,
        UNSET if feature.categories is None else feature.categories,
        feature.unknown or UNSET,
    )
