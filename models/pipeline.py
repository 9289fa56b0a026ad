"""The example: the species of a penguin from its measurements.

The data are the Palmer penguins (Horst, Hill and Gorman, 2020, CC0), `models/penguins.csv`.
`make train` reads DATA, holds a fifth of the rows out, fits what `build` gives on the others,
and measures it on those held out. Copy this file for a model of your own, and set TRAIN to it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

DATA = Path(__file__).parent / "penguins.csv"
TARGET = "species"
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CATEGORIES = ["island", "sex"]
FEATURES = ["island", *NUMBERS, "sex"]


def build(rows: pd.DataFrame, answers: pd.Series) -> Pipeline:  # noqa: ARG001
    """The pipeline, not fitted: impute, scale and encode the columns, then classify.

    `rows` are those it is fitted on, shape (n_samples, n_columns), `answers` their species.
    """
    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    categories = Pipeline(
        [("impute", SimpleImputer(strategy="most_frequent")), ("encode", OneHotEncoder())]
    )
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("categories", categories, CATEGORIES)]
    )
    return Pipeline([("columns", columns), ("classify", LogisticRegression(max_iter=1000))])
