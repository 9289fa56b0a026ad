"""MLflow's own server, behind a door that asks for a token; and its client, which logs models.

`serve PORT FOLDER` serves what is in the folder. `log PORT` logs two versions of the model
`penguins`, one in each form, and calls the first `champion`; and a version of `others`, which is
no model of scikit-learn.
"""  # noqa: INP001

# mypy: ignore-errors

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

DOORS = ("Bearer the-token", "Basic bWU6dGhlLXBhc3N3b3Jk")  # me:the-password


def serve(port: int, folder: str) -> None:
    database = f"sqlite:///{folder}/registry.sqlite"
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{folder}/artifacts",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    from mlflow.server import app
    from werkzeug.serving import make_server

    def door(environ: dict[str, Any], start: Any) -> Any:
        if environ.get("HTTP_AUTHORIZATION") in DOORS:
            return app(environ, start)
        start("401 Unauthorized", [("Content-Length", "0")])
        return []

    server = make_server("127.0.0.1", port, door, threaded=True)
    print("serving", flush=True)
    server.serve_forever()


def log(port: int) -> None:
    os.environ["MLFLOW_TRACKING_TOKEN"] = "the-token"
    import mlflow
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    mlflow.set_tracking_uri(f"http://127.0.0.1:{port}")
    model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], ["Adelie", "Gentoo"])
    for form in ("cloudpickle", "skops"):
        mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name="penguins",
            serialization_format=form,
            pip_requirements=[],
        )

    class Other(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: list[str]) -> list[str]:
            return model_input

    mlflow.pyfunc.log_model(
        python_model=Other(), name="model", registered_model_name="others", pip_requirements=[]
    )
    mlflow.MlflowClient().set_registered_model_alias("penguins", "champion", "1")


if __name__ == "__main__":
    # The folder of this script has files that are named as packages are.
    sys.path.remove(str(Path(__file__).parent))
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), sys.argv[3])
    else:
        log(int(sys.argv[2]))
