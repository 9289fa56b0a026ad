"""The request that this thread answers: log lines name it, and whatever waits ends with it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.http.request import Request

current: ContextVar[Request | None] = ContextVar("current", default=None)
