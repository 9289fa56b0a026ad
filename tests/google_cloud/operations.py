"""Long-running operations, as all APIs answer what takes them a while."""

from __future__ import annotations

import secrets
from typing import Any

Json = dict[str, Any]


def finished(parent: str, response: Json, kind: str = "google.protobuf.Empty") -> Json:
    """An operation under this parent that has come to its end already."""
    name = f"{parent}/operations/{secrets.token_hex(8)}".lstrip("/")
    return {
        "name": name,
        "done": True,
        "response": {"@type": f"type.googleapis.com/{kind}"} | response,
    }
