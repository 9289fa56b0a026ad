"""Find the function that TRAIN names, call it, and read what it gives.

A function that takes rows and answers gives an estimator that is not fitted, and
`models.training.learn` does the rest. One that takes nothing gives a fitted estimator, or the
estimator and a dict of facts: `rows` and `answers` that it was fitted on, `test_rows` and
`test_answers` that were held out, `metric`, a scoring name of scikit-learn that decides which
version is better, `metrics` of its own, and `target`, the name of the column that is predicted.
Each fact may be left out.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import ModelError, brief
from models.rows.words import some
from models.training.facts import Unusable

log = logging.getLogger("models")

FACTS = ("rows", "answers", "test_rows", "test_answers", "metric", "metrics", "target")
PAIRS = (("rows", "answers"), ("test_rows", "test_answers"))
# What an image may lack, and how it gets it.
SKLEARN = "scikit-learn, which this image lacks: build it without SLIM"
LACKING = {
    "sklearn": SKLEARN,
    # It comes and goes with scikit-learn.
    "joblib": SKLEARN,
    "pandas": "pandas, which this image lacks: add the line pandas to models/requirements.txt, "
    "and build it again",
}


class Result(NamedTuple):
    """A fitted estimator, and what its function says of it."""

    estimator: Any
    facts: dict[str, Any]


def call(name: str, function: Callable[..., Any], *given: Any) -> Any:
    """Call the function that TRAIN names; raises Unusable for all that it raises."""
    try:
        return function(*given)
    except Unusable:
        raise
    except (Exception, SystemExit) as error:
        log.warning("TRAIN=%s raised", name, exc_info=True)
        raise Unusable(_needing(name, error) or f"TRAIN={name} raised {_placed(error)}") from None


def takes_rows(name: str, function: Callable[..., Any]) -> bool:
    """Whether a function takes rows and answers, and not nothing. Raises Unusable for others."""
    needed = [
        each
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    by_place = all(each.kind != each.KEYWORD_ONLY for each in needed)
    if len(needed) in (0, 2) and by_place:
        return bool(needed)
    raise Unusable(
        f"TRAIN={name} takes {some([each.name for each in needed])}: expected a function of "
        "(rows, answers) that gives an estimator, or one that takes nothing"
    )


def find(name: str, folder: Path) -> Callable[..., Any]:
    """The function that is called so. Raises Unusable."""
    _look_in(folder)
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise Unusable(f"TRAIN={name} names no function: expected TRAIN={name or 'sales'}:build")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and _is_part(error.name, module_name):
            raise Unusable(
                f"TRAIN={name}: there is no module {error.name}. A file beside the model, as "
                f"{folder / 'sales.py'}, is named TRAIN=sales:train, and one in the image, as "
                "models/sales.py, TRAIN=models.sales:train"
            ) from None
        log.warning("TRAIN=%s cannot be imported", name, exc_info=True)
        raised = f"TRAIN={name}: importing {module_name} raised {_placed(error)}"
        raise Unusable(_needing(name, error) or raised) from None
    function = getattr(module, attribute, None)
    if not callable(function):
        own = [
            each
            for each, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        raise Unusable(
            f"TRAIN={name}: {module.__file__} has no function {attribute}; it has "
            f"{some(own) if own else 'none'}"
        )
    return function  # type: ignore[no-any-return]


def _look_in(folder: Path) -> None:
    """Find modules in the folder, too, behind those of the same names elsewhere."""
    sys.path.append(str(folder))


def keep(result: Result, model: Path, facts: Path) -> None:
    """Write a result to two files, for another process. Raises Unusable if it cannot be saved."""
    dump(result.estimator, model)
    dump(result.facts, facts)


def dump(value: Any, path: Path) -> None:
    """Write a joblib file. Raises Unusable if the value cannot be saved."""
    import joblib

    try:
        joblib.dump(value, path)
    except OSError:
        raise
    except Exception as error:
        raise Unusable(
            f"the model cannot be saved ({brief(error)}): put its functions and classes into "
            "models/steps.py, as docs/own-code.md shows"
        ) from None


def kept(model: Path, facts: Path, folder: Path) -> Result:
    """The result that was written to two files."""
    import joblib

    # Its classes may be of a module in the folder.
    _look_in(folder)
    return Result(joblib.load(model), joblib.load(facts))


def read(name: str, found: Any) -> Result:
    """What the function gave, as a Result. Raises Unusable."""
    estimator, facts = found if isinstance(found, tuple) and len(found) == 2 else (found, {})
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise Unusable(
            f"TRAIN={name} gave {type(estimator).__name__}: expected a fitted estimator of "
            "scikit-learn, or (estimator, facts)"
        )
    if not isinstance(facts, dict):
        raise Unusable(
            f"TRAIN={name} gave the estimator and {type(facts).__name__}: expected a dict with "
            f"some of {some(FACTS)}"
        )
    if unknown := [str(each) for each in facts if each not in FACTS]:
        raise Unusable(f"TRAIN={name} gave the facts {some(unknown)}: expected {some(FACTS)}")
    for rows, answers in PAIRS:
        if facts.get(answers) is None:
            continue
        if facts.get(rows) is None:
            raise Unusable(f"TRAIN={name} gave {answers} without {rows}")
        if len(facts[rows]) != len(facts[answers]):
            raise Unusable(
                f"TRAIN={name} gave {len(facts[rows])} {rows} and {len(facts[answers])} {answers}"
            )
    return Result(estimator, facts)


def _is_part(missing: str | None, module: str) -> bool:
    """Whether the module that is missing is the one asked for, or a package that it lies in."""
    return missing is not None and f"{module}.".startswith(f"{missing}.")


def lacking(error: BaseException) -> str:
    """The library that the image lacks, and how it gets it; "" for all other errors."""
    missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    return LACKING.get(missing.partition(".")[0], "")


def _needing(name: str, error: BaseException) -> str:
    """The sentence where the image lacks a library; "" for all other errors."""
    found = lacking(error)
    return f"TRAIN={name} needs {found}" if found else ""


def reason(error: BaseException) -> str:
    """Why a step has no result, as the end of a sentence."""
    if isinstance(error, (Unusable, ModelError)):
        return str(error)
    if found := lacking(error):
        return f"a training needs {found}"
    return f"it cannot be evaluated: {brief(error)}"


def _placed(error: BaseException) -> str:
    """An exception in short, with the file and the line that raised it, outside of libraries."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename
        and frame.filename != __file__
        and not frame.filename.startswith("<")
    ]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{brief(error)}{where}"
