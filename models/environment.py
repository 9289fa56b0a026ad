"""Make an environment that fits the model: `python3 -m models.environment models/latest.joblib`.

The file is only read, never run. All reasons why it cannot be served are given before anything is
installed. Only the standard library is used, since this runs before there is an environment.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from models import pins, saved
from models.pickles import LZ4, Content

# The oldest Python 3.x and scikit-learn that this code runs with, and the image's Python 3.x.
OLDEST_PYTHON = 11
OLDEST = "1.1.3"
DEFAULT_PYTHON = 13
# The locks of serving and baking; of these and shap, which explains trees; of these and the tests.
RUN, EXPLAIN, DEVELOP = (f"requirements-{name}.lock" for name in ("pandas", "explain", "dev"))
INSTALLER = "requirements-uv.lock"
NO_MODEL = Path("/dev/null")
EXTRA = Path("models/requirements.txt")
# Packages that are installed as wheels only: compiling them takes long, and fails.
BINARY = ("scikit-learn", "numpy", "scipy", "pandas")
NUMPY_2 = "numpy._core"
# The classes of scikit-learn that shap explains. shap and what it needs are half of .venv.
TREES = re.compile(
    r"((Decision|Extra)Tree|ExtraTrees|RandomForest|(Hist)?GradientBoosting)(Classifier|Regressor)"
)


class Wheels(NamedTuple):
    """The wheels of a minor version of scikit-learn: Python 3.`oldest` to 3.`newest` have them.

    `later` maps a newer Python 3.x to the first patch version that has wheels for it. `fits` are
    the packages that this scikit-learn runs with, where the newest are too new for it.
    """

    oldest: int
    newest: int
    later: Mapping[int, str] = {}
    fits: tuple[str, ...] = ()


# Source: the wheels of each release of scikit-learn, and the dates of theirs.
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
    """The x of each Python 3.x with wheels of this scikit-learn; [] if the version is unknown."""
    wheels = WHEELS.get(saved.minor(version))
    return sorted({*range(wheels.oldest, wheels.newest + 1), *wheels.later}) if wheels else []


def set_for(version: str, python: int, *, numpy_2: bool = False) -> list[str]:
    """The requirements for models of this scikit-learn: it, and the packages that fit it.

    Raises Misfit if there are no wheels for Python 3.`python`.
    """
    wheels = WHEELS.get(saved.minor(version))
    if wheels is None:
        return [f"scikit-learn=={version}"]
    there = pythons(version)
    if python not in there:
        raise Misfit(_other_python(version, python, there))
    patch = wheels.later.get(python, version)
    chosen = max(version, patch, key=saved.numbers)
    fits = list(wheels.fits)
    if numpy_2 and "numpy<2" in fits:
        # 1.4.2 is the first that runs with NumPy 2.
        fits[fits.index("numpy<2")] = "numpy>=2,<2.1"
        chosen = max(chosen, "1.4.2", key=saved.numbers)
    return [f"scikit-learn=={chosen}", *fits]


def _other_python(version: str, python: int, there: list[int]) -> str:
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
    """The x of the Python 3.x for the image of this file: the default, if the file can have it.

    Raises Misfit if there is none.
    """
    version = saved.saved_with(content)
    there = [x for x in pythons(version) if x >= OLDEST_PYTHON] if version else []
    if version and saved.minor(version) in WHEELS and not there:
        raise Misfit(_other_python(version, DEFAULT_PYTHON, pythons(version)))
    return DEFAULT_PYTHON if not there or DEFAULT_PYTHON in there else there[-1]


def required(text: str) -> dict[str, str]:
    """The packages that lines of a requirements file name, each with its exact version or ""."""
    names = {}
    for line in text.splitlines():
        if found := re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^]]*\])?\s*(==\s*([\w.+!-]+))?", line):
            names[re.sub(r"[-_.]+", "-", found[1]).lower()] = found[4] or ""
    return names


def additions(content: Content, extra: str, locked: str, python: int, *, lz4: bool) -> list[str]:
    """The requirements of a model beyond the lock; models/requirements.txt beats them.

    `locked` is the version of scikit-learn in the lock. Raises Misfit.
    """
    own = required(extra)
    version = own.get("scikit-learn", saved.saved_with(content)) or ""
    wanted = ["lz4"] if lz4 else []
    if version and not saved.alike(version, locked):
        numpy_2 = any(module.startswith(NUMPY_2) for module, _ in content.names)
        wanted += set_for(version, python, numpy_2=numpy_2)
    return [line for line in wanted if next(iter(required(line))) not in own]


class Environment:
    """A virtual environment: `need` brings it to what a model needs."""

    def __init__(self, folder: Path, *, given: bool = False) -> None:
        """`given` says that it must have the Python that runs this."""
        self.folder = folder
        self.python = folder / "bin" / "python"
        self._stamp = folder / ".installed"
        ours = sys.version_info.minor
        there = [int(place.name.rpartition(".")[2]) for place in folder.glob("lib/python3.*")]
        self.is_made = self.python.exists() and (ours in there or not given)
        # The x of its Python 3.x.
        self.version = there[0] if self.is_made else ours

    def has(self, module: str) -> bool:
        """Whether a module's package is in it."""
        places = self.folder.glob("lib/python3.*/site-packages")
        top = module.partition(".")[0]
        return any(any(place.glob(f"{top}{end}")) for place in places for end in ("", ".*"))

    def installed(self) -> dict[str, object]:
        """The state in which `need` left it; {} if that is not known."""
        try:
            return dict(json.loads(self._stamp.read_text()))
        except (OSError, ValueError):
            return {}

    def need(self, lock: str, wanted: list[str], extra: str) -> None:
        """Install the packages of `lock`, `wanted` and the lines of `extra`; remove all others."""
        digest = hashlib.sha256(Path(lock).read_bytes()).hexdigest()
        state = {"lock": lock, "digest": digest, "wanted": wanted, "extra": extra}
        if self.is_made and self.installed() == state:
            return
        if not self.is_made:
            print(f"Making the environment {self.folder}: some seconds", file=sys.stderr)
            self._run(sys.executable, "-m", "venv", "--clear", self.folder)
        self._stamp.unlink(missing_ok=True)
        uv = self.folder / "bin" / "uv"
        if not uv.exists():
            pip = ("-m", "pip", "install", "-qq", "--disable-pip-version-check")
            self._run(self.python, *pip, "--require-hashes", "-r", INSTALLER)
        install = (uv, "pip", "install", "--quiet", "--python", self.python)
        sync = (uv, "pip", "sync", "--quiet", "--python", self.python)
        self._run(*sync, "--require-hashes", lock, INSTALLER)
        if wanted or extra:
            if wanted:
                print(
                    f"The model needs {', '.join(wanted)}: {self.folder} gets it", file=sys.stderr
                )
            only = [option for name in BINARY for option in ("--only-binary", name)]
            more: list[str | Path] = ["-r", EXTRA] if extra else []
            self._run(*install, *only, *wanted, *more)
        self._stamp.write_text(json.dumps(state))

    def strip(self) -> None:
        """Remove the packages' own tests, a third of their size."""
        for packages in self.folder.glob("lib/python3.*/site-packages"):
            own = packages / "numpy" / "_core" / "tests"
            helpers = packages / "numpy" / "testing" / "_private" / "utils.py"
            # NumPy 2.0 to 2.2 import a part of their own tests.
            needed = helpers.exists() and "_core.tests" in helpers.read_text()
            for name in ("tests", "test"):
                for place in packages.rglob(name):
                    if place.is_dir() and not (place == own and needed):
                        shutil.rmtree(place)

    def share_openmp(self) -> None:
        """Give scikit-learn's own copy of OpenMP the name that other libraries look for."""
        for bundled in self.folder.glob("lib/python3.*/site-packages/scikit_learn.libs/libgomp-*"):
            link = self.folder / "lib" / "libgomp.so.1"
            link.unlink(missing_ok=True)
            link.symlink_to(bundled.relative_to(link.parent))

    @staticmethod
    def _run(*command: str | Path) -> None:
        if status := subprocess.run(command, check=False).returncode:  # noqa: S603
            listed = " ".join(map(str, command[1:6]))
            sys.exit(f"error: the environment cannot be made: {listed} ended with {status}")


