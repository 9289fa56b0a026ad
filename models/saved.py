"""All reasons why a model's file cannot be served, found without running it.

Only the standard library is used, so a file can be read before anything is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from models import pickles
from models.file_types import SAVE, other_format
from models.packages import PACKAGES
from models.pickles import Content, Stub

# Modules whose objects are data.
DATA = {"numpy", "pandas", "scipy", "joblib", "builtins", "collections", "datetime", "decimal"}
# How class names of estimators that prepare rows for another estimator end.
PREPARES = re.compile(
    r"(Scaler|Encoder|Imputer|Vectorizer|Transformer|PCA|SVD|Binarizer|Features)$"
)
# Strict, since a version goes into a command line.
VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}((a|b|rc)\d{1,3})?(\.post\d{1,3})?", re.ASCII)


def look(file: BinaryIO) -> Content:
    """The contents of a model's file; `problem` says what the file is if it cannot be read."""
    try:
        pickle = pickles.decompress(file)
    except ValueError as error:
        damaged = f"is damaged or cut short ({error}): copy it again, or {SAVE}"
        return Content(None, (), (), other_format(file) or damaged)
    content = pickles.read(pickle)
    if not content.problem:
        return content
    problem = other_format(file) or other_format(pickle)
    if problem:
        # Text may look like a pickle that names a class.
        return Content(None, (), (), problem)
    pickle.seek(0)
    # Pickles of each protocol begin differently, but nearly all have a name.
    is_pickle = content.names or pickle.read(1) == b"\x80"
    is_not = "is damaged or cut short" if is_pickle else "is not a joblib file"
    return content._replace(problem=f"{is_not} ({content.problem}): {SAVE}, or copy it again")


def saved_with(content: Content) -> str | None:
    """The version of scikit-learn that saved a file; None if the file does not say."""
    return max(filter(VERSION.fullmatch, content.versions), key=numbers, default=None)


def numbers(version: str) -> tuple[int, ...]:
    """The numbers in a version, which sort as the versions do."""
    return tuple(map(int, re.findall(r"\d+", version.partition("rc")[0])))


def minor(version: str) -> str:
    """The minor version of a version: 1.5 of 1.5.2."""
    return ".".join(version.split(".")[:2])


def alike(one: str, other: str) -> bool:
    """Whether one version of scikit-learn reads the files of the other: their form only changes
    with the minor version.
    """
    return numbers(one)[:2] == numbers(other)[:2]


def other_version(saver: str, installed: str) -> str:
    """The rest of a sentence on a file of another scikit-learn, and what to do."""
    return (
        f"was saved with scikit-learn {saver}, and {installed} is installed: "
        f"add the line scikit-learn=={saver} to models/requirements.txt and run make again, "
        "or save the model with the installed version"
    )


def obstacles(content: Content, path: str, has: Callable[[str], bool]) -> list[str]:
    """All reasons, except its version, why a file cannot be served.

    `has` says whether a module is installed. Each reason is the rest of a sentence that begins with
    the name of the file.
    """
    if content.problem and not content.names:
        return [content.problem]
    whole = [] if content.problem else _not_one_estimator(content.top, path)
    return [*whole, *_missing(content, path, has)]


def sentence(path: str, reasons: list[str]) -> str:
    """One sentence with all reasons."""
    if len(reasons) == 1:
        return f"{path} {reasons[0]}"
    listed = "; ".join(f"({number}) it {reason}" for number, reason in enumerate(reasons, 1))
    return f"{path} cannot be served for {len(reasons)} reasons: {listed}"


def foreign(content: Content) -> set[str]:
    """The modules that a file needs, without those of Python and of scikit-learn's dependencies."""
    ours = DATA | {"sklearn", "_codecs", "copyreg"}
    tops = {module.partition(".")[0] for module, _ in content.names}
    return {top for top in tops if top not in ours and top not in sys.stdlib_module_names}


def _missing(content: Content, path: str, has: Callable[[str], bool]) -> Iterator[str]:
    """A reason for each module that a file needs and that is not installed."""
    absent: dict[str, list[str]] = {}
    for module, name in content.names:
        top = module.partition(".")[0]
        if module == "__main__" or (
            top not in sys.stdlib_module_names and top != "sklearn" and not has(module)
        ):
            absent.setdefault(module, []).append(name)
    if own := absent.pop("__main__", None):
        names = ", ".join(own)
        yield (
            f"needs {names}, defined in a notebook or script, whose code is not saved with the "
            "model: move that code into models/steps.py, and in its place write, in the project's "
            f"folder, `from models.steps import {names}`, then fit again, `estimator.fit(X, y)`, "
            f"and save again, `joblib.dump(estimator, {path!r})`"
        )
    packages: dict[str, None] = {}
    for module, needed in absent.items():
        if package := PACKAGES.get(module.partition(".")[0]):
            packages[package] = None
        else:
            yield _own_module(module, needed, path)
    for package in packages:
        yield (
            f"needs the package {package}, which is not installed: "
            f"add the line {package} to models/requirements.txt and run make again"
        )


