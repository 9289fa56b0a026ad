"""Which packages fit a joblib file: decided from its names and version, without running it.

Only the standard library is used, since this runs before there is an environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from models import saved
from models.pickles import Content

# The oldest Python 3.x and scikit-learn that this code runs with, and the image's Python 3.x.
OLDEST_PYTHON = 11
OLDEST = "1.1.3"
DEFAULT_PYTHON = 13
# A file that names this module was saved beside NumPy 2.
NUMPY_2 = "numpy._core"
# The classes of scikit-learn that shap explains. shap and its dependencies are half of .venv.
TREES = re.compile(
    r"((Decision|Extra)Tree|ExtraTrees|RandomForest|(Hist)?GradientBoosting)(Classifier|Regressor)"
)


class Wheels(NamedTuple):
    """The wheels of a minor version of scikit-learn: Python 3.`oldest` to 3.`newest` have them.

    `later` maps a newer Python 3.x to the first patch version with wheels for it. `fits` are the
    requirements of this scikit-learn, where newer packages do not run with it.
    """

    oldest: int
    newest: int
    later: Mapping[int, str] = {}
    fits: tuple[str, ...] = ()


# Source: PyPI's wheels of each scikit-learn, and the release dates of its dependencies.
WHEELS = {
    "0.22": Wheels(5, 8),
    "0.23": Wheels(6, 8),
    "0.24": Wheels(6, 9),
    "1.0": Wheels(7, 9, {10: "1.0.2"}),
    "1.1": Wheels(8, 10, {11: "1.1.3"}, ("numpy<1.26", "scipy<1.11", "pandas<2.1")),
    "1.2": Wheels(8, 11, {}, ("numpy<1.26", "scipy<1.11", "pandas<2.1")),
    "1.3": Wheels(8, 11, {12: "1.3.2"}, ("numpy<2", "scipy<1.12", "pandas<2.2")),
    "1.4": Wheels(9, 12, {}, ("numpy<2", "scipy<1.14", "pandas<2.3")),
    "1.5": Wheels(9, 12, {13: "1.5.2"}, ("numpy<2.3", "scipy<1.16", "pandas<3")),
    "1.6": Wheels(9, 13, {}, ("numpy<2.4", "scipy<1.17", "pandas<3")),
    "1.7": Wheels(10, 13, {14: "1.7.2"}, ("scipy<1.18", "pandas<3")),
    "1.8": Wheels(11, 14),
    "1.9": Wheels(11, 14, {15: "1.9.1"}),
}


class Misfit(Exception):
    """No environment of this Python fits the model; the message says why, and what to do."""


def pythons(version: str) -> list[int]:
    """The x of each Python 3.x with wheels of this scikit-learn; [] for an unknown version."""
    wheels = WHEELS.get(saved.minor(version))
    return sorted({*range(wheels.oldest, wheels.newest + 1), *wheels.later}) if wheels else []


def set_for(version: str, python: int, *, numpy_2: bool = False) -> list[str]:
    """The requirements for models of this scikit-learn, on Python 3.`python`.

    `numpy_2` says that the file was saved beside NumPy 2. Raises Misfit without wheels.
    """
    wheels = WHEELS.get(saved.minor(version))
    if wheels is None:
        return [f"scikit-learn=={version}"]
    if python not in pythons(version):
        raise Misfit(_other_python(version, python))
    chosen = max(version, wheels.later.get(python, version), key=saved.numbers)
    fits = list(wheels.fits)
    if numpy_2 and "numpy<2" in fits:
        # 1.4.2 is the first scikit-learn that runs with NumPy 2.
        fits[fits.index("numpy<2")] = "numpy>=2,<2.1"
        chosen = max(chosen, "1.4.2", key=saved.numbers)
    return [f"scikit-learn=={chosen}", *fits]


def _other_python(version: str, python: int) -> str:
    there = pythons(version)
    span = f"Python 3.{there[0]} to 3.{there[-1]}"
    if there[-1] < OLDEST_PYTHON:
        return (
            f"was saved with scikit-learn {version}, which there is for {span} only, and the "
            f"service needs Python 3.{OLDEST_PYTHON} or newer: load it with scikit-learn {version} "
            f"on such a Python, fit it again with scikit-learn {OLDEST} or newer, and save it again"
        )
    fit = there[-1] if there[-1] < python else max(there[0], OLDEST_PYTHON)
    return (
        f"was saved with scikit-learn {version}, which there is for {span}, and this is Python "
        f"3.{python}: make run PYTHON=python3.{fit}"
    )


def base_python(content: Content) -> int:
    """The x of the Python 3.x for this file's image: the default, or the newest with wheels.

    Raises Misfit if the service runs with none that has wheels.
    """
    version = saved.saved_with(content)
    there = pythons(version) if version else []
    usable = [x for x in there if x >= OLDEST_PYTHON]
    if there and not usable:
        raise Misfit(_other_python(str(version), DEFAULT_PYTHON))
    return usable[-1] if usable and DEFAULT_PYTHON not in usable else DEFAULT_PYTHON


def required(text: str) -> dict[str, str]:
    """The packages that lines of a requirements file name, each with its exact version or ""."""
    names = {}
    for line in text.splitlines():
        if found := re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^]]*\])?\s*(==\s*([\w.+!-]+))?", line):
            names[re.sub(r"[-_.]+", "-", found[1]).lower()] = found[4] or ""
    return names


def additions(content: Content, extra: str, locked: str, python: int, *, lz4: bool) -> list[str]:
    """The requirements of a model beyond the lock, without the packages that `extra` names.

    `extra` is the text of models/requirements.txt, `locked` the scikit-learn of the lock, `lz4`
    whether LZ4 compresses the file. Raises Misfit.
    """
    own = required(extra)
    version = own.get("scikit-learn", saved.saved_with(content)) or ""
    wanted = ["lz4"] if lz4 else []
    if version and not saved.alike(version, locked):
        numpy_2 = any(module.startswith(NUMPY_2) for module, _ in content.names)
        wanted += set_for(version, python, numpy_2=numpy_2)
    return [line for line in wanted if next(iter(required(line))) not in own]


def needs_shap(content: Content, wanted: list[str]) -> bool:
    """Whether the file has trees, and the locked scikit-learn, which is new enough for shap."""
    older = any(line.startswith("scikit-learn") for line in wanted)
    return not older and any(TREES.fullmatch(name) for _, name in content.names)
