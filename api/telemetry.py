"""Logs that a machine can read, and an id on every request."""

from __future__ import annotations

import logging
import re
import sys
import uuid

import msgspec
from flask import Flask, Response, g, request

REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the names that Google Cloud Logging reads.

    Source: "Structured logging", Cloud Logging documentation.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line for one record; a traceback goes into `message`, for Error Reporting."""
        entry = {"severity": record.levelname, "message": super().format(record)}
        return msgspec.json.encode(entry).decode()


def configure_logging() -> None:
    """Send the service's log, and the warnings of libraries, to the standard error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.captureWarnings(capture=True)
    for name in ("api", "py.warnings"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False


def request_id(given: str) -> str:
    """The caller's id of a request if it is a plain word, else a new one."""
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def init_app(app: Flask, version: str) -> None:
    """Give every request an id, and name the request and the model in every answer."""

    @app.before_request
    def name_request() -> None:
        g.request_id = request_id(request.headers.get("X-Request-Id", ""))

    @app.after_request
    def name_answer(response: Response) -> Response:
        response.headers.update(names(g.request_id, version))
        return response


def names(request_id: str, version: str) -> dict[str, str]:
    """The headers that every answer carries."""
    return {"X-Request-Id": request_id, "X-Model-Version": version}
