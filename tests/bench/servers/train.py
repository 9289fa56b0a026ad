"""Train the models of numbers in a server's own environment and write what they answer.

Run as `python train.py DIRECTORY`.
"""

import json
import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train(directory: Path) -> None:
    """Fit a pipeline and a forest on the breast cancer data: 569 rows of 30 numbers."""
    rows, labels = load_breast_cancer(return_X_y=True)
    models = {
        "pipeline": make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
        "forest": RandomForestClassifier(n_estimators=100, random_state=0),
    }
    for name, estimator in models.items():
        estimator.fit(rows, labels)
        joblib.dump(estimator, directory / f"{name}.joblib")
        answers = {"rows": rows.tolist(), "predictions": estimator.predict(rows).tolist()}
        (directory / f"{name}.answers").write_text(json.dumps(answers))


if __name__ == "__main__":
    train(Path(sys.argv[1]))
