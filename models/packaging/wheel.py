"""Build a wheel with `build` and hatchling, which need not be installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from models.errors import ModelError
from models.packaging.vendor import ROOT
from models.wheels import required

BUILDERS = ("build", "hatchling")
LOCK = ROOT / "requirements-dev.lock"
# hatchling's own default, so that a wheel does not tell when it was built.
EPOCH = "1580601600"


def build(source: Path, out: Path) -> Path:
    """Build the wheel of a folder with a pyproject.toml, and put it into the folder `out`.

    Equal sources give equal bytes. Raises ModelError if it cannot be built, or if another content
    stands there under its name.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        module = ("-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check")
        run(BUILDERS, *module, "--outdir", folder, str(source))
        (built,) = Path(folder).glob("*.whl")
        target = out / built.name
        content = built.read_bytes()
    if target.exists() and target.read_bytes() != content:
        raise ModelError(
            f"{target} is there with another content, and a version names one content only: give "
            f"another version, as in VERSION=1.0.1, or delete that file if nobody has it"
        )
    out.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.new")
    new.write_bytes(content)
    new.replace(target)
    return target


def run(packages: tuple[str, ...], *arguments: str) -> None:
    """Run Python with these packages, of this environment or else in one of their own.

    Raises ModelError with the last lines that it printed.
    """
    environ = {"SOURCE_DATE_EPOCH": EPOCH, **os.environ}
    done = subprocess.run(  # noqa: S603
        [*python(packages), *arguments],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()] or [
            "nothing"
        ]
        raise ModelError(f"{arguments[1]} ended with {done.returncode}: {' '.join(said[-2:])}")


def python(packages: tuple[str, ...]) -> list[str]:
    """The command of a Python that has these packages; raises ModelError if there is none."""
    if all(map(importlib.util.find_spec, packages)):
        return [sys.executable]
    uv = Path(sys.executable).with_name("uv")
    locked = required(LOCK.read_text())
    wanted = [option for name in packages for option in ("--with", f"{name}=={locked[name]}")]
    options = ["--quiet", "--isolated", "--no-project", "--python", sys.executable]
    command = [str(uv), "run", *options, *wanted, "python"]
    done = subprocess.run([*command, "-c", ""], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ModelError(
            f"{' and '.join(packages)} cannot be fetched, and are not installed: connect to the "
            "network, or make develop where there is one"
        )
    return command
