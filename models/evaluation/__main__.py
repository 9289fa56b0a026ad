"""Evaluate a model: `python -m models.evaluation [MODEL] [--data FILE] [--target COLUMN] ...`.

`make evaluate` runs this. The evaluation is printed and written to reports/; the status is 1 if a
gate is not met, or the service at the URL answers otherwise than the file.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models import releases, threads
from models.errors import ModelError
from models.printing import say
from models.settings import ModelSettings, SettingsError

if TYPE_CHECKING:
    from models.evaluation.measure import Evaluation


def main() -> None:
    """Evaluate, print, write the report, and say whether the gates are met."""
    given = _given()
    try:
        path = _model(given.model, given.name)
    except (ModelError, SettingsError) as error:
        sys.exit(f"error: {error}")
    threads.limit()
    # The report says which rows were refused.
    logging.getLogger("models.reject").setLevel(logging.ERROR)
    _end(_evaluated(path, given))


def _evaluated(path: Path, given: argparse.Namespace) -> Evaluation:
    """The evaluation, which is printed and written; an error ends the process in one sentence."""
    from models.evaluation.facts import Unmeasurable
    from models.evaluation.measure import evaluate
    from models.evaluation.report import save
    from models.training_rows import DataError

    slices = [name.strip() for name in given.slices.split(",") if name.strip()]
    try:
        found = evaluate(path, given.data, given.target, slices, given.min, given.url)
        json, html = save(found)
    except (ModelError, DataError, SettingsError, Unmeasurable) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename} cannot be written ({error.strerror})")
    say(f"{found}\n\n{html} and {json} are written")
    return found


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.evaluation", description=__doc__)
    parser.add_argument("model", nargs="?", default="", help="a file, or a release version")
    parser.add_argument("--name", default="", help="the model's name, where a version is given")
    parser.add_argument("--data", default="", help="rows with known answers: a file or an address")
    parser.add_argument("--target", default="", help="the column of the known answers")
    parser.add_argument("--slices", default="", help="columns, separated by commas")
    parser.add_argument("--min", default="", help="gates, as accuracy>=0.95,log_loss<=0.1")
    parser.add_argument("--url", default="", help="a running service that answers the same rows")
    return parser.parse_args()


def _model(given: str, name: str) -> Path:
    """The file of the model; raises ModelError or SettingsError."""
    if given:
        return releases.path_of(given, releases.name_of(name))
    return Path(ModelSettings.from_env(os.environ).model_path)


def _end(evaluation: Evaluation) -> None:
    """End with the status 1 if something falls short, and say what."""
    served = evaluation.served
    wrong = list(evaluation.missed)
    if served and served.different:
        wrong.append(
            f"the service answers {served.different:,} of {served.rows:,} rows otherwise than the "
            "file"
        )
    if wrong:
        sys.exit(f"error: {'; '.join(wrong)}")
    if evaluation.gates:
        held = "gate holds" if len(evaluation.gates) == 1 else "gates hold"
        say(f"{'The' if len(evaluation.gates) == 1 else f'All {len(evaluation.gates)}'} {held}")


if __name__ == "__main__":
    main()
