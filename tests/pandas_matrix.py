"""Columns of every type through every way that pandas writes them.

`main` prints, as JSON, what the service answers where pyarrow is installed. A cell is "=" where each
answer equals `estimator.predict(frame)`, a sentence where the rows are refused, "cannot" where
pandas itself writes no such body, and otherwise a fault.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import logging
import pickle
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import joblib
import msgspec
import numpy as np
import pandas as pd
from flask.testing import FlaskClient
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from api import app
from api.batching import Batcher
from api.calls import Ticket
from api.service import Service
from api.settings import Settings
from models import fitted
from models.card import write_card
from models.engines.plan import PlanEngine, compile_model

N = 24
SENT = [0, 1, 2, 5, 9]  # the rows of the frame that are sent; 5 lacks its value, if any does
PARQUET = "application/vnd.apache.parquet"
TOLERANCE = 1e-12

_numbers = np.random.default_rng(0)
_i = np.arange(N)
_words = [["red", "green", "blue", "a, b", "Grün"][i % 5] for i in _i]
_days = pd.date_range("2026-01-15 06:30:15", periods=N, freq="37D").as_unit("us")


def lacking(values: Any, missing: Any = None) -> list[Any]:
    """The values, of which each fifth lacks."""
    return [missing if i % 5 == 0 and i else value for i, value in enumerate(values)]


TYPES: dict[str, Callable[[], pd.Series]] = {
    "float64": lambda: pd.Series(_numbers.normal(size=N)),
    "float64 with NaN": lambda: pd.Series(lacking(_numbers.normal(size=N).round(3), np.nan)),
    "float32": lambda: pd.Series(_numbers.normal(size=N).astype("float32")),
    "int64": lambda: pd.Series(10_115 + _i % 7),
    "int64 above 2**53": lambda: pd.Series(2**53 + 1 + _i % 7),
    "Int64 with NA": lambda: pd.Series(lacking(10_115 + _i % 7), dtype="Int64"),
    "bool": lambda: pd.Series(_i % 3 == 0),
    "boolean with NA": lambda: pd.Series(lacking(_i % 3 == 0), dtype="boolean"),
    "str": lambda: pd.Series(_words, dtype="str"),
    "str with NaN": lambda: pd.Series(lacking(_words, np.nan), dtype="str"),
    "str of digits": lambda: pd.Series([str(10_115 + i % 4) for i in _i], dtype="str"),
    "object with None": lambda: pd.Series(lacking(_words), dtype=object),
    "object with NaN": lambda: pd.Series(lacking(_words, np.nan), dtype=object),
    "string[pyarrow]": lambda: pd.Series(_words, dtype="string[pyarrow]"),
    "string[pyarrow] with NA": lambda: pd.Series(lacking(_words), dtype="string[pyarrow]"),
    "category of strings": lambda: pd.Series(_words, dtype="category"),
    "category with NaN": lambda: pd.Series(lacking(_words), dtype="category"),
    "category of integers": lambda: pd.Series(10_115 + _i % 4, dtype="category"),
    "datetime64[ns]": lambda: pd.Series(_days.as_unit("ns")),
    "datetime64[us]": lambda: pd.Series(_days),
    "datetime64[us] with NaT": lambda: pd.Series(lacking(_days, pd.NaT)),
    "datetime64[us, Europe/Berlin]": lambda: pd.Series(_days.tz_localize("Europe/Berlin")),
    "date objects": lambda: pd.Series(_days.date, dtype=object),
    "mixed object": lambda: pd.Series([i % 4 if i % 2 else _words[i] for i in _i], dtype=object),
}


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(str)


def month(frame: Any) -> Any:
    return frame.apply(lambda column: column.dt.month + column.dt.hour / 24).fillna(-1.0)


def day_of_date(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"day": [value.day for value in frame["v"]]}, index=frame.index)


def length(frame: Any) -> Any:
    return frame.apply(lambda column: column.str.len()).astype("Float64").fillna(-1).astype(float)


def arithmetic(frame: pd.DataFrame) -> pd.DataFrame:
    return (frame * 2 + frame % 7).astype("Float64").fillna(-1).astype(float)


def flag(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.isna() | (frame == True).fillna(value=False)  # noqa: E712


def one_hot(unknown: str) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown=unknown, sparse_output=False)


READERS: dict[str, Callable[[], Any]] = {
    "passthrough": lambda: "passthrough",
    "scaler": StandardScaler,
    "imputer, mean": SimpleImputer,
    "imputer, most frequent": lambda: make_pipeline(
        SimpleImputer(strategy="most_frequent"), one_hot("ignore")
    ),
    "imputer, constant": lambda: make_pipeline(
        SimpleImputer(strategy="constant", fill_value="?"), one_hot("ignore")
    ),
    "one-hot, error": lambda: one_hot("error"),
    "one-hot, ignore": lambda: one_hot("ignore"),
    "ordinal": lambda: OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    ),
    "astype(str)": lambda: make_pipeline(FunctionTransformer(as_text), one_hot("ignore")),
    ".dt.month": lambda: FunctionTransformer(month),
    "date.day": lambda: FunctionTransformer(day_of_date),
    ".str.len()": lambda: FunctionTransformer(length),
    "arithmetic": lambda: FunctionTransformer(arithmetic),
    "isna(), == True": lambda: FunctionTransformer(flag),
    "from_dtype": lambda: "from_dtype",
}

SENSELESS = [
    # The digits of a weighted sum of such numbers end before the point.
    ("int64 above 2**53", "passthrough"),
    ("int64 above 2**53", "imputer, mean"),
    # pandas itself answers a row in company that it refuses alone.
    ("mixed object", ".str.len()"),
]
# scikit-learn makes numbers of dates here, and nothing in a bare file tells of it.
UNKNOWN = ("scaler", "imputer, mean")


class Cannot(Exception):
    """pandas, or the format, has no such body."""


class Sent(NamedTuple):
    """A body, the frame that it says, and that frame for who does not know of float32."""

    path: str
    media_type: str
    body: bytes
    frame: pd.DataFrame
    headers: Mapping[str, str] = MappingProxyType({})
    wide: pd.DataFrame | None = None


def dumped(value: Any) -> bytes:
    return json.dumps(value, default=str).encode()


def records(frame: pd.DataFrame) -> Sent:
    return Sent("/predict", "application/json", dumped(frame.to_dict("records")), frame)


def to_json(orient: str, **options: Any) -> Callable[[pd.DataFrame], Sent]:
    def write(frame: pd.DataFrame) -> Sent:
        body = frame.to_json(orient=orient, **options)  # type: ignore[call-overload]
        kind = "application/x-ndjson" if options.get("lines") else "application/json"
        digits = options.get("double_precision", 10)
        said = [rounded(frame, digits, wide=wide) for wide in (False, True)]
        return Sent("/predict", kind, body.encode(), said[0], wide=said[1])

    return write


def rounded(frame: pd.DataFrame, digits: int, *, wide: bool) -> pd.DataFrame:
    """The frame with the floats that `to_json` writes, which rounds them."""
    frame = frame.copy()
    for name in frame.select_dtypes("float"):
        column: Any = frame[name]
        values = json.loads(column.to_json(orient="values", double_precision=digits))
        dtype = "float64" if wide else frame[name].dtype
        frame[name] = pd.Series(values, index=frame.index, dtype=dtype)
    return frame


def told(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame that its CSV says: an integer beside texts is a text there."""
    frame = frame.copy()
    for name in frame.select_dtypes("object"):
        kinds = set(map(type, frame[name]))
        if str in kinds and kinds & {int, np.int64}:
            frame[name] = pd.Series(list(map(str, frame[name])), dtype=object, index=frame.index)
    return frame


