"""Fetch a model to a file: `python -m models.sources URI models/latest.joblib models/latest.json`.

The last name is that of the card, if the source has one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from models import sources
from models.errors import ModelError
from models.settings import ModelSettings, SettingsError


def main() -> None:
    """Fetch what the command line names; an error is one sentence and the status 1."""
    uri, model, card = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        settings = ModelSettings.from_env(os.environ)
        with tempfile.TemporaryDirectory(dir=model.parent) as folder:
            fetched = sources.fetch(uri, Path(folder), settings=settings)
            assert fetched  # noqa: S101 - no revision is known
            if fetched.model.suffix == ".skops":
                raise ModelError(
                    f"{sources.shown(uri)} is a skops file, and an image is made of a joblib file: "
                    'log it with serialization_format="cloudpickle", or let the service fetch it '
                    "with FETCH_AT=start"
                )
            if fetched.card:
                fetched.card.replace(card)
            fetched.model.replace(model)
    except (ModelError, SettingsError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
