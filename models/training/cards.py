"""Write the card of a new model, with its metrics on the rows that were held out."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from models import fitted
from models.card import BACKGROUND_ROWS, of_rows, save, write_card
from models.engines import choose
from models.evaluation.answers import of_estimator
from models.evaluation.bootstrap import scores
from models.evaluation.facts import Unmeasurable
from models.evaluation.metrics import METRICS
from models.releases import held_out_path
from models.training import evaluate
from models.training.comparison import Comparison
from models.training.facts import Job, Unusable
from models.training.function import Result
from models.versions import Store

# Those that every training needs.
LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy")
# The lower and the upper end for each metric.
Intervals = dict[str, tuple[float, float]]


def save_card(
    path: Path, result: Result, names: Mapping[str, str] = MappingProxyType({})
) -> dict[str, int | float]:
    """Write the card of the estimator in the joblib file `path` beside it; its metrics.

    `names` are the name and the release version of the model, for the card. Raises Unusable if it
    cannot be measured, ModelError if it cannot be served.
    """
    estimator, facts = result
    rows = frame(path, estimator, facts["rows"]) if facts.get("rows") is not None else None
    metrics: dict[str, int | float] = {}
    intervals: Intervals = {}
    if facts.get("test_answers") is not None:
        metric = metric_of(result)
        test_rows, test_answers = facts["test_rows"], facts["test_answers"]
        metrics |= evaluate.measure(estimator, test_rows, test_answers, metric)
        metrics["rows_held_out"] = len(test_answers)
        intervals = _intervals(result, metrics)
    if rows is not None:
        metrics["rows_fitted"] = len(rows)
    metrics |= _own(facts.get("metrics") or {})
    answers: Any = facts.get("answers")
    is_one = bool(evaluate.default_metric(estimator)) and np.ndim(answers) == 1
    write_card(
        path,
        estimator,
        rows,
        target=str(facts.get("target") or getattr(answers, "name", None) or ""),
        metrics=metrics,
        answers=pd.Series(answers) if is_one else None,
        more={
            **names,
            "intervals": intervals,
            "training": _training(estimator, facts.get("training") or {}),
            **_public(path, result),
        },
    )
    return metrics


def _public(path: Path, result: Result) -> dict[str, Any]:
    """The rows that a card shows, where it was fitted on rows of users as well."""
    rows = result.facts.get("public_rows")
    if rows is None:
        return {}
    shown = of_rows(frame(path, result.estimator, rows), BACKGROUND_ROWS)
    return {name: shown[name] for name in ("example", "background")}


def _intervals(result: Result, metrics: Iterable[str]) -> Intervals:
    """The 95 % intervals of these metrics, of which they can be computed."""
    facts = result.facts
    try:
        answers = of_estimator(result.estimator, facts["test_rows"], facts["test_answers"])
    except Unmeasurable:
        return {}
    known = [each.name for each in METRICS[answers.kind] if each.name in set(metrics)]
    found = scores(answers, known)
    return {
        name: (score.low, score.high)
        for name, score in found.items()
        if score.low is not None and score.high is not None
    }


def save_held_out(path: Path, result: Result) -> None:
    """Write the rows that were held out, with their answers, beside the model at `path`.

    Nothing is written where the function of TRAIN gave none. Raises Unusable or ModelError.
    """
    facts = result.facts
    if facts.get("test_answers") is None:
        return
    rows = frame(path, result.estimator, facts["test_rows"])
    answers = np.asarray(facts["test_answers"])
    target = str(facts.get("target") or getattr(facts["test_answers"], "name", None) or "answer")
    if answers.ndim == 1 and target not in rows:
        parts = [rows, pd.Series(answers, name=target)]
        if facts.get("test_others") is not None:
            # An evaluation takes slices by columns that the model does not get.
            parts.append(facts["test_others"].reset_index(drop=True))
        pd.concat(parts, axis=1).to_csv(held_out_path(path), index=False)


def _training(estimator: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    """How a model was trained: what is known of it, its parameters, and the code's revision."""
    return {
        **facts,
        "parameters": _parameters(estimator),
        "libraries": _libraries(estimator),
        "revision": _revision(),
    }


