"""A WSGI callable that reads the request and gives one of two constant answers."""

import json
import os
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

predictions = json.loads(Path(os.environ["ANSWERS"]).read_text())["predictions"]
# The longest request of one row and of 1,024, and the answer to it.
ANSWERS = {
    longest: json.dumps({"predictions": list(islice(cycle(predictions), rows))}).encode()
    for longest, rows in ((10_000, 1), (float("inf"), 1024))
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer by the length of the request, with a prediction for each of its rows."""
    environ["wsgi.input"].read()
    length = int(environ["CONTENT_LENGTH"])
    answer = next(answer for longest, answer in ANSWERS.items() if length <= longest)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("200 OK", headers)
    return [answer]
