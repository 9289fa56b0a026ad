"""The prediction for one row of a task."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import UNSET

from api.feedback.facts import id_of_task
from api.feedback.notes import LABELLED, has_labels
from api.feedback.predictions import label_in
from api.feedback.recorder import recorder
from api.feedback.truth import Choice, Predicted, Untold
from api.protocols.inference import Expired, check_success, find

if TYPE_CHECKING:
    from api.http.route import Site

TASK_ID = re.compile("[0-9a-f]{32}")
GONE = "The results of this task are not kept any more: start it again."


def predicted(site: Site, choice: Choice) -> Predicted:
    """What a task has predicted for a row, whose input is kept where the task was small.

    Raises Untold, and what a request for its results raises.
    """
    from api.tasks.desk import asked, desk
    from api.tasks.results import Part

    task_id = str(choice.task_id).strip().lower()
    if not TASK_ID.fullmatch(task_id):
        raise Untold("task_id", "expected the task_id of a task, 32 hexadecimal digits")
    task = find(site, task_id)
    check_success(task)
    if task.type != "inference" or task.method not in LABELLED:
        raise Untold("task_id", "expected a task of /predict")
    if not has_labels(site.service.model):
        raise Untold("task_id", "expected a task of a model that answers one label a row")
    row = 0 if choice.row is UNSET else int(choice.row)
    if row >= task.rows_done:
        raise Untold("row", f"expected a row of this task, from 0 to {task.rows_done - 1}")
    kept = id_of_task(task_id, task.created)
    if found := recorder.store.prediction(kept, row):
        return Predicted(found.id, row, found.label, found.version)
    with asked():
        store = desk(site.settings).store
        if not store.has_results(task_id):
            raise Expired(GONE)
        lists = next(iter(Part(store, task, store.chunks(task_id), row, 1).lists()))
    label = lists[0][0]
    if task.method == "predict" and isinstance(label, list):
        if len(label) > 1:
            raise Untold("task_id", "expected a task of a model that answers one label a row")
        label = label_in(label)
    if task.method == "predict_proba":
        label = max(zip(label, task.classes or [], strict=True), key=lambda pair: pair[0] or 0)[1]
    return Predicted(kept, row, label, task.version)
