"""A model behind BentoML with adaptive batching in each worker."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class Batcher:
    """Predict; requests that wait are put into one call."""

    def __init__(self) -> None:
        """Load the model once in each worker."""
        self.model = joblib.load(os.environ["MODEL_PATH"])

    @bentoml.api(batchable=True, max_batch_size=10_000)
    def predict(self, instances: np.ndarray) -> np.ndarray:
        """Predict all instances in one call."""
        return self.model.predict(instances)
