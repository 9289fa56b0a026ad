"""Compare two models on the same rows: `python -m models.evaluation.compare A B [--data FILE] ...`.

`make compare A=1.0.0 B=1.1.0` runs this. The comparison is printed, and written to reports/.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from models import releases, threads
from models.errors import ModelError
from models.evaluation import REPORTS
from models.evaluation.speed import BATCH_ROWS, measured
from models.files import plan_path, write_file
from models.printing import say
from models.rows.words import some
from models.settings import ModelSettings, SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from models.evaluation.comparison import Comparison, Example, Side
    from models.evaluation.data import Known
    from models.evaluation.facts import Answers
    from models.model import Model

MAX_EXAMPLES = 10


def compare(
    a: str | Path | Model,
    b: str | Path | Model,
    data: str | Path | pd.DataFrame | None = None,
    target: str = "",
    *,
    name: str = "",
) -> Comparison:
    """Compare the model B with the model A on rows whose answers are known.

    Each is a joblib file, a release version of `name` such as "1.2.0", or a loaded model. `data`
    and `target` are as in `evaluate`; without data, the rows held out from B are taken, or else
    those held out from A. Raises ModelError, DataError, SettingsError or Unmeasurable.
    """
    from models.evaluation import bootstrap, paired
    from models.evaluation.comparison import Comparison

    models = [_loaded(each, name) for each in (a, b)]
    known = _known(models, data, target)
    of_a, of_b = _answers(models, known)
    differences = bootstrap.differences(of_a, of_b)
    outcome, verdict = paired.verdict(of_a.kind, differences, len(of_a.places))
    places = paired.differ(of_a, of_b)
    sides = [_side(*each) for each in zip(models, known, strict=True)]
    return Comparison(
        a=sides[0],
        b=sides[1],
        kind=of_a.kind,
        data=known[1].name,
        sha256=known[1].sha256,
        target=known[1].target,
        rows=len(of_a.places),
        left_out=len(known[1].rows) - len(of_a.places),
        notes=_notes(models, known),
        differences=differences,
        unmeasured=bootstrap.left_out(of_a) | bootstrap.left_out(of_b),
        test=paired.test_of(of_a, of_b),
        different=len(places),
        examples=[_example(known, of_a, of_b, place) for place in places[:MAX_EXAMPLES]],
        outcome=outcome,
        verdict=verdict,
    )


def _loaded(given: str | Path | Model, name: str) -> Model:
    """The model of a file or of a release version; raises ModelError or SettingsError."""
    from models.engines.choose import load
    from models.model import Model

    if isinstance(given, Model):
        return given
    settings = ModelSettings.from_env(os.environ)
    return load(releases.path_of(str(given), releases.name_of(name)), "", settings.engine)


def _known(
    models: Sequence[Model], data: str | Path | pd.DataFrame | None, target: str
) -> tuple[Known, Known]:
    """The rows for A and for B, of the same data; raises DataError."""
    from models.training_rows import DataError

    if data is not None and not (isinstance(data, str) and not data):
        return _read(models, data, target)
    held_out = [releases.held_out_path(Path(model.path)) for model in reversed(models)]
    found = [path for path in held_out if path.exists()]
    for path in found[:-1]:
        with contextlib.suppress(DataError):
            # The rows held out from B lack a column if A takes more columns.
            return _read(models, path, target)
    return _read(models, found[-1] if found else None, target)


def _read(
    models: Sequence[Model], data: str | Path | pd.DataFrame | None, target: str
) -> tuple[Known, Known]:
    from models.evaluation.data import read_known
    from models.training_rows import DataError

    letter, (a, b) = "B", models
    try:
        of_b = read_known(b, data, target)
        letter = "A"
        return read_known(a, of_b.name if data is None else data, of_b.target), of_b
    except DataError as error:
        said = (
            str(error).replace("the model's", f"{letter}'s").replace("of the model", f"of {letter}")
        )
        raise DataError(said) from None


def _answers(models: Sequence[Model], known: Sequence[Known]) -> tuple[Answers, Answers]:
    """The answers of A and B to the rows that both answer; raises Unmeasurable or ModelError."""
    from models.evaluation.answers import answered, in_common
    from models.evaluation.facts import Unmeasurable

    for model in models:
        if "predict" not in model.methods:
            raise ModelError(f"a {model.kind} has no predict, so that it has no answers to measure")
    names = [list(map(str, model.classes or ())) for model in models]
    if all(names) and not set(names[0]) & set(names[1]):
        raise Unmeasurable(
            f"A has the classes {some(names[0])}, and B {some(names[1])}: models of other classes "
            "cannot be compared"
        )
    a, b = (
        answered(model, each.rows, each.truth) for model, each in zip(models, known, strict=True)
    )
    return in_common(a, b)


def _notes(models: Sequence[Model], known: Sequence[Known]) -> list[str]:
    """Sentences on the rows, about A and about B, without which the scores mislead."""
    notes = []
    for letter, each in zip("AB", known, strict=True):
        notes += [note.replace("The model was", f"{letter} was", 1) for note in each.notes]
    of_a, of_b = (model.card.get("training") for model in models)
    if isinstance(of_a, dict) and isinstance(of_b, dict) and of_a.get("sha256"):
        split = ("held_out", "seed", "group", "time")
        is_same = of_a["sha256"] == of_b.get("sha256")
        if is_same and any(of_a.get(part) != of_b.get(part) for part in split):
            notes.append(
                "A and B were trained on two splits of the same data: rows that were held out from "
                "one of them may have been fitted on by the other, whose scores are then better "
                "than those on new rows."
            )
    # Some are about both.
    return list(dict.fromkeys(notes))


def _side(model: Model, known: Known) -> Side:
    from models.evaluation.comparison import Side
    from models.evaluation.data import samples

    path, plan = Path(model.path), plan_path(Path(model.path))
    release = model.card.get("release")
    return Side(
        path=model.path,
        title=f"{model.card.get('name')} {release}" if release else path.name,
        version=model.version,
        estimator=model.kind,
        engine="plan" if model.estimator is None else "scikit-learn",
        bytes=path.stat().st_size,
        plan_bytes=plan.stat().st_size if plan.exists() and plan != path else 0,
        speed=measured(model.path, samples(model, known.rows.head(BATCH_ROWS))),
    )


def _example(known: Sequence[Known], a: Answers, b: Answers, place: int) -> Example:
    from models import card as cards
    from models.evaluation.comparison import Example

    row = int(b.places[place])
    features: dict[str, Any] = {}
    for each in known:
        found = each.rows.iloc[[row]]
        features |= zip(found.columns, cards.values(found)[0], strict=True)
    return Example(
        row=row + 1,
        features=features,
        a=cards.plain(a.predictions[place]),
        b=cards.plain(b.predictions[place]),
        truth=None if b.truth is None else cards.plain(b.truth[place]),
    )


def save(comparison: Comparison, folder: Path = REPORTS) -> Path:
    """Write the comparison as JSON into the folder; the path. Raises OSError."""
    stem = f"{comparison.a.title}-{comparison.b.title}".removesuffix(".joblib")
    name = re.sub(r"[^\w.-]+", "-", stem, flags=re.ASCII)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    encoded = msgspec.json.encode(comparison)
    write_file(path, msgspec.json.format(encoded, indent=2) + b"\n")
    return path


def main() -> None:
    """Compare, print, and write the comparison down."""
    threads.limit()
    from models.evaluation.facts import Unmeasurable
    from models.training_rows import DataError

    parser = argparse.ArgumentParser(
        prog="python -m models.evaluation.compare", description=__doc__
    )
    for letter in "ab":
        parser.add_argument(
            letter, help=f"the model {letter.upper()}: a file, or a release version"
        )
    parser.add_argument("--name", default="", help="the model's name, where a version is given")
    parser.add_argument("--data", default="", help="rows with known answers: a file or an address")
    parser.add_argument("--target", default="", help="the column of the known answers")
    given = parser.parse_args()
    try:
        comparison = compare(given.a, given.b, given.data, given.target, name=given.name)
        path = save(comparison)
    except (ModelError, DataError, SettingsError, Unmeasurable) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename} cannot be written ({error.strerror})")
    say(f"{comparison}\n\n{path} is written")


if __name__ == "__main__":
    main()
