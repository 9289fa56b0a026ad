"""JSON: a sample, a list of samples, an object around such a list, or a table of pandas."""

from __future__ import annotations

import codecs
from collections.abc import Collection

import msgspec

from api.formats import documents
from api.formats.envelope import envelope
from api.formats.format import Format
from api.formats.frames import FrameReader
from models.errors import MalformedBody
from models.rows.batch import Batch
from models.text.contract import Contract
from models.text.parse import parse
from models.text.samples import SampleReader


class JsonReader:
    """Reads JSON of one signature: quickly, or if that fails slowly, to say what is wrong."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._limits = contract.limits
        self.samples = SampleReader(contract)
        self._numbered = _numbered(contract)
        self._frames = FrameReader(contract, self.samples)

    def read(self, body: bytes, *, ignore: bool = False) -> Batch:
        """Read a body; with `ignore`, names that are no features are ignored.

        Raises MalformedBody with the position, InvalidRows with the places, TooLarge.
        """
        return self.samples.read(body) or self.read_others(body, ignore=ignore)

    def read_enveloped(self, body: bytes, names: Collection[str], *, ignore: bool) -> Batch:
        """Read a body that must be `{name: [...]}` with one of these names; raises as `read`."""
        body = body.removeprefix(codecs.BOM_UTF8)
        self._limits.check_json(body)
        if (found := envelope(body, names)) and (batch := self.samples.read_list(*found)):
            return batch
        document = parse(body)
        given = [name for name in names if name in document] if isinstance(document, dict) else []
        if len(given) != 1 or not isinstance(document[given[0]], list):
            expected = " or ".join(f'{{"{name}": [...]}}' for name in names)
            raise MalformedBody(f"The body is not of this protocol: expected {expected}.")
        return documents.read(self._contract, document, ignore=ignore)

    def explain(self, body: bytes, *, ignore: bool = False) -> Batch:
        """Read a body as `read` does, slowly, to say what is wrong and where."""
        return documents.read(self._contract, parse(body), ignore=ignore)

    def read_others(self, body: bytes, *, ignore: bool) -> Batch:
        """Read a body with a byte order mark, a table, numbers as names, or with errors."""
        if body.startswith(codecs.BOM_UTF8):
            body = body.removeprefix(codecs.BOM_UTF8)
            if batch := self.samples.read(body):
                return batch
        if self._numbered and b'"0"' in body and (batch := self._numbered.read(body)):
            return batch
        self._limits.check_json(body)
        return self._frames.read(body) or self.explain(body, ignore=ignore)


def _numbered(contract: Contract) -> SampleReader | None:
    """Reads objects by the numbers of columns; None if the columns have names.

    scikit-learn keeps no names from a DataFrame of `read_csv(header=None)`, and `to_json` writes
    the numbers.
    """
    signature = contract.signature
    if signature.named or signature.form != "table" or signature.features[0].name == "0":
        return None
    features = tuple(
        msgspec.structs.replace(feature, name=str(j))
        for j, feature in enumerate(signature.features)
    )
    signature = msgspec.structs.replace(signature, features=features)
    return SampleReader(msgspec.structs.replace(contract, signature=signature))


FORMAT = Format(
    "application/json",
    lambda contract, **_: JsonReader(contract).read,
    "A row, a list of rows, an object around such a list, or a table of pandas.",
    aliases=("", "text/json"),
    suffixes=(".json",),
    example=lambda row: msgspec.json.encode(row).decode(),
)
