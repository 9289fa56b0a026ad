"""Logs for a person or for Google Cloud."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from api.http.request import current
from models import logs

# Source: W3C Trace Context, section 3.2; later versions may add fields at the end.
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
# Source: "Trace context", Cloud Trace documentation; the span is a decimal number.
CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]+))?", re.ASCII)


class JsonFormatter(logs.TextFormatter):
    """One JSON object a line, with the names that Google Cloud Logging reads.

    Source: "Structured logging", Cloud Logging documentation. `project` is the Google Cloud
    project of the traces; without it a trace is named by its bare id.
    """

    def __init__(self, project: str = "") -> None:
        logging.Formatter.__init__(self)
        self._prefix = f"projects/{project}/traces/" if project else ""

    def format(self, record: logging.LogRecord) -> str:
        """The line for one record; a traceback goes into `message`, for Error Reporting."""
        entry: dict[str, Any] = {"severity": record.levelname, "message": super().format(record)}
        entry |= getattr(record, "fields", {})
        if (request := current.get()) is not None:
            entry["request_id"] = request.id
            if request.key:
                entry["key"] = request.key
            entry |= trace(request.environ, self._prefix)
        return msgspec.json.encode(entry).decode()


def trace(environ: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields that tie a log line to the trace of a request, none if it has no valid one."""
    if found := TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", "")):
        name, span, flags = found.groups()
        sampled = bool(int(flags, 16) & 1)
    elif found := CLOUD_TRACE.fullmatch(environ.get("HTTP_X_CLOUD_TRACE_CONTEXT", "")):
        name, number, options = found.groups()
        span = f"{int(number):016x}" if number else ""
        sampled = bool(int(options or "0") & 1)
    else:
        return {}
    fields = {"logging.googleapis.com/trace": prefix + name}
    if span:
        fields["logging.googleapis.com/spanId"] = span
    return fields | {"logging.googleapis.com/trace_sampled": sampled}


def configure_logging(*, json: bool, project: str = "", level: str = "warning") -> None:
    """Send the service's log from `level` on, and the warnings of libraries, to standard error."""
    logs.configure(level, JsonFormatter(project) if json else None, "api")
