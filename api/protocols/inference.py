"""Long work: a task is accepted at once, and its state and results are asked for later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET

from api.answers import TaskBegun, Tasks, TaskState
from api.errors import Answer, Conflict, NotAcceptable, Problem, UnknownOption, UnknownThing
from api.formats.writers import JSON, preferred
from api.http.request import Request, current
from api.http.route import Route, Site, Tag
from api.settings import Settings
from models.errors import Place

TAG = Tag(
    "Tasks",
    "Work that takes longer than a request: it is accepted, and its results are asked for later.",
)
RETRY_SECONDS = 1
MAX_LISTED = 1000
MAX_DIGITS = 15
FORMS = {JSON: "TaskResults", "text/csv": "Text", "application/x-ndjson": "Text"}
FORMATS = dict(zip(("json", "csv", "ndjson"), FORMS, strict=True))


class Expired(Problem):
    """The task is not kept any more."""

    status = HTTPStatus.GONE


def routes(site: Site) -> Iterator[Route]:
    """The routes of `/inference/`, and `GET /tasks` for administrators."""
    own = partial(Route, tag=TAG)
    yield own(
        verb="POST",
        path="/inference/start",
        handler=partial(start, site),
        name="start_inference",
        summary="Answer rows later: any body of /predict, or the name of a file",
        takes="task",
        parameters=("method", "Idempotency-Key"),
        gives={JSON: "TaskBegun"},
        status=HTTPStatus.ACCEPTED,
        errors=(403, 503),
        listed=True,
    )
    yield own(
        verb="GET",
        path="/inference/status/<id>",
        handler=partial(look, site),
        by_flask=True,
        parameters=("id",),
        name="inference_status",
        summary="How far a task is",
        gives={JSON: "TaskState"},
        errors=(404, 410, 503),
    )
    yield own(
        verb="GET",
        path="/inference/results/<id>",
        handler=partial(results, site),
        by_flask=True,
        parameters=("id", "offset", "limit", "format"),
        name="inference_results",
        summary="The results of a task, whole or by pages",
        gives=FORMS,
        errors=(400, 404, 406, 409, 410, 422, 503),
    )
    yield own(
        verb="DELETE",
        path="/inference/<task:id>",
        handler=partial(cancel, site),
        by_flask=True,
        parameters=("id",),
        name="cancel_inference",
        summary="Cancel a task",
        gives={JSON: "TaskState"},
        status=HTTPStatus.ACCEPTED,
        errors=(404, 410, 503),
    )
    yield own(
        verb="GET",
        path="/tasks",
        handler=partial(listed, site),
        name="tasks",
        parameters=("state", "limit"),
        summary="The tasks that are kept, the newest first" if site.settings.admin_keys else "",
        gives={JSON: "Tasks"},
        errors=(400, 503),
        admin=True,
    )


def preferred_later(site: Site, method: str, request: Request) -> Answer | None:
    """Accept a task if `Prefer: respond-async` asks for it; None if not, or if none are taken."""
    given = request.header("Prefer") or ""
    wishes = {wish.partition(";")[0].strip().lower() for wish in given.split(",")}
    if "respond-async" not in wishes:
        return None
    from api.tasks.desk import NoTasks, desk

    try:
        desk(site.settings)
    except NoTasks:
        return None
    answer = start(site, request, method)
    answer.headers["Preference-Applied"] = "respond-async"
    return answer


def start(site: Site, request: Request, method: str = "") -> Answer:
    """Accept a task, whose rows are checked first.

    Raises what `/predict` raises for them, and NoTasks where no tasks are taken now.
    """
    # Most requests are no tasks.
    from api.tasks import accept
    from api.tasks.desk import asked, desk

    with asked():
        found = accept.accept(site.service, site.settings, desk(site.settings), request, method)
    begun = TaskBegun(found.id, found.state, "inference")
    headers = {
        "Content-Type": JSON,
        "Location": f"/inference/status/{found.id}",
        "Retry-After": str(RETRY_SECONDS),
    }
    return Answer(HTTPStatus.ACCEPTED, headers, msgspec.json.encode(begun))


def look(site: Site, id: str) -> Any:  # noqa: A002
    """How far a task is."""
    state = state_of(find(site, id))
    headers = {} if state.ended else {"Retry-After": str(RETRY_SECONDS)}
    return state.plain(), {**headers, "Cache-Control": "no-store"}


def cancel(site: Site, id: str) -> Any:  # noqa: A002
    """End a task between two chunks; nothing is done if it has ended."""
    from api.tasks.desk import asked, desk

    find(site, id)
    with asked():
        revoked = desk(site.settings).store.revoke(id)
    if not revoked:
        return "", HTTPStatus.NO_CONTENT
    return state_of(find(site, id)).plain(), HTTPStatus.ACCEPTED


def results(site: Site, id: str) -> Any:  # noqa: A002
    """The results of a task that has ended well."""
    from api.tasks import results as writers
    from api.tasks.desk import asked, desk

    request = _request()
    offset, limit = _number(request, "offset", 0), _number(request, "limit", None)
    _media_type(request, tuple(FORMS))
    task = find(site, id)
    media_type = _media_type(request, (JSON,) if task.type == "training" else tuple(FORMS))
    check_success(task)
    with asked():
        store = desk(site.settings).store
        if not store.has_results(id):
            raise Expired("Results of this task were removed from the disk: start it again.")
        if task.type == "training":
            return store.results(id, 0), {"Content-Type": JSON, "Cache-Control": "no-store"}
        part = writers.Part(store, task, store.chunks(id), offset or 0, limit)
    headers = {"Content-Type": media_type, "Cache-Control": "no-store"}
    if limit and part.offset + limit < task.rows_done:
        following = f"/inference/results/{id}?offset={part.offset + limit}&limit={limit}"
        if "format=" in request.query:
            following += f"&format={dict(zip(FORMS, FORMATS, strict=True))[media_type]}"
        headers["Link"] = f'<{following}>; rel="next"'
    request.stream = writers.WRITERS[media_type](part)
    return "", headers


def listed(site: Site, request: Request) -> Answer:
    """The tasks in one state, or all."""
    from api.tasks.desk import asked, desk
    from api.tasks.task import STATES

    state = parse_qs(request.query).get("state", [""])[-1]
    if state and state not in STATES:
        raise UnknownOption(f"Expected state={' or state='.join(STATES)} in the query.")
    limit = min(_number(request, "limit", 100) or 0, MAX_LISTED)
    with asked():
        found = desk(site.settings).store.recent(state, limit)
    body = msgspec.json.encode(Tasks([state_of(task) for task in found]))
    return Answer(HTTPStatus.OK, {"Content-Type": JSON, "Cache-Control": "no-store"}, body)


def _request() -> Request:
    request = current.get()
    assert request is not None  # noqa: S101  (the gateway sets it)
    return request


def find(site: Site, task_id: str) -> Any:
    """The task that has this id, for the key that handed it in and for administrators.

    Raises UnknownThing, or Expired if it is not kept any more.
    """
    from api.tasks.desk import asked, desk

    with asked():
        store = desk(site.settings).store
        task, gone = store.get(task_id), ""
        if task is None:
            gone = store.gone(task_id)
    if gone:
        raise Expired(f"This task is not kept any more. {gone}")
    if task is None or not may_see(task.owner, site.settings):
        raise UnknownThing("There is no task with this id here.")
    return task


def may_see(owner: str, settings: Settings) -> bool:
    """Whether the key of this request is the owner's, or an administrator's."""
    from api.http.keys import Keys

    request = _request()
    # A service with no API_KEYS asks for no key, and may have administrators all the same.
    key = request.key or Keys(settings.admin_keys).name_of(request) or ""
    administrators = {each.partition(":")[0].strip() for each in settings.admin_keys.split(",")}
    return key == owner or (bool(key) and key in administrators)


def check_success(task: Any) -> None:
    """Raise Conflict if a task goes on or was cancelled, and what a failed one has failed of."""
    if task.state == "FAILURE":
        raise _failure(task.error)
    if task.state == "REVOKED":
        raise Conflict("This task was cancelled, and has no results: start it again.")
    if task.state != "SUCCESS":
        family = "train" if task.type == "training" else "inference"
        problem = Conflict(
            f"This task is {task.state}: ask /{family}/status/{task.id} until it is SUCCESS."
        )
        problem.headers["Retry-After"] = str(RETRY_SECONDS)
        raise problem


def _failure(error: dict[str, Any]) -> Problem:
    """The error of a task, as the error of this request."""
    places = [Place(each["pointer"], each["detail"]) for each in error.get("errors", ())]
    problem = Problem(error["detail"], places)
    problem.status = HTTPStatus(error["status"])
    return problem


def _media_type(request: Request, forms: tuple[str, ...]) -> str:
    """The media type, of these, that `?format=` names, or else the one that Accept prefers.

    A link has no Accept of its own. Raises UnknownOption or NotAcceptable.
    """
    given = parse_qs(request.query, keep_blank_values=True).get("format")
    if given is not None:
        names = [name for name, media_type in FORMATS.items() if media_type in forms]
        if given[-1] not in names:
            raise UnknownOption(f"Expected format={' or format='.join(names)} in the query.")
        return FORMATS[given[-1]]
    media_type = preferred(request.accept, forms)
    if media_type is None:
        raise NotAcceptable(f"The results can be {', '.join(forms)}.")
    return media_type


def _number(request: Request, name: str, default: int | None) -> int | None:
    """A whole number in the query; raises UnknownOption."""
    given = parse_qs(request.query, keep_blank_values=True).get(name)
    if given is None:
        return default
    if not (given[-1].isascii() and given[-1].isdigit() and len(given[-1]) <= MAX_DIGITS):
        raise UnknownOption(f"Expected a whole number in the query, as in {name}=100.")
    return int(given[-1])


def state_of(task: Any) -> TaskState:
    """The state of a task, as clients get it."""
    now = dt.datetime.now(dt.UTC).timestamp()
    progress = 1.0 if task.state == "SUCCESS" else task.progress
    rate = left = None
    if task.started is not None and task.rows_done:
        # The clock may have been set back.
        seconds = max((task.ended or now) - task.started, 1e-3)
        rate = round(task.rows_done / seconds, 1)
        if not task.has_ended and progress:
            left = round(seconds * (1 - progress) / progress, 1)
    return TaskState(
        task_id=task.id,
        status=task.state,
        type=task.type,
        method=task.method,
        model_version=task.version,
        created=_time(task.created),
        started=task.started and _time(task.started),
        ended=task.ended and _time(task.ended),
        step=task.notes.get("step", UNSET),
        rows=task.rows,
        rows_done=task.rows_done,
        progress=round(progress, 4),
        rows_per_second=rate,
        seconds_left=left,
        unknown_categories=task.notes.get("unknown", {}),
        ignored_columns=task.notes.get("ignored", []),
        error=task.error,
    )


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")
