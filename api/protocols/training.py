"""Training: a new version of the model as a task, which its administrators hand in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

import msgspec

from api.answers import TaskBegun
from api.errors import Answer, Conflict
from api.formats.writers import JSON
from api.http.request import Request
from api.http.route import Route, Site, Tag
from api.protocols.inference import RETRY_SECONDS, cancel, look, results
from api.protocols.versions import NO_STORE
from models.errors import MalformedBody

TAG = Tag("Training", "Train a new version of the model; it takes over if it is better.")


def routes(site: Site) -> Iterator[Route]:
    """The routes of `/train/`, which need a key of ADMIN_KEYS."""
    own = partial(Route, tag=TAG, admin=True)

    def told(summary: str) -> str:
        return summary if site.settings.admin_keys else ""

    yield own(
        verb="POST",
        path="/train/start",
        handler=partial(start, site),
        name="start_training",
        summary=told("Train a new version of the model"),
        takes="training",
        parameters=("Idempotency-Key",),
        gives={JSON: "TaskBegun"},
        status=HTTPStatus.ACCEPTED,
        errors=(400, 409, 411, 413, 415, 422, 503),
    )
    yield own(
        verb="GET",
        path="/train/status/<id>",
        handler=partial(look, site),
        by_flask=True,
        parameters=("id",),
        name="training_status",
        summary=told("How far a training is"),
        gives={JSON: "TaskState"},
        errors=(404, 410, 503),
    )
    yield own(
        verb="GET",
        path="/train/results/<id>",
        handler=partial(results, site),
        by_flask=True,
        parameters=("id",),
        name="training_results",
        summary=told("The report of a training: metrics, comparison, and whether it took over"),
        gives={JSON: "TrainingReport"},
        errors=(404, 406, 409, 410, 422, 503),
    )
    yield own(
        verb="DELETE",
        path="/train/<task:id>",
        handler=partial(cancel, site),
        by_flask=True,
        parameters=("id",),
        name="cancel_training",
        summary=told("End a training"),
        gives={JSON: "TaskState"},
        status=HTTPStatus.ACCEPTED,
        errors=(404, 410, 503),
    )


def start(site: Site, request: Request) -> Answer:
    """Accept a training; raises MalformedBody, Conflict while another one runs, and NoTasks."""
    # Few services train.
    from api.tasks import accept_training
    from api.tasks.accept import key_of
    from api.tasks.desk import asked, desk

    swap = site.swap
    if swap is None:
        raise Conflict(NO_STORE)
    try:
        body = msgspec.json.decode(site.service.body(request) or b"{}", type=accept_training.Asked)
    except msgspec.DecodeError as error:
        expected = 'no body, or {"activate": "if-better", "feedback": true}'
        raise MalformedBody(f"Expected {expected}: {error}.") from None
    if body.feedback:
        accept_training.check_feedback(site.settings, site.service.model.signature)
    with asked():
        found = accept_training.accept(
            swap.store,
            desk(site.settings),
            body,
            owner=request.key or "",
            version=site.service.model.version,
            key=key_of(request),
        )
    headers = {
        "Content-Type": JSON,
        "Location": f"/train/status/{found.id}",
        "Retry-After": str(RETRY_SECONDS),
    }
    begun = TaskBegun(found.id, found.state, "training")
    return Answer(HTTPStatus.ACCEPTED, headers, msgspec.json.encode(begun))