def look(path: Path) -> tuple[Content, bool]:
    """What the file holds, and whether LZ4 compresses it; nothing where there is no file."""
    if not path.is_file():
        return Content(None, (), ()), False
    with path.open("rb") as file:
        lz4 = file.read(len(LZ4)) == LZ4
        file.seek(0)
        return saved.look(file), lz4


def needs_shap(content: Content, wanted: list[str]) -> bool:
    """Whether the file has trees, and the locked scikit-learn, which is new enough for shap."""
    older = any(line.startswith("scikit-learn") for line in wanted)
    return not older and any(TREES.fullmatch(name) for _, name in content.names)


def locked_version(lock: Path) -> str:
    """The version of scikit-learn in a lock."""
    return required(lock.read_text())["scikit-learn"]


def fit(path: Path, environment: Environment, lock: str) -> None:
    """Bring the environment to what the model at `path` needs.

    Raises Misfit with all reasons why it cannot be served, before anything is installed.
    """
    extra = EXTRA.read_text() if EXTRA.exists() else ""
    content, lz4 = look(path)
    own, state = required(extra), environment.installed()
    # Which modules a line of models/requirements.txt brings is known once it is installed.
    open_lines = any(name not in BINARY for name in own) and state.get("extra") != extra

    def has(module: str) -> bool:
        top = module.partition(".")[0]
        package = saved.PACKAGES.get(top, top).lower()
        if top in saved.DATA or package in own or environment.has(module):
            return True
        if (
            Path(f"{module.replace('.', '/')}.py").exists()
            or Path(module.replace(".", "/")).is_dir()
        ):
            return True
        return open_lines and top not in (*saved.PACKAGES, "models")

    reasons = saved.obstacles(content, str(path), has) if path.is_file() else []
    wanted: list[str] = []
    try:
        wanted = additions(content, extra, locked_version(Path(lock)), environment.version, lz4=lz4)
    except Misfit as misfit:
        reasons.insert(0, str(misfit))
    if reasons:
        raise Misfit(saved.sentence(str(path), reasons))
    if environment.is_made and path != NO_MODEL and not path.is_file():
        # A wrong path is said by what runs next, and is no reason to install something else.
        wanted = list(state.get("wanted") or [])  # type: ignore[call-overload]
        lock = str(state.get("lock") or lock)
    elif lock == EXPLAIN and not needs_shap(content, wanted):
        lock = RUN
    environment.need(lock, wanted, extra)


