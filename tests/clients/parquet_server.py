"""What the service answers to Parquet, where pyarrow is installed, as JSON."""  # noqa: INP001

# mypy: ignore-errors
import io
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from api import create_app
from api.settings import Settings

penguins, rows = sys.argv[1], json.loads(sys.argv[2])
PARQUET = "application/vnd.apache.parquet"


def client(model, **settings):
    if not isinstance(model, str):
        folder = tempfile.mkdtemp(prefix="parquet-")
        model, estimator = f"{folder}/model.joblib", model
        joblib.dump(estimator, model)
    return create_app(Settings(model_path=model, **settings)).test_client()


def written(table, **options):
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


def ask(service, body, media_type=PARQUET):
    answer = service.post("/invocations", data=body, content_type=media_type)
    return [answer.status_code, answer.json]


def both(service, frame, records):
    """What a table is answered with, and what the same rows are as JSON."""
    body = written(frame) if isinstance(frame, pa.Table) else frame.to_parquet()
    reference = service.post("/predict", json=records)
    return [ask(service, body), [reference.status_code, reference.json]]


frame = pd.DataFrame(rows)
service = client(penguins)
lacking = [{**rows[0], "sex": None, "body_mass_g": None}, rows[1]]
table = pa.Table.from_pylist(rows)
numbers = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=list("abc"))
regression = client(
    make_pipeline(SimpleImputer(), LinearRegression()).fit(numbers, numbers.sum(axis=1))
)
holes = numbers.mask(numbers > 1)
objects = make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1.0}, {"b": 2.0}], [1, 2])
mapping = client(objects)
strict = client(LinearRegression().fit(numbers, numbers["a"]))
small = client(penguins, max_body_bytes=50_000)
good = frame.to_parquet()

ignored = service.post(
    "/predict?extra=ignore",
    data={"file": (io.BytesIO(frame.assign(id=1).to_parquet()), "rows.parquet")},
)

paths = service.get("/openapi.json").json["paths"]
said = {
    "documented": [path for path, item in paths.items() if "post" in item
                   and PARQUET in item["post"].get("requestBody", {}).get("content", {})],
    "ignored": [ignored.status_code, ignored.json, ignored.headers.get("X-Ignored-Columns")],
    "same": {
        "a frame": both(service, frame, rows),
        "columns in another order": both(service, frame[frame.columns[::-1]], rows),
        "a frame with an index": both(service, frame.set_axis(["x", "y"]), rows),
        "a feature as the index": both(service, frame.set_index("sex"), rows),
        "categories": both(service, frame.astype({"island": "category", "sex": "category"}), rows),
        "missing values": both(service, pd.DataFrame(lacking), lacking),
        "a column of nulls": both(
            service, table.set_column(5, "sex", pa.nulls(2)), [{**row, "sex": None} for row in rows]
        ),
        "long texts": both(
            service, table.set_column(0, "island", table["island"].cast(pa.large_string())), rows
        ),
        "numbers": both(regression, numbers, numbers.to_dict(orient="records")),
        "numbers, turned": both(regression, numbers[["c", "a", "b"]], numbers.to_numpy().tolist()),
        "numbers, with holes": both(
            regression, holes, holes.astype(object).where(holes.notna(), None).to_numpy().tolist()
        ),
        "integers": both(regression, numbers.round().astype(int), numbers.round().to_numpy().tolist()),
        "objects": both(mapping, pd.DataFrame({"b": [None, 2.0], "a": [1.5, 0.0]}), [{"a": 1.5}, {"b": 2, "a": 0}]),
    },
    "refused": {
        "not Parquet": ask(service, b"PAR1"),
        "cut in the middle": ask(service, good[:40] + bytes(60) + good[100:]),
        "no text": ask(service, written(table.set_column(5, "sex", [pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], "i4").tobytes()), pa.py_buffer(b"\xff\xfe"))]))),
        "an index that is none": ask(service, written(table.replace_schema_metadata({"pandas": '{"index_columns": 5}'}))),
        "no rows": ask(service, frame[:0].to_parquet()),
        "too many rows": ask(client(penguins, max_rows=1), good),
        "a column too few": ask(service, frame.drop(columns="sex").to_parquet()),
        "a column too many": ask(service, frame.assign(colour="red").to_parquet()),
        "a column twice": ask(service, written(pa.table([*table.columns, table["sex"]], names=[*table.column_names, "sex"]))),
        "a date": ask(service, frame.assign(body_mass_g=pd.Timestamp("2026-01-01")).to_parquet()),
        "lists": ask(service, frame.assign(sex=[["male"], []]).to_parquet()),
        "a wrong value": ask(service, frame.assign(island=["Biscoe", "Texel"]).to_parquet()),
        "a missing number": ask(strict, holes.to_parquet()),
        "booleans for numbers": ask(regression, (numbers > 0).to_parquet()),
        "too many nulls": ask(client(objects, max_body_bytes=50_000), written(pa.table({f"c{i}": pa.nulls(5000) for i in range(30)}))),
        "too large unpacked": ask(small, frame.loc[[0] * 5000].to_parquet(use_dictionary=False)),
        "too many values": ask(service, written(pa.table({f"c{i}": pa.nulls(10_000) for i in range(40)}))),
        "too many groups": ask(service, pd.DataFrame(np.zeros((200, 250))).rename(columns=str).to_parquet(row_group_size=1)),
        "packed with zstd": ask(small, frame.to_parquet(compression="zstd")),
    },
    "sagemaker": ask(service, good, "application/x-parquet"),
}  # fmt: skip
print(json.dumps(said))
