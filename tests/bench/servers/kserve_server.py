"""What KServe's sklearnserver does: it is not on PyPI, the `kserve` it is written with is."""

import argparse
import os
from typing import Any

import joblib
import uvicorn
from kserve import Model, ModelServer, model_server
from kserve.utils.utils import get_predict_input, get_predict_response


class LocalConfig(uvicorn.Config):
    """KServe listens on all addresses and logs each request, and has no option for either."""

    def __init__(self, app: str, **options: Any) -> None:
        """Listen on this machine only and keep the log of requests off, as for all servers."""
        super().__init__(app, **{**options, "host": "127.0.0.1", "access_log": False})


class SKLearnModel(Model):
    """A fitted estimator behind protocol v1."""

    def __init__(self, name: str) -> None:
        """Load the model before the server starts."""
        super().__init__(name)
        self.estimator = joblib.load(os.environ["MODEL_PATH"])
        self.ready = True

    def predict(self, payload: Any, *_: Any, **__: Any) -> Any:
        """Predict all instances in one call."""
        predictions = self.estimator.predict(get_predict_input(payload))
        return get_predict_response(payload, predictions, self.name)


if __name__ == "__main__":
    argparse.ArgumentParser(parents=[model_server.parser]).parse_args()
    uvicorn.Config = LocalConfig
    ModelServer().start([SKLearnModel("model")])
