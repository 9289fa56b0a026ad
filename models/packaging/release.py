"""Release a model: `python -m models.packaging.release --tag model-1.2.0`.

`make release-model` runs this. It trains the release unless its file is there, evaluates it against
the gates of EVALUATE_MIN, compares it with `models/latest.joblib`, packages it, writes all that a
GitHub release has to `dist/NAME-VERSION/`, and tags the commit.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from models import releases, threads
from models.errors import ModelError
from models.evaluation import REPORTS
from models.files import read_card, version_of
from models.printing import say

SUMS = "SHA256SUMS"


class Unreleased(Exception):
    """The model is not released; the message is one sentence."""


def release(model: Path, *, minimum: str = "", accept: str = "", out: Path = Path("dist")) -> Path:
    """Release the model at `model`, and give the folder with its files; prints what is done.

    `minimum` are the gates, `accept` is "worse" where the model may be worse than the one in use.
    Raises Unreleased, or what the steps raise.
    """
    from models.evaluation.compare import compare
    from models.evaluation.measure import evaluate
    from models.evaluation.report import save
    from models.packaging.package import package

    evaluation = evaluate(str(model), minimum=minimum)
    reports = save(evaluation)
    say(f"\n{evaluation}\n")
    if evaluation.missed:
        raise Unreleased(f"{model} is not released: {'; '.join(evaluation.missed)}")
    if not releases.LATEST.exists():
        compared = f"There is no {releases.LATEST} to compare it with."
    elif (used := _name_of(releases.LATEST)) not in ("", _name_of(model)):
        compared = f"{releases.LATEST} is the model {used}: there is nothing to compare."
    elif releases.LATEST.read_bytes() == model.read_bytes():
        compared = f"{releases.LATEST} is the same file: there is nothing to compare."
    else:
        comparison = compare(releases.LATEST, model)
        compared = str(comparison)
        if comparison.outcome == "worse" and accept != "worse":
            say(f"{compared}\n")
            raise Unreleased(
                f"{model} is not released: it is worse than {releases.LATEST}; ACCEPT=worse "
                "releases it all the same"
            )
    say(f"{compared}\n")
    wheel = package(model)
    folder = out / model.stem
    _collect(folder, [*_files(model), *reports, wheel])
    notes_path(folder).write_text(f"```\n{evaluation}\n\n{compared}\n```\n")
    return folder


def notes_path(folder: Path) -> Path:
    """Where the text of the release is whose files are in a folder."""
    return folder.with_name(f"{folder.name}.md")


def _name_of(model: Path) -> str:
    return str(read_card(model.with_suffix(".json"), version_of(model)).get("name") or "")


def _files(model: Path) -> Iterator[Path]:
    """The files that serve a model: without the rows held out, which may be anybody's."""
    held_out = releases.held_out_path(model)
    yield from (path for path in releases.files_of(model) if path.exists() and path != held_out)


def _collect(folder: Path, files: list[Path]) -> None:
    """Copy the files into a folder, with their SHA-256."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in files:
        # A report has the name of its model.
        is_report = path.parent == REPORTS
        shutil.copy2(
            path, folder / (f"{path.stem}.evaluation{path.suffix}" if is_report else path.name)
        )
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    (folder / SUMS).write_text("".join(lines))


def check_tag(tag: str) -> None:
    """Raise Unreleased if the tag, or the commit that it is to name, cannot be used."""
    head, tagged = _git("rev-parse", "HEAD"), _git("rev-parse", "--verify", f"{tag}^{{commit}}")
    if not head:
        raise Unreleased("a release is a tag of git, and this is no checkout: git init")
    if tagged and tagged != head:
        raise Unreleased(f"the tag {tag} names another commit: release the next version")
    if not tagged and _git("status", "--porcelain"):
        raise Unreleased("there are changes that are not committed: commit them, and release then")


def tag(name: str, notes: Path) -> bool:
    """Tag the commit with the notes; whether the tag is new. Raises Unreleased."""
    if _git("rev-parse", "--verify", f"{name}^{{commit}}"):
        return False
    made = ["git", "tag", "--annotate", "--cleanup=whitespace", f"--file={notes}", name]
    done = subprocess.run(made, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise Unreleased(f"git makes no tag: {done.stderr.strip().splitlines()[-1]}")
    return True


def _git(*arguments: str) -> str:
    """What git says, or "" where it fails."""
    try:
        done = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True)  # noqa: S603, S607
    except OSError:
        return ""
    return done.stdout.strip() if not done.returncode else ""


def _parts(given: argparse.Namespace) -> tuple[str, str]:
    """The name and the version of the release; raises Unreleased."""
    if given.tag:
        name, _, version = given.tag.rpartition("-")
        if (given.version or version) != version or (given.name or name) != name:
            raise Unreleased(f"TAG={given.tag} is another release than NAME and VERSION say")
        return name, version
    name = releases.name_of(given.name)
    return name, given.version.removeprefix("v") or releases.next_release(name)


def _train(label: str, name: str, version: str, options: list[str]) -> None:
    """Train in a process of its own, as make train does. Raises Unreleased."""
    command = [sys.executable, "-m", "models.training.train", version, "--name", name, *options]
    # The number of threads may change the last bits of a model.
    environment = {k: v for k, v in os.environ.items() if k not in threads.VARIABLES}
    if subprocess.run(command, check=False, env=environment).returncode:  # noqa: S603
        raise Unreleased(f"{label} is not released: it cannot be trained")


def _do(given: argparse.Namespace, training: list[str]) -> None:
    name, version = _parts(given)
    label = f"{name}-{version}"
    model = releases.file_of(name, version)
    # Before the work of minutes.
    check_tag(label)
    if not model.exists():
        _train(label, name, version, training)
    folder = release(model, minimum=given.min, accept=given.accept)
    say(f"{folder} has the files of the release, and {notes_path(folder)} its text")
    made = tag(label, notes_path(folder))
    say(f"This commit has the tag {label}" + (f": git push origin {label}" if made else ""))


def main() -> None:
    """Release what the command line says; its other options are those of a training."""
    threads.limit()
    from models.evaluation.facts import Unmeasurable
    from models.settings import SettingsError
    from models.training_rows import DataError

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="1.2.0; an empty text is the next one")
    parser.add_argument("--name", default="")
    parser.add_argument("--tag", default="", help="the release as a tag, as model-1.2.0")
    parser.add_argument("--min", default="", help="gates, as accuracy>=0.95,log_loss<=0.1")
    parser.add_argument("--accept", default="", help="worse: release a model that is worse")
    try:
        _do(*parser.parse_known_args())
    except (ModelError, Unmeasurable, DataError, SettingsError, Unreleased, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
