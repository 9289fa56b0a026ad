"""Have a candidate checked by a process of its own, and judge what that one leaves behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from models import threads
from models.candidate import bundle
from models.candidate.facts import Fault, Job, Message, Served, Verdict
from models.errors import ModelError
from models.files import PLAN, plan_path, read_card, version_of
from models.plan import format as plans
from models.plan.errors import PlanError
from models.settings import ModelSettings

# The process ends itself at its limits; this much later it is ended from here.
GRACE_SECONDS = 30.0
# What a process may say, in all.
MAX_REPORT_BYTES = 1024 * 1024
MAX_CARD_BYTES = 64 * 1024 * 1024
# Of the environment, a stranger's model gets only where libraries lie.
KEPT: tuple[str, ...] = ("LD_LIBRARY_PATH",)


def check(
    path: Path,
    folder: Path,
    *,
    served: Served | None,
    settings: ModelSettings,
    hostile: bool = False,
    accept: frozenset[str] = frozenset(),
    say: Callable[[str], object] = lambda _: None,
) -> Verdict:
    """Check the model in the file `path`, and put the files for the store into `folder`.

    The file is one of joblib or skops with its card beside it, or a bundle. `served` is the
    contract of the model that is served now, None if there is none. The code in a file that is
    `hostile` may be a stranger's. `accept` names features, or `classes`, `methods`, `form` and
    `order`, that may change. `say` is called with each step as it begins.

    It takes at most CHECK_SECONDS and CHECK_BYTES. Raises OSError if the folder cannot be written.
    """
    step = ""

    def begin(name: str) -> None:
        nonlocal step
        step = name
        say(name)

    version, last = "", Message()
    work = folder / "work"
    try:
        begin("hash")
        work.mkdir()
        place = bundle.unpack(path, work)
        version = _version(place)
        if settings.model_sha256 not in ("", version):
            said = f"it has the SHA-256 {version}, and MODEL_SHA256 says {settings.model_sha256}"
            raise Fault("hash", said)
        job = Job(
            path=str(place),
            version=version,
            served=served,
            settings=settings,
            hostile=hostile,
            accept=accept,
        )
        begin("start")
        last = _run(job, begin)
        if last.kind or not last.accepted:
            raise Fault(last.kind or "process", last.reason or "its check ended without a word")
        if place.suffix == bundle.SKOPS:
            # What was built of its trusted types is served from here on.
            place = place.with_suffix(bundle.JOBLIB)
            version = version_of(place)
            job = msgspec.structs.replace(job, path=str(place), version=version)
        taken = _take(place, folder, job)
    except (Fault, ModelError) as error:
        # Nobody knows the files by their places in the folder of the check.
        said = str(error)
        for kind in bundle.KINDS:
            said = said.replace(str(work / bundle.STEM) + kind, path.name)
        return Verdict(
            version=version,
            kind=error.kind if isinstance(error, Fault) else "unreadable",
            reason=said.replace(f"{work}{os.sep}", "").replace(str(path), path.name),
            step=step,
            changes=last.changes,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return msgspec.structs.replace(
        taken, version=version, step=step, changes=last.changes, metrics=last.metrics
    )


def _version(place: Path) -> str:
    """The SHA-256 of the model's file, which a plan names; raises Fault."""
    if not place.name.endswith(PLAN):
        return version_of(place)
    try:
        return plans.load(place).model
    except PlanError as error:
        raise Fault("plan", str(error)) from None


def _run(job: Job, begin: Callable[[str], None]) -> Message:
    """Let a process check the candidate; its last message."""
    receiver, sender = os.pipe()
    last = Message()
    with open(receiver, "rb", buffering=0) as report:  # noqa: PTH123
        process = start(job, sender)
        os.close(sender)
        try:
            for line in _lines(report.fileno(), job.settings.check_seconds + GRACE_SECONDS):
                message = msgspec.json.decode(line, type=Message)
                if message.step:
                    begin(message.step)
                else:
                    last = message
        except (TimeoutError, ValueError, msgspec.DecodeError) as error:
            last = Message(kind="process", reason=f"its check did not end as it should ({error})")
            # It ends all that it has started, as at its own limit.
            os.kill(process.pid, signal.SIGALRM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return last


def start(job: Job, report: int) -> subprocess.Popen[bytes]:
    """Start the process of a check, which writes on the descriptor `report`."""
    environment = {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **({} if job.hostile else os.environ),
        **dict.fromkeys(threads.VARIABLES, "1"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(Path(job.path).parent),
    }
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", "models.candidate", str(report)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if job.hostile else None,
        env=environment,
        pass_fds=(report,),
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(msgspec.json.encode(job))
    return process


def _lines(descriptor: int, seconds: float) -> Iterator[bytes]:
    """The lines that come, until the descriptor is closed.

    Raises TimeoutError after so many seconds, ValueError where there is too much.
    """
    end = time.monotonic() + seconds
    rest, count = b"", 0
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError(f"it has not ended after {seconds:g} seconds")
        part = os.read(descriptor, 65536)
        if not part:
            return
        count += len(part)
        if count > MAX_REPORT_BYTES:
            raise ValueError("it says too much")
        *lines, rest = (rest + part).split(b"\n")
        yield from lines


def _take(place: Path, folder: Path, job: Job) -> Verdict:
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
