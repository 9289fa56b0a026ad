"""Make an environment that fits the model: `python3 -m models.environment models/latest.joblib`.

The file is only read, never run. All reasons why it cannot be served are printed before anything is
installed. Only the standard library is used, since this runs before there is an environment.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from models import pins, saved
from models.packages import PACKAGES
from models.pickles import LZ4, Content
from models.wheels import Misfit, additions, base_python, needs_shap, required

# The locks of serving and baking; of these and shap, which explains trees; of these and the tests.
RUN, EXPLAIN, DEVELOP = (f"requirements-{name}.lock" for name in ("pandas", "explain", "dev"))
INSTALLER = "requirements-uv.lock"
NO_MODEL = Path("/dev/null")
EXTRA = Path("models/requirements.txt")
# Packages that are installed as wheels only: compiling them takes minutes, or fails.
BINARY = ("scikit-learn", "numpy", "scipy", "pandas")


class Environment:
    """A virtual environment in a folder; `need` makes or changes it."""

    def __init__(self, folder: Path, *, given: bool = False) -> None:
        """`given` says that an environment of another Python must be made anew."""
        self.folder = folder
        self.python = folder / "bin" / "python"
        self._stamp = folder / ".installed"
        ours = sys.version_info.minor
        there = [int(place.name.rpartition(".")[2]) for place in folder.glob("lib/python3.*")]
        self.is_made = self.python.exists() and (ours in there or not given)
        # The x of its Python 3.x.
        self.version = there[0] if self.is_made else ours

    def has(self, module: str) -> bool:
        """Whether the top-level module of a dotted name is installed."""
        places = self.folder.glob("lib/python3.*/site-packages")
        top = module.partition(".")[0]
        return any(any(place.glob(f"{top}{end}")) for place in places for end in ("", ".*"))

    def installed(self) -> dict[str, object]:
        """The arguments of the last `need`; {} if it did not finish."""
        try:
            return dict(json.loads(self._stamp.read_text()))
        except (OSError, ValueError):
            return {}

    def need(self, lock: str, wanted: list[str], extra: str) -> None:
        """Install the packages of `lock`, `wanted` and `extra`, and remove all others.

        `wanted` are requirements, `extra` is the text of models/requirements.txt.
        """
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
            # NumPy 2.0 to 2.2 import one module of their own tests.
            needed = helpers.exists() and "_core.tests" in helpers.read_text()
            for name in ("tests", "test"):
                for place in packages.rglob(name):
                    if place.is_dir() and not (place == own and needed):
                        shutil.rmtree(place)

    def share_openmp(self) -> None:
        """Link scikit-learn's own OpenMP to the name that other libraries load."""
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
    """The content of the file, without running it, and whether LZ4 compresses it."""
    if not path.is_file():
        return Content(None, (), ()), False
    with path.open("rb") as file:
        lz4 = file.read(len(LZ4)) == LZ4
        file.seek(0)
        return saved.look(file), lz4


def finder(environment: Environment, extra: str) -> Callable[[str], bool]:
    """A test whether a module is there, or will be once the packages of `extra` are installed."""
    own = required(extra)
    # The modules of a new line in models/requirements.txt are known once it is installed.
    new = environment.installed().get("extra") != extra and not own.keys() <= {*BINARY}

    def is_there(module: str) -> bool:
        top = module.partition(".")[0]
        source = Path(module.replace(".", "/"))
        return (
            top in saved.DATA
            or PACKAGES.get(top, top).lower() in own
            or environment.has(module)
            or source.with_suffix(".py").exists()
            or source.is_dir()
            or (new and top not in (*PACKAGES, "models"))
        )

    return is_there


def fit(path: Path, environment: Environment, lock: str) -> None:
    """Install what the model at `path` needs.

    Raises Misfit with all reasons why it cannot be served, before anything is installed.
    """
    extra = EXTRA.read_text() if EXTRA.exists() else ""
    content, lz4 = look(path)
    is_there = finder(environment, extra)
    reasons = saved.obstacles(content, str(path), is_there) if path.is_file() else []
    locked = required(Path(lock).read_text())["scikit-learn"]
    wanted: list[str] = []
    try:
        wanted = additions(content, extra, locked, environment.version, lz4=lz4)
    except Misfit as misfit:
        reasons.insert(0, str(misfit))
    if reasons:
        raise Misfit(saved.sentence(str(path), reasons))
    if environment.is_made and path != NO_MODEL and not path.is_file():
        # The next command says that the path is wrong; the environment stays as it is.
        state = environment.installed()
        wanted = list(state.get("wanted") or [])  # type: ignore[call-overload]
        lock = str(state.get("lock") or lock)
    elif lock == EXPLAIN and not needs_shap(content, wanted):
        lock = RUN
    environment.need(lock, wanted, extra)


def is_baked(path: Path, record: Path | None = None) -> bool:
    """Whether the plan is newer than the model, its card and the code that makes plans.

    If MODEL_SHA256 is set, the plan must be in `record`, the list of plans that were made here.
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
    """Uninstall pandas in an image whose model does not need it."""
    from models import fitted

    pin = os.environ.get("MODEL_SHA256", "")
    with path.open("rb") as file:
        others = saved.foreign(saved.look(file))
    if EXTRA.exists() or others or fitted.load(path, pin).signature.frame:
        print("The model needs pandas: the image gets it")
        return
    base, more = (required(Path(lock).read_text()) for lock in ("requirements.lock", RUN))
    uv = environment.folder / "bin" / "uv"
    unneeded = sorted(set(more) - set(base))
    environment._run(uv, "pip", "uninstall", "--quiet", "--python", environment.python, *unneeded)  # noqa: SLF001


def main() -> None:
    """Run the option that was given; without one, make the environment fit the model."""
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