def is_baked(path: Path, record: Path | None = None) -> bool:
    """Whether there is a plan that is newer than the model, its card and the code that makes it.

    Where the model is pinned, the plan must be one that was made here: `record` says which were.
    """
    if not path.name:
        return False
    place, root = path.with_suffix(".plan.npz"), Path(__file__).parents[1]
    cards = path.parent.glob(glob.escape(path.with_suffix(".json").name))
    sources = [path, *cards, *root.glob("models/**/*.py")]
    try:
        new = all(source.stat().st_mtime <= place.stat().st_mtime for source in sources)
        pinned = os.environ.get("MODEL_SHA256")
        return new and (
            not pinned or pins.is_ours(hashlib.sha256(place.read_bytes()).hexdigest(), record)
        )
    except OSError:
        return False


def drop_pandas(path: Path, environment: Environment) -> None:
    """Take pandas out of an image whose model does not need it."""
    from models import fitted
    from models.engines.scikit_learn import ScikitLearnEngine

    pin = os.environ.get("MODEL_SHA256", "")
    with path.open("rb") as file:
        others = saved.foreign(saved.look(file))
    if EXTRA.exists() or others or ScikitLearnEngine(fitted.load(path, pin)).signature.frame:
        print("The model needs pandas: the image gets it")
        return
    base, more = (required(Path(lock).read_text()) for lock in ("requirements.lock", RUN))
    uv = environment.folder / "bin" / "uv"
    unneeded = sorted(set(more) - set(base))
    environment._run(uv, "pip", "uninstall", "--quiet", "--python", environment.python, *unneeded)  # noqa: SLF001


def main() -> None:
    """Make the environment fit the model, or say why none can."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_path", nargs="?", type=Path, default=NO_MODEL)
    parser.add_argument("--folder", type=Path, default=Path(".venv"))
    parser.add_argument("--develop", action="store_true", help="with what tests need")
    parser.add_argument(
        "--lock", default=EXPLAIN, help="what to install without --develop; shap only for trees"
    )
    parser.add_argument("--given", action="store_true", help="remake it for this Python")
    parser.add_argument("--base", action="store_true", help="say the Python of the image")
    parser.add_argument("--is-baked", action="store_true", help="end with 1 if it is to be baked")
    parser.add_argument("--strip", action="store_true", help="make it fit for an image")
    parser.add_argument("--drop-pandas", action="store_true", help="where the model needs none")
    options = parser.parse_args()
    environment = Environment(options.folder, given=options.given)
    try:
        if options.base:
            print(f"3.{base_python(look(options.model_path)[0])}")
            return
        if options.is_baked:
            sys.exit(not is_baked(options.model_path, options.folder / pins.NAME))
        if options.strip:
            environment.strip()
            environment.share_openmp()
            return
        if options.drop_pandas:
            drop_pandas(options.model_path, environment)
            return
        develop = options.develop or environment.has("pytest")
        fit(options.model_path, environment, DEVELOP if develop else options.lock)
    except Misfit as misfit:
        sys.exit(f"error: {misfit}")


if __name__ == "__main__":
    main()
