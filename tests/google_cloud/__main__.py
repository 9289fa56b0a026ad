"""make try-cloud: from setup to destroy on the small Google Cloud. The argument is the model."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from models.training import train
from tests import desk
from tests.google_cloud import tools
from tests.google_cloud.cloud import PROJECT

STORY = [
    ["check-gcp-login"],
    ["setup"],
    ["release"],
    ["predict"],
    ["doctor"],
    ["destroy", f"CONFIRM={PROJECT}"],
]


def main() -> None:
    """Walk from setup to destroy; whatever stops that, nothing of it is left on this machine."""
    if missing := tools.missing():
        sys.exit(
            f"make try-cloud runs gcloud, docker and docker-registry on this machine: {missing}"
        )
    # A shell lets its background jobs ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with tempfile.TemporaryDirectory(prefix=f"try-cloud-{os.getpid()}-") as folder:
            code = walk(Path(folder), Path(sys.argv[1]))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    print("\nThe small Google Cloud is gone, with all that it made on this machine.")
    sys.exit(code)


def walk(folder: Path, model: Path) -> int:
    """Run each target in a copy of the project; the status of the first that fails, or 0."""
    if not model.exists():
        model = folder / "latest.joblib"
        train.example(model)
    with desk.begin(folder, model) as person:
        print(
            f"A small Google Cloud answers on {person.cloud.address}, with the project {PROJECT}.\n"
            "gcloud and docker are your own, with settings of their own for this, in a copy of the\n"
            f"project: {person.folder}",
            flush=True,
        )
        try:
            return next(filter(None, (run(person, arguments) for arguments in STORY)), 0)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # taking all away must not be cut short
            print("\nStopped: taking away what there is", flush=True)
            raise


def run(person: desk.Desk, arguments: list[str]) -> int:
    """Run a target as the person, before the eyes of whoever started this."""
    command = ["make", *arguments]
    print(f"\n$ {shlex.join(command)}", flush=True)
    return subprocess.run(command, cwd=person.folder, env=person.env, check=False).returncode


if __name__ == "__main__":
    main()
