"""Write a model's card from its training rows: `python -m models.describe MODEL train.csv`.

`make card` runs this. The card `latest.json` holds the type of each column, statistics, an example
and a background. It is written only if the model answers the rows, and the service answers them as
the model does.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import os
import sys
from pathlib import Path

from models import threads
from models.errors import ModelError
from models.settings import ModelSettings, SettingsError


def main() -> None:
    """Write the card, and say what was found."""
    threads.limit()
    from models.card import BACKGROUND_ROWS
    from models.description import describe
    from models.training_rows import DataError

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_path", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--target", default="", help="the column of the known answers")
    parser.add_argument("--background", default=str(BACKGROUND_ROWS), help="rows for explanations")
    given = parser.parse_args()
    if not given.background.isdecimal():
        sys.exit(f"error: BACKGROUND={given.background}: expected a number of rows, as 50, or 0")
    try:
        sha256 = ModelSettings.from_env(os.environ).model_sha256
        background = int(given.background)
        print(describe(given.model_path, given.data, given.target, background, sha256))
    except (ModelError, DataError, SettingsError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename} cannot be written ({error.strerror})")


if __name__ == "__main__":
    main()
