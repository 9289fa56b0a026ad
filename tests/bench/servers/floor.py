"""A WSGI callable that reads the request and gives one of two constant answers."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

predictions = json.loads(Path(os.environ["ANSWERS"]).read_text())[os.environ["MODEL_NAME"]]
ONE, MANY = (json.dumps({"predictions": predictions[:n]}).encode() for n in (1, len(predictions)))
LONG = 10_000


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer by the length of the request: one prediction, or one for each of 1,024 rows."""
    environ["wsgi.input"].read()
    answer = MANY if int(environ["CONTENT_LENGTH"]) > LONG else ONE
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("200 OK", headers)
    return [answer]
