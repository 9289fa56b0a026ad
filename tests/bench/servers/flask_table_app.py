"""A model of mixed columns behind Flask, as tutorials write it."""

import os

import joblib
import pandas as pd
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
model = joblib.load(os.environ["MODEL_PATH"])


@app.post("/predict")
def predict() -> Response:
    """Predict all instances in one call."""
    instances = pd.DataFrame(request.get_json()["instances"])
    return jsonify(predictions=model.predict(instances).tolist())
