"""Feedback: what a person has chosen, or what has turned out to be true of a prediction."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from api.answers import Chosen, Told
from api.errors import Answer, Problem, UnknownThing
from api.feedback.recorder import recorder
from api.formats.writers import JSON
from api.http.request import Request
from api.http.route import Route, Site, Tag
from api.protocols.inference import Expired, may_see
from api.server.aside import aside
from models.errors import Place

if TYPE_CHECKING:
    from api.feedback.facts import Selection
    from api.feedback.truth import Choice, Classes, Predicted

TAG = Tag("Feedback", "The truth of predictions, as people choose it or as it turns out.")
# Places that one answer lists of predictions that are not here.
MAX_LISTED = 100
ERRORS = (400, 404, 409, 410, 411, 413, 415, 422, 503)
NOT_HERE = (
    "No prediction that is kept has this id: it stands in X-Prediction-Id of an answer whose rows "
    "are kept, and for tasks in task_id."
)
TOO_OLD = "This prediction is not kept any more: predictions are kept for {} (PREDICTION_TTL)."
DAY_SECONDS = 86_400


class NoFeedback(Problem):
    """The service keeps no predictions, or cannot keep them now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, reason: str) -> None:
        super().__init__(f"This service takes no feedback: {reason}.")


def routes(site: Site) -> Iterator[Route]:
    """`PUT /inference/select`, with and without a slash behind it, and `POST /feedback`."""
    own = partial(Route, tag=TAG)
    for path in ("/inference/select", "/inference/select/"):
        yield own(
            verb="PUT",
            path=path,
            handler=partial(select, site),
            name="select",
            summary="" if path.endswith("/") else "Tell what is true of a prediction",
            takes="choice",
            gives={JSON: "Chosen"},
            errors=ERRORS,
            listed=not path.endswith("/"),
        )
    yield own(
        verb="POST",
        path="/feedback",
        handler=partial(tell, site),
        name="feedback",
        summary="Tell what is true of many predictions",
        takes="feedback",
        gives={JSON: "Told"},
        # A prediction that is not here is counted, and refuses no others.
        errors=tuple(status for status in ERRORS if status not in (404, 410)),
        listed=True,
    )


def select(site: Site, request: Request) -> Answer:
    """Keep one choice, and answer with it.

    Raises MalformedBody, Wrong, UnknownThing, Expired, NoFeedback.
    """
    # Many services are never told.
    from api.feedback import bodies, truth

    _check()
    choice = bodies.choice_in(bodies.read_one(site.service, request), "")
    with _reached():
        selection = _selection(site, request, choice, "", partial(truth.classes_of, site))
        _keep(site, [selection])
    return _answer(_chosen(selection))


def tell(site: Site, request: Request) -> Answer:
    """Keep many choices: all that have a prediction, once each of them can be read.

    Raises MalformedBody, Wrong, TooLarge, UnsupportedType, NoFeedback.
    """
    from api.feedback import bodies

    _check()
    given = bodies.read(site.service, request)
    if not given:
        raise bodies.Wrong([Place("", "expected at least one choice")])
    site.service.contract.check_count(len(given))
    selections, lost = _selections(site, request, given)
    with _reached():
        _keep(site, selections)
    return _answer(
        Told(
            kept=len(selections),
            unknown=len(lost["unknown"]),
            expired=len(lost["expired"]),
            unknown_places=lost["unknown"][:MAX_LISTED],
            expired_places=lost["expired"][:MAX_LISTED],
        )
    )


