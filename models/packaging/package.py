"""Make a wheel of a model: `package(model)`."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from models import files, releases
from models.engines import choose
from models.errors import ModelError
from models.model import Model
from models.packaging import names, project, requirements, wheel
from models.packaging.project import Package
from models.plan import Plan, save
from models.plan import format as plans
from models.plan.errors import PlanError
from models.plan.operations import OPERATIONS
from models.wheels import required

# Of a card: rows of the training, with which explanations compare, and how fast the plan was where
# it was made.
LEFT_OUT = ("background", "plan")
PLAN_FILE, JOBLIB_FILE = "model.plan.npz", "model.joblib"


def package(model: Path | str, version: str = "", name: str = "", out: Path | str = "dist") -> Path:
    """Write the wheel of the model in a joblib file to the folder `out`, and give its path.

    The name is the card's where `name` is empty, else "model"; the version is the card's release,
    else 0.1.0. If the plan beside the model has all of its methods, the package needs numpy and
    msgspec only; otherwise it has the joblib file, and needs the scikit-learn that is installed.

    Raises ModelError if there is no such model, a name or a version cannot be used, the wheel
    cannot be built, or one of that version is there with another content.
    """
    path = Path(model)
    sha256 = files.version_of(path)
    card = files.read_card(path.with_suffix(".json"), sha256)
    version = _version(path, version, str(card.get("release") or ""))
    plan = _plan(path, sha256)
    if plan is None and not card:
        raise ModelError(
            f"{path} has neither a plan nor a card: make bake MODEL_PATH={path} compiles the plan, "
            f"and {files.card_command(str(path))} makes the card"
        )
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        place = Path(folder)
        described = (
            _of_plan(path, plan)
            if plan and plan.methods and not plan.fallback
            else _of_joblib(path, plan, place / PLAN_FILE)
        )
        name = name or str(card.get("name") or "model")
        card = {key: value for key, value in card.items() if key not in LEFT_OUT}
        found = Package(
            name=names.distribution(name, _modules(described["requirements"])),
            version=version,
            sha256=sha256,
            card=card or {"sha256": sha256},
            **described,
        )
        source = place / "source"
        project.write(found, source)
        return wheel.build(source, Path(out))


def _version(path: Path, given: str, release: str) -> str:
    given = given.removeprefix("v")
    version = given or release or releases.FIRST
    names.check_version(version)
    if given and release and given != release:
        raise ModelError(
            f"VERSION={given}: {path} is the release {release}, as its card says: leave VERSION "
            f"out, or name the file of {given}"
        )
    return version


def _plan(path: Path, sha256: str) -> Plan | None:
    """The plan beside a model; None if there is none of this model that can be read."""
    try:
        plan = plans.load(files.plan_path(path))
    except PlanError:
        return None
    return plan if plan.model == sha256 else None


def _of_plan(path: Path, plan: Plan) -> dict[str, Any]:
    """What is known of a package that runs a plan alone."""
    return {
        "kind": plan.kind,
        "methods": tuple(plan.methods),
        "classes": plan.classes or [],
        "loader": "models.packaging.plan_model",
        "modules": _operations(plan),
        "requirements": requirements.PLAN,
        "files": {PLAN_FILE: files.plan_path(path)},
    }


def _of_joblib(path: Path, plan: Plan | None, empty: Path) -> dict[str, Any]:
    """What is known of a package with the joblib file, whose plan, if it has none, is `empty`."""
    model = choose.load(path)
    needed, own = requirements.of_joblib(path, frame=model.signature.frame)
    if plan is None or not plan.kind:
        save(_without_methods(model), empty)
    else:
        empty = files.plan_path(path)
    return {
        "kind": model.kind,
        "methods": model.methods,
        "classes": model.classes or [],
        "loader": f"models.packaging.{'own_code_model' if own else 'joblib_model'}",
        # Own code may register a rule where it is imported.
        "modules": (*_operations(plan), *own, *(("models.plan.registry",) if own else ())),
        "requirements": tuple(needed),
        "files": {PLAN_FILE: empty, JOBLIB_FILE: path},
    }


def _operations(plan: Plan | None) -> tuple[str, ...]:
    """The modules of the operations that a plan uses."""
    used = {OPERATIONS[step.operation].array.__module__ for step in plan.steps} if plan else set()
    return tuple(sorted(used))


def _without_methods(model: Model) -> Plan:
    """A plan that says what a model takes, so that it is not tried out where it is installed."""
    return Plan(
        model=model.version,
        kind=model.kind,
        signature=model.signature,
        batchable=model.engine.batchable,
        steps=(),
        methods={},
    )


def _modules(needed: tuple[str, ...]) -> set[str]:
    """The modules that the packages of these requirements bring."""
    found = required("\n".join(needed)).keys()
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if found & {owner.lower() for owner in owners}
    }
