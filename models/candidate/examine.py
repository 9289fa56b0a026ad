"""What is done with a candidate, in the process that may be ended at any time."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from models import bound
from models.bound import Bound
from models.candidate import bundle, compare, sandbox
from models.candidate.facts import Fault, Job, Message, Served
from models.engines import choose
from models.errors import InvalidRows, ModelError, brief
from models.files import PLAN, plan_path
from models.model import Model, default_of
from models.rows.check import check as check_rows
from models.signature.types import plain_rows

Say = Callable[[Message], None]

# What a model of scikit-learn needs is imported before a stranger's code runs: an import may do
# what a model may not.
LIBRARIES = ("joblib", "numpy", "pandas", "scipy.sparse", "sklearn.pipeline")


class Candidate:
    """A candidate under examination; `changes` and `metrics` are found on the way."""

    def __init__(self, job: Job, say: Say) -> None:
        self.job = job
        self.path = Path(job.path)
        self._say = say
        self._watch: sandbox.Watch | None = None
        self.changes: list[str] = []
        self.metrics: dict[str, float] = {}

    def examine(self) -> None:
        """Go through all steps; raises Fault where the candidate is refused."""
        if self.job.hostile:
            self._watch = enclose(self.job)
        model = self._step("load", self._load)
        self._step("example", partial(try_example, model, self.job.served))
        self._step("signature", partial(self._compare, model))
        self._step("metrics", partial(self._measure, model))
        if self.path.name.endswith(PLAN):
            return
        if self.job.settings.engine != "sklearn":
            self._step("bake", partial(bake, self.path, model, self.job.settings.bake_seconds))
        self._step("serve", self._serve)

    def _load(self) -> Model:
        """The model, as scikit-learn or its plan alone runs it; raises ModelError or Fault."""
        if self.path.name.endswith(PLAN):
            return choose.load(self.path)
        try:
            from models import fitted
        except ModuleNotFoundError:
            raise Fault(
                "type",
                "this service has no scikit-learn to read it with: send what make export-plan "
                "writes, or build the image without SLIM",
            ) from None
        if self.path.suffix != bundle.SKOPS:
            return fitted.load(self.path, self.job.version)
        from models.candidate import skops_file

        self.path = skops_file.convert(self.path, self.job.settings.model_trusted_types)
        return fitted.load(self.path)

    def _step(self, name: str, do: Callable[[], Any]) -> Any:
        self._say(Message(step=name))
        try:
            found = do()
        except (Exception, SystemExit) as error:
            if self._watch:
                self._watch.check()
            if memory_is_out(error):
                most = self.job.settings.check_bytes
                said = f"it needs more than {most} bytes of memory (CHECK_BYTES)"
                raise Fault("memory", said) from None
            if isinstance(error, Fault):
                raise
            raise Fault(*reason(error)) from None
        if self._watch:
            self._watch.check()
        return found

    def _compare(self, model: Model) -> None:
        if self.job.served is None:
            return
        settings = self.job.settings
        accept = self.job.accept | {name.strip() for name in settings.model_accept.split(",")}
        self.changes += compare.check_contract(self.job.served, Served.of(model), accept)

    def _measure(self, model: Model) -> None:
        self.metrics = compare.metrics_of(model.card)
        self.changes += compare.check_metrics(self.job.settings.model_min, self.metrics)

    def _serve(self) -> None:
        """Load the model as the service will, and try it once more."""
        served = choose.load(self.path, engine=self.job.settings.engine)
        try_example(served, self.job.served)


def examine(job: Job, say: Say) -> Message:
    """The last message about a candidate."""
    candidate = Candidate(job, say)
    with warnings.catch_warnings():
        # Warnings on rows that were made up say nothing about the candidate.
        warnings.simplefilter("ignore")
        try:
            candidate.examine()
        except Fault as fault:
            return Message(kind=fault.kind, reason=str(fault), changes=tuple(candidate.changes))
    return Message(accepted=True, changes=tuple(candidate.changes), metrics=candidate.metrics)


def enclose(job: Job) -> sandbox.Watch:
    """Shut a stranger's code in, once the libraries are imported; a plan needs none of them."""
    path = Path(job.path)
    ours: list[Callable[..., Any]] = []
    if not path.name.endswith(PLAN):
        for name in LIBRARIES if path.suffix != bundle.SKOPS else (*LIBRARIES, "skops.io"):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        # A slim image has no scikit-learn, whose models are tried in a process apart.
        with contextlib.suppress(ImportError):
            import joblib

            from models.engines.trial import apart

            # It runs lscpu for this, and remembers it: some estimators ask as they are loaded.
            joblib.cpu_count(only_physical_cores=True)
            ours = [bound.in_child, apart]
    os.environ.clear()
    tempfile.tempdir = str(path.parent)
    sys.dont_write_bytecode = True
    sandbox.lock_files(str(path.parent))
    watch = sandbox.Watch(str(path.parent), ours)
    watch.arm()
    return watch


def try_example(model: Model, served: Served | None) -> None:
    """Let the model answer the example row of its card, else of the served model's, else its own.

    Raises Fault if it does not.
    """
    example, whose = _example(model, served)
    try:
        batch = check_rows(model.signature, [example], lambda _: "")
        model.engine.run(default_of(model.methods), batch.rows)
    except InvalidRows as error:
        wrong = "; ".join(f"{place.pointer or '/'}: {place.detail}" for place in error.places)
        raise Fault("example", f"it refuses {whose}: {wrong}") from None
    except (Exception, SystemExit) as error:
        if memory_is_out(error):
            raise
        if whose:
            raise Fault("example", f"it does not answer {whose}: {brief(error)}") from None


def _example(model: Model, served: Served | None) -> tuple[Any, str]:
    """A sample, and the words for it, which are "" if it was made up and may be refused."""
    if "example" in model.card:
        return model.card["example"], "the example row of its card"
    names = {feature.name for feature in model.signature.features}
    known = served.example if served else None
    if isinstance(known, dict) and known.keys() == names:
        return known, "the example row of the model that is served now"
    return model.signature.example or plain_rows(model.signature)[0], ""


def bake(path: Path, model: Model, seconds: float) -> None:
    """Compile and prove the plan in a process of its own; leave the model without one if it fails.

    That process has the bounds of `make bake`.
    """
    from models.baking import bake_loaded, leave, register_own_rules

    def job() -> int:
        register_own_rules()
        bake_loaded(path, model, Bound(seconds))
        return 0

    status = bound.in_child(job, seconds)
    if status == 0 and plan_path(path).exists():
        return
    how = f"ended with the status {status}"
    if status < 0:
        how = f"ended with {signal.Signals(-status).name}"
    if -status in bound.TIME_IS_UP:
        how = f"took more than {seconds:g} seconds (BAKE_SECONDS)"
    leave(path, f"the process that made its plan {how}")


def memory_is_out(error: BaseException | None) -> bool:
    """Whether an exception, or one that led to it, says that no memory is left."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def reason(error: BaseException) -> tuple[str, str]:
    """The kind and the sentence for an exception that is no Fault."""
    if isinstance(error, ModelError):
        return "unreadable", str(error)
    return "unreadable", f"it cannot be loaded: {brief(error)}"
