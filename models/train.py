"""Train the example model: the species of a penguin from its measurements.

The data are the Palmer penguins (Horst, Hill and Gorman, 2020, CC0), `models/penguins.csv`.
`python -m models.train` writes `latest.joblib`, the model, and `latest.json`, its card.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.training.cards import save_card
from models.training.function import Result

DATA = Path(__file__).parent / "penguins.csv"
TARGET = "species"
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CATEGORIES = ["island", "sex"]
FEATURES = ["island", *NUMBERS, "sex"]
SEED = 42


def build() -> Pipeline:
    """The unfitted pipeline: imputation, scaling, one-hot encoding and a classifier."""
    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    categories = Pipeline(
        [("impute", SimpleImputer(strategy="most_frequent")), ("encode", OneHotEncoder())]
    )
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("categories", categories, CATEGORIES)]
    )
    return Pipeline([("columns", columns), ("classify", LogisticRegression(max_iter=1000))])


def fit(data: Path = DATA) -> tuple[Pipeline, dict[str, Any]]:
    """Fit on four fifths of the rows; the estimator, and the facts that `models.training` reads."""
    rows = pd.read_csv(data)
    fit_rows, test_rows = train_test_split(
        rows, test_size=0.2, random_state=SEED, stratify=rows[TARGET]
    )
    estimator = build().fit(fit_rows[FEATURES], fit_rows[TARGET])
    return estimator, {
        "rows": fit_rows[FEATURES],
        "answers": fit_rows[TARGET],
        "test_rows": test_rows[FEATURES],
        "test_answers": test_rows[TARGET],
    }


def train(model_path: Path, data: Path = DATA) -> dict[str, int | float]:
    """Fit the model, evaluate it on the rows that were held out, write it and its card."""
    model_path.parent.mkdir(parents=True, exist_ok=True)
    result = Result(*fit(data))
    joblib.dump(result.estimator, model_path)
    return save_card(model_path, result)


def main() -> None:
    """Train, and say how good the model is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_path", nargs="?", type=Path, default="models/latest.joblib")
    path = parser.parse_args().model_path
    metrics = train(path)
    print(
        f"{path}: accuracy {metrics['accuracy']:.3f} on {metrics['rows_held_out']} penguins "
        f"held out, log loss {metrics['log_loss']:.3f}"
    )


if __name__ == "__main__":
    main()