def _parts(estimator: Any) -> dict[str, Any]:
    """An estimator and those within it, by the beginnings of their parameters' names."""
    return {"": estimator} | {
        f"{name}__": value
        for name, value in estimator.get_params().items()
        if hasattr(value, "get_params") and not isinstance(value, type)
    }


def _libraries(estimator: Any) -> dict[str, str]:
    """The versions of the packages that a training depends on, by their names."""
    modules = {type(part).__module__.partition(".")[0] for part in _parts(estimator).values()}
    owners = metadata.packages_distributions()
    names = {*LIBRARIES, *(owner for module in modules for owner in owners.get(module, ()))}
    return {name: metadata.version(name) for name in sorted(names)}


def _parameters(estimator: Any) -> dict[str, Any]:
    """The plain parameters of an estimator and of its parts that are not the defaults."""
    found = {}
    for start, part in _parts(estimator).items():
        for name, each in inspect.signature(type(part).__init__).parameters.items():
            value = getattr(part, name, each.default)
            if isinstance(value, (bool, int, float, str, type(None))) and _differs(
                value, each.default
            ):
                found[f"{start}{name}"] = value
    return found


def _differs(value: Any, default: Any) -> bool:
    # NaN differs from itself.
    return bool(value != default) and (value == value or default == default)  # noqa: PLR0124


def _revision() -> str:
    """The commit of the code that trains, with + if there are changes; "" outside of git."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run(  # noqa: S603
            [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()
        changes = subprocess.run(  # noqa: S603
            [*git, "status", "--porcelain", "--untracked-files=no"],
            check=True,
            capture_output=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changes else "")


def metric_of(result: Result) -> str:
    """The metric that decides which version is better."""
    return str(result.facts.get("metric") or evaluate.default_metric(result.estimator))


def no_better(result: Result, metrics: Mapping[str, float]) -> list[str]:
    """A sentence on a model that is no better than one answer for all rows held out."""
    facts = result.facts
    return evaluate.no_better(metrics, facts.get("test_answers"), str(facts.get("target") or ""))


def frame(path: Path, estimator: Any, rows: Any) -> pd.DataFrame:
    """Rows as a DataFrame, whose columns have the names that the service calls them by.

    Raises ModelError if the estimator cannot be served, Unusable if it takes other columns.
    """
    found = pd.DataFrame(rows if hasattr(rows, "iloc") else list(rows)).reset_index(drop=True)
    found.columns = pd.Index(map(str, found.columns))
    names = list(found.columns) if hasattr(rows, "columns") else None
    signature = fitted.signature_of(path, estimator, names)
    if signature.form == "table" and len(signature.features) != found.shape[1]:
        raise Unusable(
            f"its rows have {found.shape[1]} columns, and the model takes {len(signature.features)}"
        )
    if len(signature.features) == found.shape[1]:
        found.columns = pd.Index([feature.name for feature in signature.features])
    return found


def _own(metrics: Any) -> dict[str, float]:
    """The metrics that the function gave. Raises Unusable if one is no number."""
    try:
        return {str(name): float(value) for name, value in dict(metrics).items()}
    except (TypeError, ValueError):
        raise Unusable(f"metrics={metrics!r:.80}: expected a number for each name") from None


def compared(path: Path, result: Result, job: Job) -> Comparison:
    """The comparison of the model at `path` with the active version, on the rows held out.

    It goes into the card as well.

    Raises Unusable or ModelError if they cannot be compared.
    """
    facts = result.facts
    metric = metric_of(result)
    if facts.get("test_answers") is None:
        raise Unusable("the function of TRAIN gave no test_rows and test_answers")
    if not metric:
        raise Unusable(
            "the function of TRAIN gave no metric, and the model is no classifier or regressor"
        )
    active = Store(Path(job.store), job.name).find(job.served.version)
    engine = job.settings.engine
    old = choose.load(active.path, active.version, engine, plan_sha256=active.plan)
    rows = frame(path, result.estimator, facts["test_rows"])
    new = fitted.load(path)
    found = evaluate.compare(new, old, rows, facts["test_answers"], metric)
    comparison = {"active_version": old.version, **msgspec.to_builtins(found)}
    save(path, new.card | {"comparison": comparison})
    return found
