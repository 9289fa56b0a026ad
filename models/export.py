"""Write a model's plan and card as one file: `python -m models.export MODEL FILE`.

`make export-plan` runs this. The file has no code in it, and can be sent to a running service.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import sys
from pathlib import Path

from models.candidate import bundle
from models.errors import ModelError
from models.files import plan_path, version_of
from models.plan import format as plans
from models.plan.errors import PlanError
from models.rows.words import some


def export(model: Path, target: Path) -> str:
    """Write the bundle of the model at `model`, and say what is in it.

    Raises ModelError if the model has no plan of its own, or one without a method.
    """
    place = plan_path(model)
    command = f"make bake MODEL_PATH={model}"
    if not place.exists():
        raise ModelError(f"there is no plan {place}: {command}")
    try:
        plan = plans.load(place)
    except PlanError as error:
        raise ModelError(str(error)) from None
    if plan.model != version_of(model):
        raise ModelError(f"the plan {place} belongs to another model: {command}")
    if not plan.methods:
        why = next(iter(plan.fallback.values()), "it has no method")
        raise ModelError(f"{model} has no plan that answers ({why}): send the model's own file")
    card = model.with_suffix(bundle.CARD)
    bundle.pack(place, card if card.exists() else None, target)
    said = f"{target} has the plan of {some(list(plan.methods))}"
    if plan.fallback:
        said += f"; {some(list(plan.fallback))} need scikit-learn, and are not in it"
    return said


def main() -> None:
    """Write the bundle of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    try:
        print(export(given.model, given.file))
    except ModelError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename} cannot be written ({error.strerror})")


if __name__ == "__main__":
    main()
