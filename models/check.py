"""Say whether the model can be served: `python -m models.check`, as the image does when built."""

from __future__ import annotations

import os
import sys

from api import create_app
from api.model import ModelError
from api.settings import Settings, SettingsError


def main() -> None:
    """Build the whole service once and throw it away; exit with one sentence if it cannot be."""
    try:
        app = create_app(Settings.from_env(os.environ))
    except (ModelError, SettingsError) as error:
        sys.exit(f"error: {error}")
    print(app.config["GREETING"])


if __name__ == "__main__":
    main()
