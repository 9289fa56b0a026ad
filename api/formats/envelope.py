"""The object around the rows of a JSON body, as in `{"instances": [...]}`."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np

from api.formats.limits import PIECE_BYTES

# The names that MLflow, Vertex AI and KServe give to the rows.
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
# MLflow's and Vertex AI's names for parameters of the model. scikit-learn's models take none.
PARAMETERS = ("params", "parameters")
NO_PARAMETERS = (b"null", b"{}")
# What msgspec raises on bodies that have to be read slowly.
NOT_FAST = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
COLON = ord(":")
# From so many bytes on, numpy counts faster than Python.
NUMPY_BYTES = 10_000

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def envelope(body: bytes, names: Collection[str]) -> tuple[bytes, str] | None:
    """The rows under one of these names, as JSON, and the JSON Pointer of the rows.

    None if the body has anything else in it, except empty parameters.
    """
    try:
        given = _decoder.decode(body)
    except NOT_FAST:
        return None
    forms = [name for name in given if name in names]
    others = (bytes(raw) in NO_PARAMETERS for name, raw in given.items() if name in PARAMETERS)
    if len(forms) != 1 or sum(others) != len(given) - 1:
        return None
    rows = bytes(given[forms[0]])
    return None if may_repeat_names(body, len(given), rows) else (rows, f"/{forms[0]}")


def may_repeat_names(body: bytes, names: int, inner: bytes = b"") -> bool:
    """Whether a JSON object may have a name twice, of which msgspec keeps the last silently.

    `names` is how many names msgspec has decoded, outside of the part `inner`. Each name has a
    colon, so more colons stand in a text or behind a repeated name.
    """
    return _count_colons(body) - _count_colons(inner) != names


def _count_colons(body: bytes) -> int:
    if len(body) < NUMPY_BYTES:
        return body.count(b":")
    view = np.frombuffer(body, np.uint8)
    # In pieces, since a comparison allocates as many bytes as it compares.
    pieces = (view[at : at + PIECE_BYTES] for at in range(0, len(view), PIECE_BYTES))
    return sum(int(np.count_nonzero(piece == COLON)) for piece in pieces)
