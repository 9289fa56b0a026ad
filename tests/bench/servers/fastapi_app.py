"""A model behind FastAPI, as tutorials write it."""

import os

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL_PATH"])


class Body(BaseModel):
    """What a request must look like."""

    instances: list[list[float]]


class Answer(BaseModel):
    """What an answer looks like."""

    predictions: list[int]


@app.post("/predict")
async def predict(body: Body) -> Answer:
    """Predict all instances in one call."""
    return Answer(predictions=model.predict(np.array(body.instances)).tolist())
