"""Say whether the model can be served: `python -m models.check`, as the image does when built."""

from __future__ import annotations

import os
import sys

from api import create_app
from api.model import ModelError
from api.settings import Settings, SettingsError


def main() -> None:
    """Build the whole service once, send it the example and throw it away.

    Exits with one sentence if the model cannot be served or does not answer.
    """
    try:
        settings = Settings.from_env(os.environ)
        app = create_app(settings)
    except (ModelError, SettingsError) as error:
        sys.exit(f"error: {error}")
    client = app.test_client()
    facts = client.get("/metadata").get_json()
    method = facts["methods"][0]
    answer = client.post(f"/{method}", json=facts["example"])
    if answer.status_code != 200:
        sys.exit(
            f"error: {settings.model_path} loads, but {method} does not answer its own example: "
            f"{answer.status_code} {answer.get_data(as_text=True).strip()}"
        )
    print(app.config["GREETING"])


if __name__ == "__main__":
    main()
