"""Say whether the model can be served: `python -m api.check`, as the image does when built.

With `--settings`, only the settings are looked at, as `make run` does before it bakes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

import msgspec
from flask import Flask

from api.app import load, serve
from api.metadata import advice
from api.server import process
from api.settings import Settings
from models.errors import ModelError
from models.settings import SettingsError


def main() -> None:
    """Build the whole service once, and send it the example.

    Exits with one sentence if the model cannot be served, does not answer, or has a method that
    needs scikit-learn where that is not installed, or if a setting is wrong.
    """
    try:
        settings = Settings.from_env(os.environ)
        if sys.argv[1:] == ["--settings"]:
            process.check_address(settings)
            return
        service = load(settings)
    except (ModelError, SettingsError, process.AddressError) as error:
        sys.exit(f"error: {error}")
    # The example is sent without an API key.
    unlocked = msgspec.structs.replace(settings, api_keys="")
    facts = ask(serve(service, unlocked).app, settings)
    left = {
        method: found["reason"]
        for method, found in facts["card"].get("plan", {}).items()
        if "reason" in found
    }
    if left and importlib.util.find_spec("sklearn") is None:
        method, reason = next(iter(left.items()))
        sys.exit(f"error: {method} needs scikit-learn ({reason}): build the image without SLIM")
    model = service.model
    print(f"{model.kind} from {model.path} (version {model.version[:12]}) answers its own example")
    print(*advice(model), sep="\n")


def ask(app: Flask, settings: Settings) -> dict[str, Any]:
    """Send the service its own example, and give what it says of the model."""
    client = app.test_client()
    facts: dict[str, Any] = client.get("/metadata").get_json()
    method = facts["methods"][0]
    answer = client.post(f"/{method}", json=facts["example"])
    if answer.status_code != 200:
        sys.exit(
            f"error: {settings.model_path} loads, but {method} does not answer its own example: "
            f"{answer.status_code} {answer.get_data(as_text=True).strip()}"
        )
    return facts


if __name__ == "__main__":
    main()
