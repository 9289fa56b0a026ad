"""Hurt one way to run tasks, and say what came of it: `python -m tests.torture celery-rabbitmq`."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from api.settings import Settings
from tests.torture import driver

# Each module has a class `Torn`: a Stage with `harms`, made of a folder and the path of a model.
STAGES = {
    "embedded": ("tests.torture.embedded", {}),
    "celery-rabbitmq": ("tests.torture.scaled", {"broker": "rabbitmq"}),
    "celery-redis": ("tests.torture.scaled", {"broker": "redis"}),
}
ROWS = 20_000


def main() -> None:
    """Run one stage, and exit with 1 unless each task has the right results."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two kills")
    parser.add_argument("--harms", type=int, default=1, help="0: nothing but kills of workers")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    # So that no process is left where somebody ends this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # What a developer has set in .env does not count here.
    for field in msgspec.structs.fields(Settings):
        os.environ.pop(field.name.upper(), None)
    module, options = STAGES[given.stage]
    with tempfile.TemporaryDirectory() as folder:
        model = driver.write_model(Path(folder))
        stage = importlib.import_module(module).Torn(Path(folder), model, **options)
        try:
            stage.start()
            work = driver.work_of(stage.port, ROWS)
            torture = driver.Torture(stage, work, tasks=given.tasks, seed=given.seed)
            outcome = torture.run(given.kills, given.pause, stage.harms if given.harms else ())
        finally:
            stage.stop()
    print(outcome)
    sys.exit(not outcome.is_good)


if __name__ == "__main__":
    main()
