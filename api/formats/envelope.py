"""The object around the rows of a JSON body, as in `{"instances": [...]}`."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from models.text.samples import NOT_FAST, may_repeat_names

# The names that MLflow, Vertex AI and KServe give to the rows.
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
# MLflow's and Vertex AI's names for parameters of the model. scikit-learn's models take none.
PARAMETERS = ("params", "parameters")
NO_PARAMETERS = (b"null", b"{}")

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