def _own_module(module: str, names: list[str], path: str) -> str:
    listed = ", ".join(names)
    place = f"{module.replace('.', '/')}.py"
    if module.startswith("models."):
        return f"needs {listed} of {module}, which is not here: write that code into {place}"
    return (
        f"needs {listed} of the module {module}, which is not here: if it is your own code, write "
        f"it into models/steps.py, train with `from models.steps import {listed}`, and save again "
        f"with joblib.dump(estimator, {path!r}); if it is a package's, add the name that you "
        "install that package by to models/requirements.txt and run make again"
    )


def _not_one_estimator(top: Any, path: str) -> Iterator[str]:
    """The reason why a file does not hold one estimator, and how to save one."""
    if isinstance(top, type) and top.__name__[:1].islower():
        yield f"holds the function {top.__name__}, not a fitted scikit-learn estimator: {SAVE}"
    elif isinstance(top, type):
        yield (
            f"holds the class {top.__name__}, not a fitted estimator: save what fit gives, "
            f"joblib.dump({top.__name__}().fit(X, y), {path!r})"
        )
    elif isinstance(top, Stub) and type(top).__name__ == "Booster":
        yield (
            f"holds a {type(top).__module__}.Booster, not an estimator: train with the library's "
            "scikit-learn classes, as LGBMRegressor or XGBClassifier, and save that"
        )
    elif not (_is_estimator(top) or (isinstance(top, Stub) and not _is_data(top))):
        found = list(_estimators(top, ""))
        if not found:
            yield f"holds a {_kind(top)}, not a fitted scikit-learn estimator: {SAVE}"
        else:
            yield (_holds_one if len(found) == 1 else _holds_several)(top, found, path)


def _holds_one(top: Any, found: list[tuple[str, Any]], path: str) -> str:
    ((where, estimator),) = found
    others = [repr(key) for key in top if f"[{key!r}]" != where] if isinstance(top, dict) else []
    rest = f" (the service does nothing with {', '.join(others[:6])})" if others else ""
    return (
        f"holds a {_kind(top)}, and its estimator, a {_short(estimator)}, is {where} in it: save "
        f"that alone, joblib.dump(joblib.load({path!r}){where}, {path!r}){rest}"
    )


def _holds_several(top: Any, found: list[tuple[str, Any]], path: str) -> str:
    found.sort(key=lambda each: not PREPARES.search(_short(each[1])))
    listed = " and ".join(f"{where}, a {_short(estimator)}" for where, estimator in found[:6])
    steps = ", ".join(f"held{where}" for where, _ in found)
    advice = (
        f"one prepares the rows for the next, joblib.dump(make_pipeline({steps}), {path!r})"
        if all(PREPARES.search(_short(each)) for _, each in found[:-1])
        else "all of them answer together, fit a VotingClassifier, VotingRegressor or "
        "StackingClassifier of such estimators, and save that"
    )
    return (
        f"holds a {_kind(top)} with {len(found)} estimators, {listed}: save the one to serve "
        f"alone, held = joblib.load({path!r}); joblib.dump(held{found[-1][0]}, {path!r}); or, "
        f"where {advice}"
    )


def _short(estimator: Any) -> str:
    return type(estimator).__name__


def _kind(value: Any) -> str:
    if not isinstance(value, Stub):
        return f"builtins.{type(value).__name__}"
    if _short(value) == "getattr":
        return "bound method"
    if _short(value) == pickles.ARRAY[1]:
        return "numpy.ndarray"
    return f"{type(value).__module__}.{type(value).__name__}"


def _is_estimator(value: Any) -> bool:
    """Whether a value is a fitted estimator, as far as its state or its library tells."""
    if not isinstance(value, Stub) or _is_data(value):
        return False
    if not isinstance(value.state, dict):
        return type(value).__module__.partition(".")[0] in PACKAGES
    return "_sklearn_version" in value.state or any(
        name.endswith("_") and not name.startswith("_")
        for name in value.state
        if isinstance(name, str)
    )


def _is_data(stub: Stub) -> bool:
    module = type(stub).__module__
    return module.partition(".")[0] in DATA or (module == "sklearn.utils._bunch")


def _estimators(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The estimators in nested containers, each with the keys that lead to it."""
    if where.count("[") > 3:
        return
    if isinstance(value, Stub) and _short(value) == "getattr" and _is_estimator(value.arguments[0]):
        yield f"{where}.__self__", value.arguments[0]
    if isinstance(value, Stub) and value.items:
        value = value.items
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for key, inner in items:
        place = f"{where}[{key!r}]"
        if _is_estimator(inner):
            yield place, inner
        else:
            yield from _estimators(inner, place)
