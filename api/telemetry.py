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


def init_app(app: Flask, version: str) -> None:
    """Give every request an id, its caller's if that is a plain word, and name the model."""

    @app.before_request
    def name_request() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

    @app.after_request
    def name_answer(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers["X-Model-Version"] = version
        return response
