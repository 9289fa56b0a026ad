"""The process of a training: `python -m models.training DESCRIPTOR`, with a Job on standard input.

It forks a process that trains and one that evaluates, ends each at its limits with all that it has
started, has the model checked, and says what was found. Where the process that started it ends, it
ends as well, and leaves no process and no file behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from models import candidate, threads
from models.candidate import sandbox
from models.candidate.__main__ import NICENESS, TimeUp, end_all, end_children
from models.errors import ModelError
from models.training.facts import Job, Learnt, Message, Trained, Unusable

Say = Callable[[Message], None]
Do = Callable[[Job, Say], Trained]

# The advice for uploads.
BY_QUERY = re.compile(r"\?accept=\S+ or ")
MODEL, FACTS, TRAINED, CHECKED = "model.joblib", "facts.joblib", "trained.json", "checked"


class Stopped(BaseException):
    """The training is cancelled, or nobody waits for it any more."""


def main(job: Job, report: int) -> None:
    """Train, and say on the descriptor `report` what came of it, in lines of JSON."""
    sandbox.unblock_signals()
    signal.signal(signal.SIGTERM, _stop)
    # The service that answers meanwhile goes first.
    os.nice(NICENESS)
    sandbox.prctl(sandbox.PR_SET_CHILD_SUBREAPER, 1)
    sandbox.prctl(sandbox.PR_SET_PDEATHSIG, signal.SIGTERM)

    def say(message: Message) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(report, msgspec.json.encode(message) + b"\n")

    if os.getppid() != job.parent:
        return
    try:
        say(_done(_train, job, say) or _done(_evaluate, job, say) or _checked(job, say))
        # It ends now by itself.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except Stopped:
        end_children()
        shutil.rmtree(job.folder, ignore_errors=True)


def _stop(*_: object) -> NoReturn:
    # It may come twice: as the parent ends this process, and as it ends itself.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped


def _done(do: Do, job: Job, say: Say) -> Message | None:
    """Have a process of its own do a step, then end all others; why there is no model.

    The step after it begins without the threads, and the memory, of this one.
    """
    place = Path(job.folder) / TRAINED
    place.unlink(missing_ok=True)
    child = os.fork() or _be_child(do, job, say)

    def time_up(*_: object) -> NoReturn:
        raise TimeUp

    signal.signal(signal.SIGALRM, time_up)
    signal.setitimer(signal.ITIMER_REAL, job.seconds)
    try:
        _, status = os.waitpid(child, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except TimeUp:
        return Message(reason=f"it took longer than {job.seconds:g} seconds (TRAIN_SECONDS)")
    finally:
        end_all(child)
    if not place.exists():
        return Message(died=True, reason=_ending(os.waitstatus_to_exitcode(status)))
    reason = msgspec.json.decode(place.read_bytes(), type=Trained).unusable
    if reason:
        return Message(reason=reason.replace(str(Path(job.folder) / MODEL), "the model"))
    return None


def _be_child(do: Do, job: Job, say: Say) -> NoReturn:
    """Do a step in this process, write down what came of it, and end."""
    status = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sandbox.prctl(sandbox.PR_SET_PDEATHSIG, signal.SIGKILL)
        # Where memory runs out, this process is to be ended for it and no other.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        try:
            trained = do(job, say)
        except (Exception, SystemExit) as error:
            from models.training.function import reason

            trained = Trained(unusable=reason(error))
        (Path(job.folder) / TRAINED).write_bytes(msgspec.json.encode(trained))
        status = 0
    finally:
        os._exit(status)


def _train(job: Job, say: Say) -> Trained:
    """Train, and keep what the function gave. Raises Unusable."""
    from models.training import again, feedback, function, learn
    from models.training.recipe import EXAMPLE, Recipe
    from models.training.train import fit

    say(Message(step="train"))
    how = feedback.learning(job) if job.feedback else learn.learn
    if job.feedback and not job.function and again.is_table(job.card):
        result = again.learn_again(job, how)
    else:
        result = fit(Recipe(function=job.function or EXAMPLE), Path(job.beside), str, how=how)
    function.keep(result, Path(job.folder) / MODEL, Path(job.folder) / FACTS)
    return Trained()


def _evaluate(job: Job, say: Say) -> Trained:
    """Write the model and its card, and compare it. Raises Unusable or ModelError."""
    say(Message(step="evaluate"))
    # A trial of the model is a fork, which no thread of OpenMP survives.
    os.environ.update(dict.fromkeys(threads.VARIABLES, "1"))
    from models.training import cards, function

    path = Path(job.folder) / MODEL
    result = function.kept(path, Path(job.folder) / FACTS, Path(job.beside))
    with warnings.catch_warnings():
        # Warnings of scorers say nothing that the metrics do not.
        warnings.simplefilter("ignore")
        metrics = cards.save_card(path, result)
        learnt = (result.facts.get("training") or {}).get("feedback")
        trained = Trained(metrics=metrics, learnt=learnt and msgspec.convert(learnt, Learnt))
        try:
            compared = cards.compared(path, result, job)
        except (Unusable, ModelError) as error:
            return msgspec.structs.replace(trained, not_compared=str(error))
        return msgspec.structs.replace(trained, compared=compared)


def _ending(code: int) -> str:
    """How the process that trained ended: its exit status, or minus the signal that ended it."""
    if -code == signal.SIGKILL:
        return "the process that trained was killed, as where the machine's memory runs out"
    how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with the status {code}"
    return f"the process that trained {how}"


def _checked(job: Job, say: Say) -> Message:
    """What came of a training that has ended, once its model is checked as any new version is."""
    folder = Path(job.folder)
    trained = msgspec.json.decode((folder / TRAINED).read_bytes(), type=Trained)
    say(Message(step="check"))
    checked = folder / CHECKED
    checked.mkdir()
    verdict = candidate.check(
        folder / MODEL,
        checked,
        served=job.served,
        settings=msgspec.structs.replace(job.settings, model_sha256=""),
        accept=frozenset(filter(None, job.settings.model_accept.split(","))),
    )
    if verdict.reason:
        # Nobody has sent it.
        reason = BY_QUERY.sub("", verdict.reason)
        return Message(reason=f"the new version is refused: {reason}")
    return Message(trained=trained, verdict=verdict)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.stdin.buffer.read(), type=Job), int(sys.argv[1]))
