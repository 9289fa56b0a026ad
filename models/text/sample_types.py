"""msgspec types of one row, made from a signature."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from models.signature.types import Feature, Signature

# msgspec keeps integers within int64 as integers; larger ones are read slowly.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
TYPES: dict[str, Any] = {
    "unused": Int64 | float | str | bool,
    "number": float | bool,
    "string": str,
    "boolean": bool,
    "datetime": str,
    "any": Int64 | float | str | bool,
}
# Characters of a name that msgspec refuses in the name of a field.
NOT_IN_A_FIELD = re.compile(r'[\x00-\x1f"\\]')


class SampleTypes(NamedTuple):
    """A row by names, a row as a list, and any form of a row that a list of rows may have."""

    row: Any
    values: Any
    sample: Any


def sample_types(signature: Signature) -> SampleTypes:
    """The types that JSON of this signature is decoded into."""
    if signature.form == "mapping":
        mapping = _generic(dict, str, TYPES["any"])
        return SampleTypes(dict, mapping, mapping)
    types = [_type(feature) for feature in signature.features]
    row = msgspec.defstruct(
        "Row",
        [
            _field(f"f{j}", feature, type_)
            for j, (feature, type_) in enumerate(zip(signature.features, types, strict=True))
        ],
        forbid_unknown_fields=True,
        gc=False,
        kw_only=True,
    )
    values = _generic(tuple, *types)
    if len(types) == 1:
        # A list of any length, which the reader checks: msgspec 0.22 fails on a tuple of one value
        # beside a bounded integer.
        return SampleTypes(row, values, row | _generic(tuple, types[0], ...) | types[0])
    return SampleTypes(row, values, row | values)


def _generic(container: Any, *arguments: Any) -> Any:
    """A generic type made at run time, which a type checker cannot follow."""
    return container[arguments]


def _field(place: str, feature: Feature, type_: Any) -> tuple[str, Any, Any]:
    """A field of the struct of a row; the field of an unused column may be left out."""
    # A random name for a name that msgspec refuses: no object has it, so that objects are read
    # slowly, and lists are not.
    name = secrets.token_hex() if NOT_IN_A_FIELD.search(feature.name) else feature.name
    if feature.kind == "unused":
        return place, type_ | UnsetType, msgspec.field(name=name, default=UNSET)
    return place, type_, msgspec.field(name=name)


def _type(feature: Feature) -> Any:
    base: Any = TYPES[feature.kind]
    if feature.kind == "number" and feature.categories is not None:
        base = Int64 | float
    elif feature.kind == "number" and feature.sent:
        base = Int64 | float | bool
    return base | None if feature.missing else base