def to_csv(**options: Any) -> Callable[[pd.DataFrame], Sent]:
    def write(frame: pd.DataFrame) -> Sent:
        body = frame.to_csv(index=False, **options).encode()
        frame = told(frame)
        short = list(frame.select_dtypes("float32"))
        wide = frame.astype(dict.fromkeys(short, str)).astype(dict.fromkeys(short, float))
        return Sent("/predict", "text/csv", body, frame, wide=wide)

    return write


def parquet(path: str) -> Callable[[pd.DataFrame], Sent]:
    def write(frame: pd.DataFrame) -> Sent:
        return Sent(path, PARQUET, frame.to_parquet(index=False), frame)

    return write


def npy(array: np.ndarray, frame: pd.DataFrame) -> Sent:
    file = io.BytesIO()
    try:
        np.save(file, array, allow_pickle=False)
    except ValueError as error:
        raise Cannot(str(error)) from None
    return Sent("/predict", "application/x-npy", file.getvalue(), frame)


def mlflow(form: str) -> Callable[[pd.DataFrame], Sent]:
    def write(frame: pd.DataFrame) -> Sent:
        value: Any = frame.to_dict(form.removeprefix("dataframe_"))  # type: ignore[call-overload]
        return Sent("/invocations", "application/json", dumped({form: value}), frame)

    return write


