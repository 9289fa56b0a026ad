"""One line in the log for each request, with no value that was sent."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from api.http.compression import Headers

MAX_PATH_CHARACTERS = 200

# Its lines are wanted whatever LOG_LEVEL says of all others.
log = logging.getLogger("api.access")


def finish(environ: dict[str, Any], status: int, _: Headers, started: float) -> None:
    """Log an answer to a request that was taken up at `started`, by time.perf_counter.

    The query is left out, since it may hold values.
    """
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@*")[:MAX_PATH_CHARACTERS]
    milliseconds = round(1000 * (time.perf_counter() - started), 2)
    fields: dict[str, Any] = {
        "method": environ["REQUEST_METHOD"],
        "path": path or "-",
        "status": int(status),
        "ms": milliseconds,
    }
    more = {
        "rows": environ.get("api.rows"),
        "request_id": environ.get("api.request_id"),
        "key": environ.get("api.key"),
    }
    more = {name: value for name, value in more.items() if value is not None}
    log.info(
        "%s %s %d %s ms%s",
        *fields.values(),
        "".join(f" {name}={value}" for name, value in more.items()),
        extra={"fields": fields | more},
    )
