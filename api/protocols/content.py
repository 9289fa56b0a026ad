"""`GET /content/...`: what the service has counted of its predictions, and none of their values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from api.answers import Document
from api.errors import Answer, NotAcceptable, Problem, UnknownOption, UnknownThing
from api.feedback import content, content_service, tables
from api.feedback.content import HOURS_A_DAY, Span
from api.feedback.facts import HOUR_SECONDS
from api.feedback.recorder import recorder
from api.formats.writers import JSON, preferred
from api.http.request import Request
from api.http.route import Route, Site, Tag

TAG = Tag("Content", "What the service has counted of its predictions: how good they are, drift.")
CSV = "text/csv"
FORMATS = {"json": JSON, "csv": CSV}
DEFAULT_HOURS = 24
MAX_HOURS = 24 * 366
# A series of more hours is one of days, unless the query says it.
MAX_SERIES_HOURS = 48


class Value(NamedTuple):
    """One value: how it is made, and which of its lists a table has, without a series and with."""

    make: Callable[[Site, Span], Document]
    summary: str
    table: str
    series: str = ""
    counted: bool = True


VALUES: dict[str, Value] = {
    "predictions": Value(
        content.predictions, "How many rows were answered, by version", "versions", "series"
    ),
    "latency": Value(
        content_service.latency, "How long requests took", "milliseconds", counted=False
    ),
    "inputs": Value(content.inputs, "Each feature against its training: drift", "features"),
    "outputs": Value(content.outputs, "The answers against the training: drift", "answers.bins"),
    "selections": Value(
        content.selections, "The truths that were told of predictions", "labels", "series"
    ),
    "accuracy": Value(
        content.accuracy, "How good the answers were, against the card", "versions", "days"
    ),
    "tasks": Value(content_service.tasks, "The tasks by state", "", counted=False),
    "models": Value(
        content_service.models, "The versions, and when each served", "versions", counted=False
    ),
    "info": Value(
        content_service.info, "What is kept of predictions, and where", "", counted=False
    ),
}


class NoCounts(Problem):
    """The service counts no predictions, or cannot read its counts now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


def routes(site: Site) -> Iterator[Route]:
    """One route for each value, and one for all other names, which names those there are."""
    is_open = site.settings.lock_metrics == "false"
    for name, value in VALUES.items():
        yield Route(
            verb="GET",
            path=f"/content/{name}",
            handler=partial(show, site, name),
            tag=TAG,
            name=f"content_{name}",
            summary=value.summary,
            parameters=("hours", "by", "table"),
            gives={JSON: f"Content{name.capitalize()}", CSV: "Text"},
            errors=(400, 406, 503),
            open=is_open,
            listed=name == "info",
        )
    yield Route(verb="GET", path="/content/<value>", handler=miss, by_flask=True, open=is_open)


def miss(value: str) -> Any:
    """Name the values that there are."""
    del value
    *most, last = VALUES
    raise UnknownThing(f"Expected /content/ with {', '.join(most)} or {last} behind it.")


def show(site: Site, name: str, request: Request) -> Answer:
    """Answer with one value. Raises UnknownOption, NotAcceptable, NoCounts."""
    query = parse_qs(request.query, keep_blank_values=True)
    media_type, by = _media_type(request, query), _by(query)
    span = _span(query, by)
    value = VALUES[name]
    if value.counted and recorder.mode == "off":
        raise NoCounts(f"There are no counts: {recorder.reason}.")
    try:
        if value.counted:
            recorder.fold(everything=True)
        document = value.make(site, span)
    except OSError as error:
        raise NoCounts(f"The counts cannot be read now: {error}.") from None
    if name == "info":
        document.values = list(VALUES)  # type: ignore[attr-defined]
    headers = {"Content-Type": media_type, "Cache-Control": "no-store"}
    if media_type == JSON:
        return Answer(HTTPStatus.OK, headers, msgspec.json.encode(document))
    path = value.series if by and value.series else value.table
    return Answer(HTTPStatus.OK, headers, tables.write(document, path))


def _media_type(request: Request, query: dict[str, list[str]]) -> str:
    """The form that `?format=` names, or else Accept."""
    if "format" in query:
        if (given := query["format"][-1]) not in FORMATS:
            raise UnknownOption(f"Expected format={' or format='.join(FORMATS)} in the query.")
        return FORMATS[given]
    found = preferred(request.accept, tuple(FORMATS.values()))
    if found is None:
        raise NotAcceptable(f"The answer can be {' or '.join(FORMATS.values())}.")
    return found


def _by(query: dict[str, list[str]]) -> str:
    given = query.get("by", [""])[-1]
    if given not in ("", "hour", "day"):
        raise UnknownOption("Expected by=hour or by=day in the query.")
    return given


def _span(query: dict[str, list[str]], by: str) -> Span:
    """The hours that are asked about: this one, and those before it."""
    given = query.get("hours", [str(DEFAULT_HOURS)])[-1]
    hours = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0
    if not 1 <= hours <= MAX_HOURS:
        raise UnknownOption(
            f"Expected a whole number from 1 to {MAX_HOURS} in the query, as in hours=24."
        )
    each = HOURS_A_DAY if (by or hours > MAX_SERIES_HOURS) and by != "hour" else 1
    return Span(hours, int(time.time() // HOUR_SECONDS) - hours + 1, each)
