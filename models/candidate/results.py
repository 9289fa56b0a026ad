"""What a check leaves behind: the files of an accepted model, which a stranger may have written."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from models.candidate import bundle
from models.candidate.facts import Fault, Job, Verdict
from models.files import PLAN, plan_path, read_card, version_of
from models.plan import format as plans
from models.plan.errors import PlanError

MAX_CARD_BYTES = 64 * 1024 * 1024


def take(place: Path, folder: Path, job: Job) -> Verdict:
    """Move the accepted files to `folder`; the verdict on them.

    A stranger's code could have written them, so nothing is believed that can be looked at.
    Raises Fault if they are not those that were checked, or ENGINE=plan is not met.
    """
    alone = place.name.endswith(PLAN)
    plan, digest = _plan(place if alone else plan_path(place), job)
    covers = plan is not None and bool(plan.methods) and not plan.fallback
    if job.settings.engine == "plan" and not alone:
        _demand(plan, hostile=job.hostile)
    plan_only = alone or (job.hostile and covers)
    files = [place.with_name(bundle.STEM + bundle.CARD)]
    if plan is not None:
        files.append(place.with_name(bundle.STEM + PLAN))
    if not plan_only:
        if not _is_file(place) or version_of(place) != job.version:
            raise Fault("process", "its file was changed while it was checked")
        files.append(place)
    for file in files:
        _move(file, folder, job.version)
    return Verdict(
        plan=digest,
        plan_only=plan_only,
        file=bundle.STEM + (PLAN if plan_only else bundle.JOBLIB),
    )


def _demand(plan: plans.Plan | None, *, hostile: bool) -> None:
    """Raise Fault if ENGINE=plan is not met; a stranger's plan has to answer all methods."""
    left = dict(plan.fallback) if plan else {"it": "no plan could be made"}
    if plan is None or not plan.methods or (hostile and left):
        method, why = next(iter(left.items()), ("it", "it has no method"))
        raise Fault("plan", f"ENGINE=plan, and {method} has no plan: {why}")


def _plan(place: Path, job: Job) -> tuple[plans.Plan | None, str]:
    """The plan of the candidate, and its SHA-256; None if it has none."""
    if not _is_file(place):
        return None, ""
    try:
        plan = plans.load(place)
    except PlanError as error:
        raise Fault("plan", str(error)) from None
    if plan.model != job.version:
        raise Fault("plan", "its plan belongs to another model")
    return plan, hashlib.sha256(place.read_bytes()).hexdigest()


def _move(file: Path, folder: Path, version: str) -> None:
    """Move a file of the check into the folder; a link or a device stays behind."""
    if not _is_file(file):
        return
    if file.name == bundle.STEM + bundle.CARD:
        if file.stat().st_size > MAX_CARD_BYTES:
            raise Fault("unreadable", f"its card has more than {MAX_CARD_BYTES} bytes")
        read_card(file, version)
    file.replace(folder / file.name)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
