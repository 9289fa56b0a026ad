"""Release versions of a model, as files: `models/NAME-1.2.0.joblib`, with its card and its plan.

A release version is three whole numbers, major.minor.patch, which people give a model. The SHA-256
of its file stays what the service calls its version. `make use-model VERSION=1.2.0` runs this: the
release becomes `models/latest.joblib`, which `make run` serves and `make build-image` takes.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from models.errors import ModelError
from models.files import PLAN, plan_path, read_card, sync, version_of

FOLDER = Path("models")
LATEST = FOLDER / "latest.joblib"
FIRST = "0.1.0"
RELEASE = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")
MODEL, HELD_OUT = ".joblib", ".held-out.csv"


def name_of(given: str = "") -> str:
    """The name of the model that a command means: the given one, MODEL_NAME, or "model"."""
    return given or os.environ.get("MODEL_NAME") or "model"


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
    """Where the rows are that were held out when the model, or the plan, at `model` was trained."""
    # A release version has dots, so that with_suffix would cut it where the file is a plan.
    return model.with_name(model.name.removesuffix(PLAN).removesuffix(MODEL) + HELD_OUT)


def files_of(model: Path) -> tuple[Path, ...]:
    """All files of a model, whether they are there or not: the model first."""
    return model, model.with_suffix(".json"), plan_path(model), held_out_path(model)


def releases(name: str, folder: Path = FOLDER) -> list[str]:
    """The release versions of `name` in a folder, the newest last."""
    return sorted(_releases(name, folder), key=_order)


def next_release(name: str, folder: Path = FOLDER) -> str:
    """The patch after the release version in use that no file has yet; 0.1.0 at first.

    The model in use is `latest.joblib`, if it has this name. Raises ModelError if it, or its card,
    cannot be read.
    """
    active = active_release(name, folder)
    taken = set(_releases(name, folder))
    if not active:
        if not taken:
            return FIRST
        active = max(taken, key=_order)
    major, minor, patch = _order(active)
    while f"{major}.{minor}.{patch}" in {active, *taken}:
        patch += 1
    return f"{major}.{minor}.{patch}"


def active_release(name: str, folder: Path = FOLDER) -> str:
    """The release version of the model in use; "" if it has none or another name, or is none."""
    path = folder / LATEST.name
    if not path.is_file():
        return ""
    card = read_card(path.with_suffix(".json"), version_of(path))
    release = card.get("release") if card.get("name", name) == name else ""
    return release if isinstance(release, str) and RELEASE.fullmatch(release) else ""


def use(model: Path, folder: Path = FOLDER) -> Path:
    """Have the model at `model`, with its card, plan and held-out rows, be `latest.joblib`.

    A service that follows this path finds the old model or the new one, never a part.
    Raises ModelError if a file cannot be read or written.
    """
    latest = folder / LATEST.name
    pairs = list(zip(files_of(model), files_of(latest), strict=True))
    beside = [(source, target, target.with_name(f"{target.name}.new")) for source, target in pairs]
    try:
        for source, _, new in beside:
            if source.exists():
                # With its time: a plan is not older than its model.
                shutil.copy2(source, new)
                sync(new)
        # The model last: its card and its plan are there then.
        for _, target, new in reversed(beside):
            if new.exists():
                new.replace(target)
            else:
                target.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be copied ({error.strerror})") from None
    return latest


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


def main() -> None:
    """Use the release version of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", nargs="?", default="")
    parser.add_argument("--name", default="")
    given = parser.parse_args()
    name = name_of(given.name)
    try:
        if not given.version:
            raise ModelError(f"VERSION is not set: {_those_of(name, FOLDER)}")
        model = path_of(given.version, name)
        print(f"{use(model)} is {model} from now on")
    except ModelError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
