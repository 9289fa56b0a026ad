"""Release versions of a model, as files: `models/NAME-1.2.0.joblib`, with its card and its plan.

A release version is three whole numbers, major.minor.patch, which people give a model. The SHA-256
of its file stays what the service calls its version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from models.errors import ModelError
from models.files import plan_path, read_card, version_of

FOLDER = Path("models")
LATEST = FOLDER / "latest.joblib"
FIRST = "0.1.0"
RELEASE = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")
HELD_OUT = ".held-out.csv"


def path_of(given: str, name: str, folder: Path = FOLDER) -> Path:
    """The model file that a person names: by its path, or by the release version of `name`.

    Raises ModelError if there is none, with the release versions there are.
    """
    path = Path(given)
    if not RELEASE.fullmatch(given.removeprefix("v")):
        if path.is_file():
            return path
        raise ModelError(f"there is no model {given}: {_those_of(name, folder)}, or name a file")
    path = file_of(name, given.removeprefix("v"), folder)
    if not path.is_file():
        raise ModelError(f"there is no {path}: {_those_of(name, folder)}")
    return path


def file_of(name: str, release: str, folder: Path = FOLDER) -> Path:
    """Where the model of a release version is, or will be.

    Raises ModelError if the version is not of three whole numbers, or the name is none.
    """
    if not NAME.fullmatch(name):
        raise ModelError(
            f"NAME={name}: expected letters and digits, parted by - _ or ., as in house-prices"
        )
    if not RELEASE.fullmatch(release):
        raise ModelError(f"VERSION={release}: expected three whole numbers, as in VERSION=1.2.0")
    return folder / f"{name}-{release}.joblib"


def held_out_path(model: Path) -> Path:
    """Where the rows are that were held out when the model at `model` was trained."""
    return model.with_suffix(HELD_OUT)


def files_of(model: Path) -> tuple[Path, ...]:
    """All files of a model, whether they are there or not: the model first."""
    return model, model.with_suffix(".json"), plan_path(model), held_out_path(model)


def releases(name: str, folder: Path = FOLDER) -> list[str]:
    """The release versions of `name` in a folder, the newest last."""
    return sorted(_releases(name, folder), key=_order)


def next_release(name: str, folder: Path = FOLDER) -> str:
    """The patch after the active model's release version that no file has yet; 0.1.0 at first.

    The active model is `latest.joblib`. Raises ModelError if it, or its card, cannot be read.
    """
    active = active_release(folder)
    taken = set(_releases(name, folder))
    if not active:
        if not taken:
            return FIRST
        active = max(taken, key=_order)
    major, minor, patch = _order(active)
    while f"{major}.{minor}.{patch}" in {active, *taken}:
        patch += 1
    return f"{major}.{minor}.{patch}"


def active_release(folder: Path = FOLDER) -> str:
    """The release version of the model in use; "" if it has none, or there is no model."""
    path = folder / LATEST.name
    if not path.is_file():
        return ""
    release = read_card(path.with_suffix(".json"), version_of(path)).get("release")
    return release if isinstance(release, str) and RELEASE.fullmatch(release) else ""


def _releases(name: str, folder: Path) -> Iterator[str]:
    for path in folder.glob("*.joblib"):
        release = path.stem.removeprefix(f"{name}-")
        if RELEASE.fullmatch(release):
            yield release


def _order(release: str) -> tuple[int, int, int]:
    major, minor, patch = map(int, release.split("."))
    return major, minor, patch


def _those_of(name: str, folder: Path) -> str:
    found = releases(name, folder)
    if not found:
        return f"{folder} has no release version of {name} yet, and make train makes one"
    return f"{folder} has the release versions {', '.join(found)} of {name}"
