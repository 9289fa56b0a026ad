"""The log, for a person: lines on standard error."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any


class TextFormatter(logging.Formatter):
    """Readable lines: `WARNING message`.

    A traceback names the exception and where it was raised, and leaves out its message: that is
    where a library quotes the values it was given.
    """

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(message)s")

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback of an exception, and of those that led to it, without their messages."""
        parts: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None:
            kind = type(error)
            stack = "".join(traceback.format_tb(error.__traceback__))
            parts.append(
                f"Traceback (most recent call last):\n{stack}{kind.__module__}.{kind.__qualname__}"
            )
            before = None if error.__suppress_context__ else error.__context__
            error = error.__cause__ or before
        return "\n\nwhich led to\n\n".join(reversed(parts))


def configure(
    level: str = "warning", formatter: logging.Formatter | None = None, *others: str
) -> None:
    """Send the log of models, and of the loggers `others`, to standard error from `level` on.

    The warnings of libraries go there, too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter or TextFormatter())
    logging.captureWarnings(capture=True)
    for name in ("models", *others, "py.warnings"):
        logger = logging.getLogger(name)
        if name != "py.warnings":
            logger.setLevel(level.upper())
        logger.addHandler(handler)
        logger.propagate = False