def _selections(
    site: Site, request: Request, given: list[tuple[str, Any]]
) -> tuple[list[Selection], dict[str, list[str]]]:
    """The selections of many choices, and where those stand whose prediction is not kept.

    Raises Wrong where one of them cannot be taken.
    """
    from api.feedback import bodies, truth

    selections: list[Selection] = []
    places: list[Place] = []
    lost: dict[str, list[str]] = {"unknown": [], "expired": []}
    classes_of = cache(partial(truth.classes_of, site))
    for pointer, value in given:
        try:
            choice = bodies.choice_in(value, pointer)
            with _reached():
                selections.append(_selection(site, request, choice, pointer, classes_of))
        except UnknownThing:
            lost["unknown"].append(pointer)
        except Expired:
            lost["expired"].append(pointer)
        except bodies.Wrong as error:
            places.extend(error.places)
    if places:
        raise bodies.Wrong(places)
    return selections, lost


def _check() -> None:
    """Raise NoFeedback where no rows are kept."""
    if recorder.mode != "all":
        raise NoFeedback(recorder.reason)


def _selection(
    site: Site, request: Request, choice: Choice, pointer: str, classes_of: Classes
) -> Selection:
    """The selection of a choice. Raises Wrong, UnknownThing, Expired, OSError."""
    from api.feedback import bodies, truth

    try:
        find = _of_answer if choice.task_id is UNSET else _of_task
        try:
            predicted = find(site, choice)
        except (UnknownThing, Expired):
            # What is wrong for any prediction is told first.
            truth.check_label(choice, site.service.model)
            raise
        classes = classes_of(predicted.version)
        return truth.selection_of(choice, predicted, classes, request.key or "")
    except truth.Untold as error:
        raise bodies.Wrong([Place(f"{pointer}/{error.name}", error.expected)]) from None


def _of_answer(site: Site, choice: Choice) -> Predicted:
    """What was predicted in an answer. Raises Untold, UnknownThing, Expired."""
    from api.feedback import truth

    settings = site.settings
    try:
        found = truth.find(choice, settings.prediction_ttl)
    except truth.Old:
        raise Expired(TOO_OLD.format(_duration(settings.prediction_ttl))) from None
    except truth.Unknown:
        if not settings.feedback_uri:
            raise UnknownThing(NOT_HERE) from None
        # Another instance has answered: whoever brings all together finds the prediction.
        return truth.Predicted(*truth.place_of(choice), None, "")
    if found.owner and not may_see(found.owner, settings):
        raise UnknownThing(NOT_HERE)
    return truth.Predicted(found.id, found.row, found.label, found.version)


def _of_task(site: Site, choice: Choice) -> Predicted:
    """What was predicted for a row of a task. Raises Untold, UnknownThing, Expired, Conflict."""
    from api.feedback import tasks

    return tasks.predicted(site, choice)


def _keep(site: Site, selections: Iterable[Selection]) -> None:
    """Keep selections for good. Raises OSError."""
    found = list(selections)
    if site.settings.feedback_uri and found:
        # The store of an instance may end with it.
        from api.feedback import bucket

        with aside:
            bucket.write(site.settings, found)
    recorder.store.select(found)


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Reach the store: where it cannot be read or written, NoFeedback says so."""
    try:
        yield
    except OSError as error:
        raise NoFeedback(f"it cannot be kept now ({error}), so tell it again later") from None


def _duration(seconds: float) -> str:
    days = seconds / DAY_SECONDS
    return f"{days:g} days" if days > 1 and days == int(days) else f"{seconds:g} seconds"


def _chosen(selection: Selection) -> Chosen:
    """A selection as its sender gets it."""
    is_known = bool(selection.version)
    same = selection.label == selection.predicted
    return Chosen(
        prediction_id=selection.id,
        row=selection.row,
        label=selection.label,
        predicted=selection.predicted,
        correct=same if is_known and not selection.is_number else None,
        version=selection.version,
        at=dt.datetime.fromtimestamp(selection.at, dt.UTC).isoformat(timespec="milliseconds"),
    )


def _answer(document: Chosen | Told) -> Answer:
    headers = {"Content-Type": JSON, "Cache-Control": "no-store"}
    return Answer(HTTPStatus.OK, headers, msgspec.json.encode(document))
