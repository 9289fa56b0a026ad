"""Bake and serve each model of a folder, and write what the service answers: FOLDER."""  # noqa: INP001

# mypy: ignore-errors
# Each in a process apart, since a thread pool that one of them starts would not outlive the next
# fork. The answers go into served.json.
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

# Before the forks, each of which would import them anew.
import catboost  # noqa: F401
import category_encoders  # noqa: F401
import feature_engine.encoding
import feature_engine.imputation  # noqa: F401
import imblearn.over_sampling
import imblearn.pipeline  # noqa: F401
import lightgbm  # noqa: F401
import xgboost  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[2]))

from api import create_app
from api.settings import Settings
from models.baking import bake
from models.engines.trial import apart
from models.errors import ModelError
from models.plan import proof_rows

# tests/plan/libraries.py compares more of their plans.
proof_rows.ROWS = 1_200
proof_rows.ONE_ROW_BATCHES = 10
folder = Path(sys.argv[1])
own = json.loads((folder / "own.json").read_text())


def serve(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """How a model is baked and described, and its answers for the rows of `facts`."""
    try:
        report = bake(path)
        client = create_app(Settings(model_path=str(path))).test_client()
    except ModelError as error:
        return {"error": str(error)}

    def ask(method: str, body: Any) -> Any:
        answer = client.post(f"/{method}", json=body).get_json()
        return answer.get("predictions") or answer["errors"][0]["detail"]

    metadata = client.get("/metadata").get_json()
    return {
        "plan": [method for method in report if "reason" not in report[method]],
        "metadata": metadata,
        "example": ask(metadata["methods"][0], metadata["example"]),
        "together": {method: ask(method, facts["rows"]) for method in facts["answers"]},
        "alone": {
            method: [ask(method, row)[0] for row in facts["rows"]] for method in facts["answers"]
        },
        "odd": [ask("predict", row) for row, _ in facts["odd"]],
        "coded": ask("predict", {**facts["rows"][0], "city": 1}),
    }


served = {
    name: apart(partial(serve, folder / f"{name}.joblib", facts), 120)
    for name, facts in own.items()
}
(folder / "served.json").write_text(json.dumps(served))
