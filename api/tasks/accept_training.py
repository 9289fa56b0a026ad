"""Take a request for a training, unless another one runs."""

from __future__ import annotations

import fcntl
import hashlib
from http import HTTPStatus
from typing import IO, Literal

import msgspec

from api.errors import Conflict, Problem
from api.settings import Settings
from api.tasks.desk import Desk
from api.tasks.task import Task
from models.rows.words import some
from models.signature.types import Signature
from models.text.cut import Chunk
from models.versions import Store

# In the folder of the versions: the id of the newest training.
NEWEST = ".training"


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /train/start: whether the new version takes over if it is better.

    With `feedback` it learns from selections as well.
    """

    activate: Literal["never", "if-better"] = "never"
    feedback: bool = False


class NoFeedback(Problem):
    """The service cannot learn from selections; the detail says why."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


def check_feedback(settings: Settings, signature: Signature) -> None:
    """Raise NoFeedback unless the service keeps whole rows of what it predicts."""
    if settings.keeps_predictions != "all":
        raise NoFeedback(
            f"This service keeps no rows to learn from (PREDICTION_LOG={settings.keeps_predictions}"
            "): set PREDICTION_LOG=all, or train without feedback."
        )
    used = [feature.name for feature in signature.features if feature.kind != "unused"]
    for variable in ("prediction_hash", "prediction_drop"):
        names = {name.strip() for name in getattr(settings, variable).split(",")}
        if hidden := [name for name in used if name in names]:
            raise NoFeedback(
                f"{variable.upper()} hides {some(hidden)} in the rows that are kept, and the model "
                "needs it: a version that learns from selections has to do without it, or "
                f"{variable.upper()} has to."
            )


def accept(
    store: Store, desk: Desk, asked: Asked, *, owner: str, version: str, key: str | None
) -> Task:
    """Hand a training in, and give it; `version` is the active one, and `key` as in `Task`.

    Raises Conflict while another one runs, and OSError where it cannot be kept.
    """
    body = msgspec.json.encode(asked)
    task = Task(
        type="training",
        method="fit",
        version=version,
        owner=owner,
        key=key,
        digest=hashlib.sha256(b"training\0" + body).hexdigest() if key else "",
        notes=msgspec.to_builtins(asked),
    )
    with (store.folder / NEWEST).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        newest = _read(file)
        running = desk.store.get(newest) if newest else None
        if running and not running.has_ended and (key is None or key != running.key):
            problem = Conflict(
                f"The training {running.id} is {running.state}, and there is one at a time: ask "
                f"/train/status/{running.id}, or end it by DELETE /train/{running.id}."
            )
            problem.headers["Location"] = f"/train/status/{running.id}"
            raise problem
        _write(file, task.id)
        try:
            found = desk.store.create(task, Chunk(number=0, start=0, stop=0), None)
        except BaseException:
            _write(file, newest)
            raise
        if found.id != task.id:
            _write(file, newest)
    if found.state == "PENDING":
        desk.put(found.id, 0, found.queue)
    return found


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip()


def _write(file: IO[str], task_id: str) -> None:
    file.truncate(0)
    file.write(task_id)
    file.flush()
