"""Train the project's own example, a model of mixed columns, and write what it answers.

Run as `python -m tests.bench.servers.train_penguins DIRECTORY`.
"""

import json
import sys
from pathlib import Path

import joblib
import pandas as pd

from models.pipeline import DATA, FEATURES
from models.training.train import example

if __name__ == "__main__":
    directory = Path(sys.argv[1])
    example(directory / "penguins.joblib")
    rows = pd.read_csv(DATA)[FEATURES]
    predictions = joblib.load(directory / "penguins.joblib").predict(rows).tolist()
    answers = {"rows": json.loads(rows.to_json(orient="records")), "predictions": predictions}
    (directory / "penguins.answers").write_text(json.dumps(answers))