def tensor(column: pd.Series, *, binary: bool) -> tuple[str, Any]:
    """The datatype of a column and its values, as somebody writes them who knows the protocol."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    values = [None if value is pd.NA or value is pd.NaT or value != value else value for value in column]  # noqa: PLR0124  # fmt: skip
    kinds = {type(value) for value in values} - {type(None)}
    if binary and None in values and column.dtype.kind != "f":
        raise Cannot("binary tensors have no null but NaN")
    if kinds and kinds <= {bool, np.bool_}:
        return "BOOL", [None if value is None else bool(value) for value in values]
    if kinds and kinds <= {int, np.int64}:
        return "INT64", [None if value is None else int(value) for value in values]
    if kinds <= {float, int, bool, np.int64, np.float32, np.bool_}:
        name = "FP32" if column.dtype == "float32" else "FP64"
        return name, [None if value is None else float(value) for value in values]
    if kinds <= {str, pd.Timestamp, dt.date}:
        texts = [None if v is None else v if isinstance(v, str) else v.isoformat() for v in values]
        return "BYTES", texts
    raise Cannot("no datatype")


DTYPES = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "BOOL": "?"}


def v2(*, binary: bool) -> Callable[[pd.DataFrame], Sent]:
    def write(frame: pd.DataFrame) -> Sent:
        inputs, tail = [], b""
        for name in frame:
            kind, values = tensor(frame[name], binary=binary)
            made: dict[str, Any] = {"name": name, "shape": [len(frame), 1], "datatype": kind}
            if not binary:
                made["data"] = values
            else:
                if kind == "BYTES":
                    texts = [text.encode() for text in values]
                    data = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
                else:
                    data = np.array(values, dtype=DTYPES[kind]).tobytes()
                made["parameters"] = {"binary_data_size": len(data)}
                tail += data
            inputs.append(made)
        head = json.dumps({"inputs": inputs}).encode()
        path = "/v2/models/model/infer"
        if not binary:
            return Sent(path, "application/json", head, frame)
        length = {"Inference-Header-Content-Length": str(len(head))}
        return Sent(path, "application/octet-stream", head + tail, frame, length)

    return write


ORIENTS = ("records", "split", "columns", "index", "values", "table")
WRITERS: dict[str, Callable[[pd.DataFrame], Sent]] = {
    "json.dumps": records,
    **{orient: to_json(orient) for orient in ORIENTS},
    **{f"{orient}, iso": to_json(orient, date_format="iso") for orient in ORIENTS[:-1]},
    "15 digits": to_json("records", double_precision=15, date_format="iso"),
    "lines": to_json("records", lines=True),
    "lines, iso": to_json("records", lines=True, date_format="iso"),
    "CSV": to_csv(),
    "CSV ;": to_csv(sep=";", decimal=","),
    "Parquet": parquet("/invocations"),
    "npy": lambda frame: npy(frame.to_numpy(), frame),
    "npy, records": lambda frame: npy(frame.to_records(index=False), frame),
    "split (MLflow)": mlflow("dataframe_split"),
    "records (MLflow)": mlflow("dataframe_records"),
    "v2": v2(binary=False),
    "v2, binary": v2(binary=True),
}
# One row alone is written in these ways, too.
ALONE = ("json.dumps", "records", "CSV", "Parquet", "npy, records", "v2")
DATES_ONLY = tuple(name for name in WRITERS if name.endswith(", iso"))


def model_of(reader: str) -> Any:
    if reader == "from_dtype":
        return HistGradientBoostingRegressor(
            categorical_features="from_dtype", max_iter=3, min_samples_leaf=1
        )
    step = READERS[reader]()
    columns = ColumnTransformer([("v", step, ["v"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("model", LinearRegression())])


def frame_of(type_: str) -> pd.DataFrame:
    return pd.DataFrame({"v": TYPES[type_](), "n": (_i * 0.25) % 3 + 0.5})


def services(
    estimator: Any, frame: pd.DataFrame, folder: Path
) -> Iterator[tuple[str, Service | str]]:
    """The estimator served from a bare file, with its card, and by its plan."""
    path = folder / "latest.joblib"
    joblib.dump(estimator, path)
    settings = Settings(model_path=str(path))

    def loaded() -> Service | str:
        try:
            return app.load(settings)
        except Exception:
            return traceback.format_exc()

    yield "bare", loaded()
    try:
        write_card(path, estimator, frame, target="y", metrics={})
    except Exception:
        yield "card", traceback.format_exc()
        return
    service = loaded()
    yield "card", service
    if isinstance(service, Service):
        model = msgspec.structs.replace(service.model, estimator=estimator)
        own = model.engine
        plan = compile_model(model)
        # A bake proves it, and leaves dates and single precision to scikit-learn.
        proven = not any(f.dtype[:8] in ("datetime", "float32") for f in model.signature.features)
        if "predict" in plan.methods and proven:
            plan = msgspec.structs.replace(plan, batchable=own.batchable)
            batcher = Batcher(PlanEngine(plan), max_waiting=100, timeout=60)
            yield "plan", msgspec.structs.replace(service, batcher=batcher)


@contextlib.contextmanager
def remembering(kind: type) -> Iterator[None]:
    """While there is one model, of this class, its `predict` is called once for equal rows.

    Most ways to write mean those, and each way to serve tries the model on the same rows.
    """
    kept, predict = vars(kind)["predict"], vars(kind)["predict"].__get__(None, kind)
    found: dict[bytes, Any] = {}

    def recall(self: Any, rows: Any) -> Any:
        key = pickle.dumps(rows)
        if key not in found:
            try:
                found[key] = predict(self, rows)
            except Exception as error:
                found[key] = error
        if isinstance(found[key], Exception):
            raise found[key]
        return found[key].copy()

    type.__setattr__(kind, "predict", recall)
    try:
        yield
    finally:
        type.__setattr__(kind, "predict", kept)


def close(numbers: Any, expected: Any) -> bool:
    return bool(np.allclose(numbers, expected, rtol=TOLERANCE, atol=TOLERANCE))


class Call(NamedTuple):
    """A call that was answered with the right numbers."""

    rows: Any
    expected: list[float]


class Asked:
    """One service, which is asked for all that is written of a frame."""

    def __init__(
        self, service: Service, estimator: Any, frame: pd.DataFrame, *, bare: bool
    ) -> None:
        self.bare = bare
        self.service = service
        self.estimator = estimator
        self.frame = frame
        self.calls: list[Call] = []
        self.truths: list[tuple[pd.DataFrame, list[float] | None]] = []
        self.rows: list[Any] = []
        service.batcher._watched = True  # no thread for each service
        run = service.batcher.run

        def noting(method: str, rows: Any) -> Any:
            self.rows.append(rows)
            return run(method, rows)

        service.batcher.run = noting  # type: ignore[method-assign]
        gateway = app.serve(service, Settings())
        self.client: FlaskClient = gateway.app.test_client()

    def cell(self, writer: str) -> str:
        """What is answered to all rows, and to some of them alone."""
        found = [self.one(writer, self.frame.iloc[SENT])]
        if writer in ALONE:
            found.append(self.one(writer, self.frame.iloc[[5]]))
        # All of them equal, or the reason why one is not; a fault before a refusal.
        return max(
            found,
            key=lambda cell: (cell.startswith(("wrong", "500", "unnamed")), cell != "=", cell),
        )

    def one(self, writer: str, frame: pd.DataFrame) -> str:
        try:
            sent = WRITERS[writer](frame)
        except Cannot:
            return "cannot"
        except Exception as error:
            return f"cannot: {type(error).__name__} {str(error)[:80]}"
        expected = self.truth(sent.frame)
        self.rows.clear()
        answer = self.client.post(
            sent.path, data=sent.body, content_type=sent.media_type, headers=dict(sent.headers)
        )
        if answer.status_code >= 500:
            return f"500: {writer}"
        given: Any = answer.get_json()
        if answer.status_code >= 400:
            return refusal(given)
        numbers = given["outputs"][0]["data"] if "outputs" in given else given["predictions"]
        if expected is None:
            return f"wrong: {numbers} where predict fails"
        if self.bare and not close(numbers, expected):
            # Nothing in a bare file says that a column was float32.
            wide = sent.frame.astype(dict.fromkeys(sent.frame.select_dtypes("float32"), float))
            expected = self.truth(wide if sent.wide is None else sent.wide)
        if not close(numbers, expected):
            return f"wrong: {numbers} for {expected}"
        if self.rows and expected:
            self.calls.append(Call(self.rows[-1], expected))
        return "="

    def truth(self, frame: pd.DataFrame) -> list[float] | None:
        for kept, expected in self.truths:
            if kept is frame or kept.equals(frame):
                return expected
        try:
            expected = self.estimator.predict(frame).tolist()
        except Exception:
            expected = None
        self.truths.append((frame, expected))
        return expected

    def merged(self) -> str:
        """All requests that were answered, as if they had come while another call ran."""
        if not self.calls:
            return "="
        batcher = self.service.batcher
        tickets = [Ticket("predict", call.rows, 0) for call in self.calls]
        batcher._running, batcher._queue = True, tickets[1:]
        tickets[0].leads = True
        while led := [ticket for ticket in tickets if ticket.leads]:
            led[0].leads = False
            batcher._lead(led[0])
        for ticket, call in zip(tickets, self.calls, strict=True):
            if ticket.error is not None:
                return f"500: merged: {ticket.error!r}"
            if not close(ticket.result, call.expected):
                return f"wrong: merged: {ticket.result} for {call.expected}"
        return "="

    def example(self) -> str:
        """What the service says of its own example."""
        example = self.client.get("/metadata").get_json().get("example")
        answer = self.client.post("/predict", json=example)
        return (
            "=" if answer.status_code == 200 else f"wrong: example: {answer.get_data(as_text=True)}"
        )


def refusal(answer: Any) -> str:
    """The first sentence of a refusal, without its row; it has to name the column."""
    errors = answer.get("errors") or [{"pointer": "", "detail": answer.get("detail", str(answer))}]
    first = errors[0]
    text = f"{first.get('pointer', '')} {first['detail']}"
    if "v" not in re.findall(r"\w+", text):
        return f"unnamed: {answer.get('detail', '')} {text}"
    return re.sub(r"(row )\d+|/\d+|\bv: |/?v\b", "", text).strip(" /,:")


def matrix(types: list[str], readers: list[str]) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Cells by type, reader, and way to serve."""
    target = np.sin(_i * 1.7) + _i / 10
    for type_ in types:
        frame = frame_of(type_)
        dates = "date" in type_
        for reader in readers:
            try:
                estimator = model_of(reader).fit(frame, target)
                estimator.predict(frame)
                assert (type_, reader) not in SENSELESS
            except Exception:
                continue
            with tempfile.TemporaryDirectory() as folder, remembering(type(estimator)):
                for how, service in services(estimator, frame, Path(folder)):
                    if dates and reader in UNKNOWN and how == "bare":
                        continue
                    if isinstance(service, str):
                        yield type_, reader, how, {"load": f"500: {service}"}
                        continue
                    asked = Asked(service, estimator, frame, bare=how == "bare")
                    cells = {w: asked.cell(w) for w in WRITERS if dates or w not in DATES_ONLY}
                    cells["merged"] = asked.merged()
                    cells["example"] = asked.example()
                    yield type_, reader, how, cells


def main() -> None:
    """Print all cells of the types and readers whose names have the words that are given.

    `-date` means the types without this word.
    """
    warnings.simplefilter("ignore")
    logging.disable()
    # Hundreds of forks would take longer than the matrix.
    vars(fitted)["apart"] = lambda function, seconds: function()
    type_, reader = [*sys.argv[1:], "", ""][:2]
    word = type_.removeprefix("-")
    types = [name for name in TYPES if (word in name) == (word == type_)]
    readers = [name for name in READERS if reader in name]
    print(json.dumps(list(matrix(types, readers))))
