"""A model of mixed columns behind FastAPI, as tutorials write it."""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL_PATH"])


class Penguin(BaseModel):
    """What a row must look like."""

    island: str
    bill_length_mm: float | None
    bill_depth_mm: float | None
    flipper_length_mm: float | None
    body_mass_g: float | None
    sex: str | None


class Body(BaseModel):
    """What a request must look like."""

    instances: list[Penguin]


class Answer(BaseModel):
    """What an answer looks like."""

    predictions: list[str]


@app.post("/predict")
async def predict(body: Body) -> Answer:
    """Predict all instances in one call."""
    instances = pd.DataFrame([each.model_dump() for each in body.instances])
    return Answer(predictions=model.predict(instances).tolist())
