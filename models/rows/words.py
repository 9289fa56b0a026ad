"""Words for messages: what a value must be, what it is, and lists of names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from models.signature.types import Feature

MAX_SHOWN_NAMES = 20
MAX_NAME_CHARACTERS = 1_000
NOT_A_FEATURE = "is not a feature of the model"
IGNORE_HINT = "send the request to ...?extra=ignore to ignore names that are no features"
JSON_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "a string"} | {
    list: "a list",
    type(None): "null",
}
EXPECTED = {
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "datetime": "a date in ISO 8601",
}


def expectation(feature: Feature) -> str:
    """What a value of this feature must be, in words."""
    if feature.unknown == "refused" and feature.categories:
        return f"one of {some([_as_json(each) for each in feature.categories])}"
    if feature.kind == "string" and feature.categories:
        return f"a string, such as {some([_as_json(each) for each in feature.categories])}"
    return EXPECTED.get(feature.kind, "a number, a string, true or false")


def name_of(value: Any) -> str:
    """The JSON name of a decoded value's type; the value itself may be confidential."""
    return JSON_NAMES.get(type(value), "an object")


def shown(feature: Feature, value: Any) -> str:
    """The type of a value; also the value, if a category differs from it only in its type."""
    known = {_bare(each) for each in feature.categories or ()}
    if type(value) not in (int, float, bool, str) or _bare(value) not in known:
        return name_of(value)
    return f"the {name_of(value).removeprefix('a ')} {_as_json(value)}"


def some(names: Sequence[Any]) -> str:
    """A list of names for a sentence, cut after MAX_SHOWN_NAMES."""
    text = ", ".join(str(name) for name in names[:MAX_SHOWN_NAMES])
    more = len(names) - MAX_SHOWN_NAMES
    return f"{text} and {more} more" if more > 0 else text


def escape(name: object) -> str:
    """A name as a step of a JSON Pointer (RFC 6901), cut after MAX_NAME_CHARACTERS."""
    text = str(name)[:MAX_NAME_CHARACTERS].encode("utf-8", "replace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def _bare(value: Any) -> str:
    """A value as text without its type: 2, 2.0 and "2" are all "2"."""
    return str(value).lower().removesuffix(".0")


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
