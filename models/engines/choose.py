"""Load a model with the engine that runs it: its plan where it has one, else scikit-learn."""

from __future__ import annotations

import importlib.util
import logging
import operator
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import get_args

from models import pins
from models.engines import Engine
from models.engines.plan import PlanEngine
from models.errors import ModelError, Replaced
from models.files import PLAN, check_readable, plan_path, read_card, version_of
from models.model import Model
from models.plan import format as plans
from models.plan.errors import PlanError
from models.settings import Engines
from models.signature.types import Signature

log = logging.getLogger("models")


def load(
    path: str | Path, sha256: str = "", engine: Engines = "auto", *, plan_sha256: str = ""
) -> Model:
    """The model in a joblib file, run by its plan where it has one, else by scikit-learn.

    The file must have the SHA-256 `sha256`, if that is given; then its plan must have been made
    here, or have the SHA-256 `plan_sha256`. `engine` demands the plan, or scikit-learn
    (`sklearn`), which is imported only if it is needed. A path that ends with `.plan.npz` is a plan
    whose joblib file is not here.
    Raises ModelError if the model cannot be served, ValueError if there is no such engine.
    """
    if engine not in get_args(Engines):
        raise ValueError(f"engine={engine!r}: expected one of {', '.join(get_args(Engines))}")
    path = Path(path)
    if path.name.endswith(PLAN):
        return _plan_alone(path, sha256, plan_sha256)
    if engine == "sklearn":
        return _with_scikit_learn(path, sha256)
    try:
        found = _with_plan(path, sha256, plan_sha256)
    except PlanError as error:
        if engine == "plan":
            raise ModelError(str(error)) from None
        if plan_path(path).exists():
            if not importlib.util.find_spec("sklearn"):
                raise ModelError(f"{error}; scikit-learn is not installed") from None
            log.warning("%s; until then scikit-learn serves", error)
        found = None
    return found or _with_scikit_learn(path, sha256)


def _with_plan(path: Path, sha256: str, plan_sha256: str) -> Model | None:
    """The model run by its plan, or by scikit-learn where the plan has no method.

    None if the bake was given up. Raises PlanError if there is no plan, or none that can be used
    for this model.
    """
    place = plan_path(path)
    if not place.exists():
        raise PlanError(f"there is no plan {place}: make bake")
    version = version_of(path, sha256)
    plan = plans.load(place, partial(_is_trusted, plan_sha256) if sha256 else None)
    if plan.model != version:
        raise PlanError(f"the plan {place} belongs to another model: make bake")
    if not plan.methods:
        # The bake has tried the model, and what it takes need not be found out again.
        known = (plan.signature, plan.batchable)
        return _with_scikit_learn(path, version, known) if plan.kind else None
    engine = _engine(plan, place, cache(partial(_fallback, path, plan)))
    # Without scikit-learn, as in a slim image, the model has only the plan's methods.
    others = importlib.util.find_spec("sklearn") is not None
    methods = (*plan.methods, *plan.fallback) if others else tuple(plan.methods)
    return _model(path, plan, engine, methods, path.with_suffix(".json"))


def _plan_alone(place: Path, sha256: str, plan_sha256: str) -> Model:
    """The model of a plan, which has only the plan's methods; raises ModelError."""
    try:
        plan = plans.load(place, partial(operator.eq, plan_sha256) if plan_sha256 else None)
        if not plan.methods:
            raise PlanError(f"the plan {place} has no method, and its joblib file is not here")
        if sha256 not in ("", plan.model):
            raise PlanError(f"the plan {place} belongs to another model")
        engine = _engine(plan, place, None)
    except PlanError as error:
        raise ModelError(str(error)) from None
    card = place.with_name(place.name.removesuffix(PLAN) + ".json")
    return _model(place, plan, engine, tuple(plan.methods), card)


def _is_trusted(plan_sha256: str, digest: str) -> bool:
    return digest == plan_sha256 or pins.is_ours(digest)


def _engine(plan: plans.Plan, place: Path, fallback: Callable[[], Engine] | None) -> PlanEngine:
    """The engine of a plan, tried out; raises PlanError."""
    try:
        engine = PlanEngine(plan, fallback)
        engine.try_out()
    except Exception as error:
        # The digest fits, but another version of this code wrote the file, or a person did.
        reason = f"{type(error).__name__}: {error}"
        raise PlanError(f"the plan {place} cannot be used ({reason}): make bake") from None
    return engine


def _model(
    path: Path, plan: plans.Plan, engine: PlanEngine, methods: tuple[str, ...], card: Path
) -> Model:
    return Model(
        path=str(path),
        version=plan.model,
        kind=plan.kind,
        engine=engine,
        signature=plan.signature,
        methods=methods,
        classes=plan.classes,
        card=read_card(card, plan.model),
        versions=plan.versions,
        outputs=plan.outputs,
    )


def _fallback(path: Path, plan: plans.Plan) -> Engine:
    """Load scikit-learn for the methods that a plan lacks; raises Replaced."""
    log.info("scikit-learn is loaded: the plan has only %s", ", ".join(plan.methods))
    try:
        return _with_scikit_learn(path, plan.model, (plan.signature, plan.batchable)).engine
    except ModelError as error:
        log.error("%s: restart the service", error)  # noqa: TRY400
        raise Replaced from None


def _with_scikit_learn(
    path: Path, sha256: str, known: tuple[Signature, bool] | None = None
) -> Model:
    # The import of scikit-learn takes a second.
    check_readable(path)
    try:
        from models import fitted
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} has no plan and {error.name} is not installed: make bake before a slim image"
        ) from None
    return fitted.load(path, sha256, known)
