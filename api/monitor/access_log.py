"""One line in the log for each request, with no value that was sent."""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import quote

from api.http.request import Request
from models.files import DIGITS

MAX_PATH_CHARACTERS = 200

# These lines are logged at any LOG_LEVEL.
log = logging.getLogger("api.access")


def finish(request: Request, status: int, headers: dict[str, str]) -> None:
    """Log the answer to a request.

    The query is left out, since it may hold values.
    """
    path = quote(request.path.encode("latin-1"), safe="/:@*")[:MAX_PATH_CHARACTERS]
    milliseconds = round(1000 * (time.perf_counter() - request.started), 2)
    fields: dict[str, Any] = {
        "method": request.verb,
        "path": path or "-",
        "status": int(status),
        "ms": milliseconds,
    }
    more = {
        "rows": request.rows,
        "request_id": request.id,
        "key": request.key,
        "version": headers["X-Model-Version"][:DIGITS],
    }
    more = {name: value for name, value in more.items() if value is not None}
    log.info(
        "%s %s %d %s ms%s",
        *fields.values(),
        "".join(f" {name}={value}" for name, value in more.items()),
        extra={"fields": fields | more},
    )
