"""Have a candidate checked by a process of its own, and judge what that one leaves behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from models import threads
from models.candidate import bundle, results
from models.candidate.facts import Fault, Job, Message, Served, Verdict
from models.errors import ModelError
from models.files import PLAN, version_of
from models.plan import format as plans
from models.plan.errors import PlanError
from models.settings import ModelSettings
from models.waiting import readable

# The process ends itself at its limits; this much later it is ended from here.
GRACE_SECONDS = 30.0
# What a process may say, in all.
MAX_REPORT_BYTES = 1024 * 1024
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
    under_way = _UnderWay(path, folder, say)
    try:
        return under_way.finish(served, settings, accept, hostile=hostile)
    except (Fault, ModelError) as error:
        return under_way.refuse(error)
    finally:
        shutil.rmtree(under_way.work, ignore_errors=True)


class _UnderWay:
    """A check under way: its step, and what is known of the candidate by now."""

    def __init__(self, path: Path, folder: Path, say: Callable[[str], object]) -> None:
        self._path = path
        self._folder = folder
        self._say = say
        self.work = folder / "work"
        self._step = ""
        self._version = ""
        self._last = Message()

    def finish(
        self,
        served: Served | None,
        settings: ModelSettings,
        accept: frozenset[str],
        *,
        hostile: bool,
    ) -> Verdict:
        """Take all steps; raises Fault or ModelError where the candidate is refused."""
        self._begin("hash")
        self.work.mkdir()
        place = bundle.unpack(self._path, self.work)
        self._version = _version(place)
        if settings.model_sha256 not in ("", self._version):
            said = f"it has the SHA-256 {self._version}, and MODEL_SHA256 says "
            raise Fault("hash", said + settings.model_sha256)
        job = Job(
            path=str(place),
            version=self._version,
            served=served,
            settings=settings,
            hostile=hostile,
            accept=accept,
        )
        self._begin("start")
        self._last = last = _run(job, self._begin)
        if last.kind or not last.accepted:
            raise Fault(last.kind or "process", last.reason or "its check ended without a word")
        if place.suffix == bundle.SKOPS:
            # What was built of its trusted types is served from here on.
            place = place.with_suffix(bundle.JOBLIB)
            self._version = version_of(place)
            job = msgspec.structs.replace(job, path=str(place), version=self._version)
        return msgspec.structs.replace(
            results.take(place, self._folder, job),
            version=self._version,
            step=self._step,
            changes=last.changes,
            metrics=last.metrics,
        )

    def refuse(self, error: Fault | ModelError) -> Verdict:
        """The verdict on a candidate that is refused."""
        # Nobody knows the files by their places in the folder of the check.
        said = str(error)
        for kind in bundle.KINDS:
            said = said.replace(str(self.work / bundle.STEM) + kind, self._path.name)
        said = said.replace(f"{self.work}{os.sep}", "").replace(str(self._path), self._path.name)
        return Verdict(
            version=self._version,
            kind=error.kind if isinstance(error, Fault) else "unreadable",
            reason=said,
            step=self._step,
            changes=self._last.changes,
        )

    def _begin(self, step: str) -> None:
        self._step = step
        self._say(step)


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
        if left <= 0 or not readable(descriptor, left):
            raise TimeoutError(f"it has not ended after {seconds:g} seconds")
        part = os.read(descriptor, 65536)
        if not part:
            return
        count += len(part)
        if count > MAX_REPORT_BYTES:
            raise ValueError("it says too much")
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
