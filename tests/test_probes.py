"""What each column takes is found by trying, and every value reaches own code as it was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from api.formats import npy
from models import fitted
from models.engines.plan import PlanEngine, compile_model
from models.signature import kinds
from models.signature.trials import VALUES, words_of
from tests.conftest import Serve

N = 60
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "postcode": RANDOM.choice([10115, 20095, 80331], N),
        "rooms": RANDOM.integers(1, 6, N),
        "note": RANDOM.choice(["a", "bb", "ccc"], N),
        "when": pd.date_range("2024-01-01", periods=N, freq="5D"),
        "start": pd.date_range("2023-01-01", periods=N),
        "zoned": pd.date_range("2024-01-01", periods=N, freq="7h", tz="UTC"),
        "new": RANDOM.random(N) < 0.5,
        "size": RANDOM.normal(size=N),
        "gap": np.where(np.arange(N) % 7, RANDOM.normal(size=N), np.nan),
    }
)
Y = np.arange(N, dtype=float)


def as_text(frame: Any) -> Any:
    return frame.astype(str)


def spelled(frame: Any) -> Any:
    return frame.map(repr)


def month(frame: Any) -> Any:
    return pd.DataFrame({name: frame[name].dt.month for name in frame}, index=frame.index)


def length(frame: Any) -> Any:
    return pd.DataFrame({name: frame[name].str.len() for name in frame}, index=frame.index)


def hour_in_berlin(frame: Any) -> Any:
    hours = {name: frame[name].dt.tz_convert("Europe/Berlin").dt.hour for name in frame}
    return pd.DataFrame(hours, index=frame.index)


def hour_there(frame: Any) -> Any:
    hours = {name: frame[name].dt.tz_localize(None).dt.hour for name in frame}
    assert all(frame[name].dt.tz is not None for name in frame)
    return pd.DataFrame(hours, index=frame.index)


def days_and_rooms(frame: Any) -> Any:
    days = (frame["when"] - frame["start"]).dt.days
    return pd.DataFrame({"days": days, "rooms": frame["rooms"] * 2})


def negated(frame: Any) -> Any:
    return ~frame


def doubled(frame: Any) -> Any:
    return frame * 2.0


def of_booleans(frame: Any) -> Any:
    assert all(dtype.kind == "b" for dtype in frame.dtypes)
    return frame.astype(float)


def nanoseconds(frame: Any) -> Any:
    return frame.astype("int64")


def codes(frame: Any) -> Any:
    return pd.DataFrame({name: frame[name].cat.codes for name in frame}, index=frame.index)


def lower(texts: Any) -> Any:
    return texts.str.lower()


def lower_each(texts: Any) -> Any:
    return [text.lower() for text in texts]


def own(function: Any, columns: list[str], *more: Any) -> Any:
    """A regression behind somebody's own step on these columns, and behind other steps."""
    steps = make_column_transformer((FunctionTransformer(function), columns), *more)
    frame = FRAME[[*columns, *(name for _, names in more for name in names)]]
    return make_pipeline(steps, LinearRegression()).fit(frame, Y), frame


def encoded(handle_unknown: str) -> Any:
    text = make_pipeline(FunctionTransformer(as_text), OneHotEncoder(handle_unknown=handle_unknown))
    frame = FRAME[["postcode", "rooms"]]
    steps = make_column_transformer((text, ["postcode"]), remainder="passthrough")
    return make_pipeline(steps, LinearRegression()).fit(frame, Y), frame


def imputed() -> Any:
    return (SimpleImputer(), ["gap"])


def beside_encoders() -> Any:
    columns = ["new", "rooms", "size", "postcode"]
    frame = FRAME[["note", *columns]].assign(size=FRAME["size"].round())
    steps = make_column_transformer(
        (FunctionTransformer(length), ["note"]),
        (OneHotEncoder(handle_unknown="ignore"), columns),
    )
    return make_pipeline(steps, LinearRegression()).fit(frame, Y), frame


def seen_twice() -> Any:
    frame = FRAME[["note"]]
    steps = make_column_transformer(
        (OneHotEncoder(), ["note"]), (FunctionTransformer(length), ["note"])
    )
    return make_pipeline(steps, LinearRegression()).fit(frame, Y), frame


MODELS: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "integers as text, unknown ones ignored": (
        lambda: encoded("ignore"),
        {"postcode": "any", "rooms": "number"},
    ),
    "integers as text, unknown ones refused": (
        lambda: encoded("error"),
        {"postcode": "any", "rooms": "number"},
    ),
    "dates beside an imputed number": (
        lambda: own(month, ["when"], imputed()),
        {"when": "datetime", "gap": "number"},
    ),
    "text beside an imputed number": (
        lambda: own(length, ["note"], imputed()),
        {"note": "string", "gap": "number"},
    ),
    "two dates and a number in one step": (
        lambda: own(days_and_rooms, ["when", "start", "rooms"]),
        {"when": "datetime", "start": "datetime", "rooms": "number"},
    ),
    "dates of a zone that does not matter": (
        lambda: own(hour_in_berlin, ["zoned"]),
        {"zoned": "datetime"},
    ),
    "columns of encoders beside own code": (
        beside_encoders,
        {
            "note": "string",
            "new": "boolean",
            "rooms": "number",
            "size": "number",
            "postcode": "number",
        },
    ),
    "a column that an encoder and own code see": (seen_twice, {"note": "string"}),
    "nothing but booleans": (
        lambda: own(of_booleans, ["new"], imputed()),
        {"new": "boolean", "gap": "number"},
    ),
    "booleans": (lambda: own(negated, ["new"]), {"new": "number"}),
    "numbers": (lambda: own(doubled, ["rooms", "size"]), {"rooms": "number", "size": "number"}),
    "text, a date and a number in steps of their own": (
        lambda: own(length, ["note"], (FunctionTransformer(month), ["when"]), imputed()),
        {"note": "string", "when": "datetime", "gap": "number"},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_frame_is_answered_as_the_estimator_answers_it(serve: Serve, name: str) -> None:
    (model, frame), kinds = MODELS[name][0](), MODELS[name][1]
    client = serve(model)
    metadata = client.get("/metadata").json
    assert {f["name"]: f["type"] for f in metadata["features"]} == kinds
    assert client.post("/predict", json=metadata["example"]).status_code == 200
    expected = model.predict(frame).tolist()
    records = json.loads(frame.to_json(orient="records", date_format="iso"))
    assert answered(client, json=records) == pytest.approx(expected, rel=1e-12, abs=1e-9)
    table = frame.to_csv(index=False)
    given = answered(client, data=table, content_type="text/csv")
    assert given == pytest.approx(expected, rel=1e-12, abs=1e-9)
    alone = [answered(client, json=record)[0] for record in records[:8]]
    assert alone == pytest.approx(expected[:8], rel=1e-12, abs=1e-9)


def answered(client: FlaskClient, **request: Any) -> Any:
    answer = client.post("/predict", **request)
    assert answer.status_code == 200, answer.text
    return answer.json["predictions"]


def refused(client: FlaskClient, body: Any) -> str:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 422, answer.text
    return str(answer.json["errors"][0]["detail"])


def test_an_integer_is_told_from_the_float_that_is_equal_where_the_model_tells_them(
    serve: Serve,
) -> None:
    model, _ = encoded("ignore")
    client = serve(model)
    integer, number = (model.predict(pd.DataFrame({"postcode": [code], "rooms": [2]}))[0]
                       for code in (10115, 10115.0))  # fmt: skip
    assert integer != number
    rows = [{"postcode": code, "rooms": 2} for code in (10115, 10115.0, "10115")]
    assert answered(client, json=rows) == pytest.approx([integer, number, integer])


def numbered(frame: Any) -> Any:
    return frame.astype(str).map(lambda text: f"no. {text}")


def itself(frame: Any) -> Any:
    return frame


@pytest.mark.parametrize(
    "steps",
    [
        [FunctionTransformer(numbered), OneHotEncoder(handle_unknown="ignore")],
        [FunctionTransformer(itself), FunctionTransformer(as_text), CountVectorizer(preprocessor=str)],
        [make_column_transformer(("passthrough", ["postcode"])), FunctionTransformer(as_text),
         OneHotEncoder(handle_unknown="ignore")],
        [SimpleImputer(strategy="most_frequent"), FunctionTransformer(as_text),
         OneHotEncoder(handle_unknown="ignore")],
    ],
)  # fmt: skip
def test_integers_are_found_to_matter_though_later_steps_hide_it(
    serve: Serve, steps: list[Any]
) -> None:
    frame = FRAME[["postcode"]]
    if isinstance(steps[-1], CountVectorizer):
        steps = [*steps[:-1], FunctionTransformer(flat), steps[-1]]
    model = make_pipeline(*steps, LinearRegression()).fit(frame, Y)
    expected = model.predict(frame).tolist()
    assert answered(serve(model), json=frame.to_dict("records")) == pytest.approx(expected)


def flat(frame: Any) -> Any:
    return np.asarray(frame)[:, 0]


def test_the_example_has_a_value_that_an_encoder_knows(serve: Serve) -> None:
    model, _ = encoded("ignore")
    assert serve(model).get("/metadata").json["example"]["postcode"] in {10115, 20095, 80331}


def repr_length(frame: Any) -> Any:
    return frame.map(lambda value: len(str(value)))


def test_blanks_around_a_text_of_csv_are_part_of_it_where_anything_is_taken(serve: Serve) -> None:
    frame = pd.DataFrame({"code": [" a", "a", "a  ", "bb"]})
    model = make_pipeline(FunctionTransformer(repr_length), LinearRegression())
    expected = model.fit(frame, [1.0, 2.0, 3.0, 4.0]).predict(frame).tolist()
    table = frame.to_csv(index=False)
    assert answered(serve(model), data=table, content_type="text/csv") == pytest.approx(expected)


@pytest.mark.parametrize("codes", [["-1", "a", "12"], ["1", "True", "2"], ["007", "7", "1e3"]])
def test_a_column_of_csv_that_has_a_text_is_text(serve: Serve, codes: list[str]) -> None:
    frame = pd.DataFrame({"code": codes})
    model = make_pipeline(FunctionTransformer(spelled), OneHotEncoder(handle_unknown="ignore"),
                          LinearRegression())  # fmt: skip
    expected = model.fit(frame, [1.0, 2.0, 3.0]).predict(frame).tolist()
    table = frame.to_csv(index=False)
    assert answered(serve(model), data=table, content_type="text/csv") == pytest.approx(expected)


class Spelling(RegressorMixin, BaseEstimator):
    """Answers with the length of what a row is spelled like."""

    def fit(self, X: Any, y: Any = None) -> Spelling:
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        return np.array([len("".join(map(str, row))) for row in np.asarray(X).tolist()])


def test_a_null_that_makes_floats_of_integers_beside_it_is_refused(serve: Serve) -> None:
    frame = pd.DataFrame({"id": [10, 7, 7, 5], "word": ["a", "bb", "bb", None]})
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), Spelling()).fit(frame)
    client = serve(model)
    rows = json.loads(frame.to_json(orient="records"))
    assert answered(client, json=rows[:3]) == model.predict(frame)[:3].tolist()
    assert "takes no missing value" in refused(client, rows[3])


def test_numbers_that_are_imputed_beside_texts_are_numbers(serve: Serve) -> None:
    frame = pd.DataFrame({"rooms": [1, 2, 2, 3], "note": ["a", "b", "b", np.nan]})
    model = make_pipeline(
        SimpleImputer(strategy="most_frequent", add_indicator=True),
        OneHotEncoder(handle_unknown="ignore"),
        LinearRegression(),
    )
    expected = model.fit(frame, [1.0, 2.0, 3.0, 5.0]).predict(frame).tolist()
    client = serve(model)
    rows = json.loads(frame.to_json(orient="records"))
    assert answered(client, json=rows) == pytest.approx(expected)
    table = frame.to_csv(index=False)
    assert answered(client, data=table, content_type="text/csv") == pytest.approx(expected)


def lower_table(table: Any) -> Any:
    return pd.DataFrame(table).map(lambda v: v.lower() if isinstance(v, str) else v)


ONE_HOT = OneHotEncoder(handle_unknown="ignore")


@pytest.mark.parametrize(
    "steps",
    [
        [make_column_transformer(("passthrough", ["note", "rooms"])), ONE_HOT],
        [make_column_transformer((StandardScaler(), ["size"]), remainder="passthrough"),
         FunctionTransformer(lower_table), ONE_HOT],
        [FunctionTransformer(), ONE_HOT],
        [make_column_transformer((SimpleImputer(), ["size"]), remainder="passthrough"),
         make_column_transformer((ONE_HOT, [1]), remainder="passthrough")],
        [make_column_transformer((SimpleImputer(strategy="most_frequent"), ["note", "rooms"])),
         ONE_HOT],
        [make_column_transformer((SimpleImputer(strategy="constant", fill_value="?"),
                                  ["note", "rooms"])), ONE_HOT],
    ],
)  # fmt: skip
def test_a_column_that_is_handed_on_may_hold_texts_or_numbers(
    serve: Serve, steps: list[Any]
) -> None:
    frame = FRAME[["size", "note", "rooms"]]
    model = make_pipeline(*steps, LinearRegression()).fit(frame, Y)
    expected = model.predict(frame).tolist()
    client = serve(model)
    assert answered(client, json=frame.to_dict("records")) == pytest.approx(expected)
    table = frame.to_csv(index=False)
    assert answered(client, data=table, content_type="text/csv") == pytest.approx(expected)


def test_digits_with_a_leading_zero_are_text_in_csv(serve: Serve) -> None:
    frame = pd.DataFrame({"postcode": ["01067", "10115", "20095"] * 10})
    text = make_pipeline(FunctionTransformer(as_text), OneHotEncoder(handle_unknown="ignore"))
    model = make_pipeline(text, LinearRegression()).fit(frame, np.arange(30.0))
    given = answered(serve(model), data=frame.to_csv(index=False), content_type="text/csv")
    assert given == pytest.approx(model.predict(frame).tolist())


def test_what_takes_dates_as_well_as_numbers_may_be_either(serve: Serve) -> None:
    model, _ = own(nanoseconds, ["when"])
    assert serve(model).get("/metadata").json["features"][0]["type"] == "any"


def test_an_encoder_of_dates_takes_dates(serve: Serve) -> None:
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(FRAME[["when"]], Y)
    client = serve(model)
    records = json.loads(FRAME[["when"]].to_json(orient="records", date_format="iso"))
    assert answered(client, json=records) == pytest.approx(model.predict(FRAME[["when"]]).tolist())
    assert "Found unknown categories" in refused(client, {"when": "1999-01-01"})


def test_several_outputs_of_rows_of_unlike_types_come_in_their_order(serve: Serve) -> None:
    text = make_pipeline(FunctionTransformer(as_text), OneHotEncoder(handle_unknown="ignore"))
    labels = np.column_stack([FRAME["rooms"] > 2, FRAME["new"]])
    frame = FRAME[["postcode"]]
    model = make_pipeline(text, KNeighborsClassifier()).fit(frame, labels)
    rows = [[10115], [0.5], [20095], [10115.0]]
    expected = [
        [
            output.tolist()[0]
            for output in model.predict_proba(pd.DataFrame([row], columns=["postcode"]))
        ]
        for row in rows
    ]
    answer = serve(model).post("/predict_proba", json=rows)
    assert answer.json["predictions"] == expected


DATES = [
    (1709596800000, 'got a number, whose unit is not known: with pandas, to_json(date_format="iso")'),
    ("1709596800000", "got a number, whose unit is not known"),
    (True, "expected a date in ISO 8601, as 2024-03-05"),
    ("05.03.2024", "expected a date in ISO 8601, as 2024-03-05"),
    ("20240305", "got a number"),
    ("2024-02-30", "expected a date in ISO 8601, as 2024-03-05"),
    ("2024-03-05T00:00:00Z", "without a time zone: which one the model was fitted on is not known"),
    (None, "expected a date in ISO 8601; this model takes no missing value here"),
]  # fmt: skip


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    model, _ = own(month, ["when"], imputed())
    return served(tmp_path_factory.mktemp("dated"), model)


def served(folder: Any, model: Any, card: dict[str, Any] | None = None) -> FlaskClient:
    import joblib

    from api import create_app
    from api.settings import Settings

    path = folder / "latest.joblib"
    joblib.dump(model, path)
    if card is not None:
        path.with_suffix(".json").write_text(json.dumps(card))
    return create_app(Settings(model_path=str(path))).test_client()


@pytest.mark.parametrize(("value", "detail"), DATES)
def test_what_is_no_date_is_refused(dated: FlaskClient, value: Any, detail: str) -> None:
    assert detail in refused(dated, {"when": value, "gap": 1.0})


@pytest.mark.parametrize("value", ["2024-03-05", "2024-03-05 14:30:00", "2024-03-05T14:30:00.123"])
def test_a_date_in_iso_8601_is_one(dated: FlaskClient, value: str) -> None:
    assert answered(dated, json={"when": value, "gap": 1.0}) == answered(
        dated, json={"when": "2024-03-01", "gap": 1.0}
    )


def with_dtypes(frame: pd.DataFrame, **facts: Any) -> dict[str, Any]:
    dtypes = {name: {"dtype": str(dtype)} for name, dtype in frame.dtypes.items()}
    return {"features": {name: known | facts for name, known in dtypes.items()}}


def test_a_card_tells_the_time_zone(serve: Serve) -> None:
    model, _ = own(hour_there, ["zoned"])
    assert "without a time zone" in refused(serve(model), {"zoned": "2024-03-05T12:00:00Z"})
    frame = FRAME[["zoned"]].apply(lambda times: times.dt.tz_convert("Asia/Kolkata"))
    client = serve(model, json.dumps(with_dtypes(frame)).encode())
    expected = model.predict(frame).tolist()
    for table in (frame, frame.apply(lambda times: times.dt.tz_convert("UTC"))):
        records = json.loads(table.to_json(orient="records", date_format="iso"))
        assert answered(client, json=records) == pytest.approx(expected)
    assert "with its time zone" in refused(client, {"zoned": "2024-03-05T12:00:00"})


def test_a_card_of_dates_without_a_zone_takes_none(serve: Serve) -> None:
    model, frame = own(month, ["when"])
    client = serve(model, json.dumps(with_dtypes(frame)).encode())
    detail = refused(client, {"when": "2024-03-05T12:00:00Z"})
    assert detail.endswith("without a time zone, as the model was fitted")


CARDED: dict[str, Any] = {
    "int64": FRAME["postcode"],
    "int32": FRAME["postcode"].astype("int32"),
    "float32": FRAME["size"].astype("float32"),
    "float64": FRAME["postcode"].astype(float),
    "bool": FRAME["new"],
    "Int64": FRAME["postcode"].astype("Int64").where(FRAME["rooms"] > 1),
    "boolean": FRAME["new"].astype("boolean").where(FRAME["rooms"] > 1),
    "str": FRAME["note"],
    "object": FRAME["note"].astype(object).where(FRAME["rooms"] > 1, None),
}


@pytest.mark.parametrize("dtype", CARDED)
def test_a_column_has_the_dtype_that_the_card_tells(serve: Serve, dtype: str) -> None:
    frame = pd.DataFrame({"x": CARDED[dtype]})
    text = make_pipeline(FunctionTransformer(as_text), OneHotEncoder(handle_unknown="ignore"))
    model = make_pipeline(text, LinearRegression()).fit(frame, Y)
    client = serve(model, json.dumps(with_dtypes(frame)).encode())
    records = json.loads(frame.to_json(orient="records", double_precision=15))
    given = answered(client, json=records)
    assert given == pytest.approx(model.predict(frame).tolist())
    feature = client.get("/metadata").json["features"][0]
    assert feature["dtype"] == str(frame["x"].dtype)


def test_an_integer_that_is_missing_or_broken_makes_floats_as_in_pandas(serve: Serve) -> None:
    frame = FRAME[["rooms"]]
    model, _ = own(doubled, ["rooms"])
    client = serve(model, json.dumps(with_dtypes(frame)).encode())
    assert answered(client, json=[{"rooms": 1.5}, {"rooms": 2.0}]) == pytest.approx(
        model.predict(pd.DataFrame({"rooms": [1.5, 2.0]})).tolist()
    )


def test_a_card_tells_the_categories_of_a_column(serve: Serve) -> None:
    frame = FRAME[["note"]].astype("category")
    steps = make_column_transformer((FunctionTransformer(codes), ["note"]))
    model = make_pipeline(steps, LinearRegression()).fit(frame, Y)
    assert "`make card DATA=train.csv` tells it" in refused(serve(model), {"note": "bb"})
    untold = json.dumps(with_dtypes(frame)).encode()
    assert "`make card DATA=train.csv` tells it" in refused(serve(model, untold), {"note": "bb"})
    card = with_dtypes(frame, categories=["a", "bb", "ccc"])
    client = serve(model, json.dumps(card).encode())
    records = json.loads(frame.to_json(orient="records"))
    assert answered(client, json=records) == pytest.approx(model.predict(frame).tolist())
    assert refused(client, {"note": "x"}).startswith("expected one of")
    assert refused(client, {"note": 1}).startswith("expected one of")


def test_a_null_that_own_code_tells_apart_is_refused_until_a_card_tells(serve: Serve) -> None:
    column = pd.Series([1, 2, None] * 20, dtype="Int64")
    frame = pd.DataFrame({"x": column})
    text = make_pipeline(FunctionTransformer(spelled), OneHotEncoder(handle_unknown="ignore"))
    model = make_pipeline(text, LinearRegression()).fit(frame, Y)
    assert "takes no missing value" in refused(serve(model), {"x": None})
    client = serve(model, json.dumps(with_dtypes(frame)).encode())
    records = json.loads(frame.to_json(orient="records"))
    assert answered(client, json=records) == pytest.approx(model.predict(frame).tolist())


@pytest.mark.parametrize("function", [lower, lower_each])
def test_own_code_may_clean_texts_before_their_words_are_counted(
    serve: Serve, function: Any
) -> None:
    texts = pd.Series(["Good day", "bad Day", "GOOD", "bad"] * 5)
    steps = [FunctionTransformer(function), TfidfVectorizer(), LogisticRegression()]
    model = make_pipeline(*steps).fit(texts, [1, 0, 1, 0] * 5)
    assert answered(serve(model), json=["GOOD", "bad day"]) == [1, 0]


@pytest.mark.parametrize("error", [AttributeError, ZeroDivisionError, RuntimeError, KeyError])
def test_whatever_own_code_raises_on_a_value_is_said_at_its_row(
    serve: Serve, error: type[Exception]
) -> None:
    model = Choosy(error).fit(FRAME[["size"]], Y)
    client = serve(model)
    answer = client.post("/predict", json=[[1.0], [7.0], [2.0]])
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/1"
    assert "seven" in answer.json["errors"][0]["detail"]


class Choosy(RegressorMixin, BaseEstimator):
    """Refuses seven, with an exception of its own choice."""

    def __init__(self, error: Any = None) -> None:
        self.error = error

    def fit(self, X: Any, y: Any = None) -> Choosy:
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> Any:
        numbers = np.asarray(X, dtype=float)[:, 0]
        if (numbers == 7).any():
            raise self.error("seven")
        return numbers


def test_memory_that_runs_out_is_not_the_rows_fault(serve: Serve) -> None:
    client = serve(Choosy(MemoryError).fit(FRAME[["size"]], Y))
    assert client.post("/predict", json=[7.0]).status_code == 503


def test_integers_of_an_array_stay_integers_on_the_way_to_own_code(serve: Serve) -> None:
    codes = FRAME[["postcode"]].to_numpy()
    steps = [FunctionTransformer(as_text), OneHotEncoder(handle_unknown="ignore")]
    model = make_pipeline(*steps, LinearRegression()).fit(codes, Y)
    given = answered(serve(model), json=codes.tolist())
    assert given == pytest.approx(model.predict(codes).tolist())


def test_a_whole_float_of_an_array_is_the_integer_that_it_equals(serve: Serve) -> None:
    frame = FRAME[["postcode", "note"]]
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(frame, Y)
    dtype = [("postcode", "f8"), ("note", "U3")]
    array = np.array(list(frame.itertuples(index=False, name=None)), dtype)
    answer = serve(model).post("/predict", data=npy.write(array), content_type="application/x-npy")
    assert answer.json["predictions"] == pytest.approx(model.predict(frame).tolist())


def test_a_number_is_the_category_that_it_is_with_32_bits(serve: Serve) -> None:
    frame = pd.DataFrame({"x": np.tile(np.array([0.1, 0.2], np.float32), 3)})
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(frame, [1, 2] * 3)
    assert answered(serve(model), json=[{"x": 0.1}, {"x": 0.2}]) == pytest.approx([1, 2])


def test_what_an_encoder_has_for_a_missing_number_is_no_number_to_try() -> None:
    encoder = OneHotEncoder().fit([[1.5], [np.nan]])
    assert words_of(encoder)["number"][:2] == [1.5, VALUES["number"][0]]


def test_a_large_integer_is_the_same_whoever_stands_beside_it(serve: Serve) -> None:
    ids = [2**53 + 1, 2**53 + 3, 5]
    model = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(np.array([ids]).T)
    client = serve(model)
    answer = client.post("/transform", json=[[2**53 + 1], [0.5], [None], [2**53 + 3], [5]])
    assert answer.json["predictions"] == [
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0],
        [1.0, 0.0, 0.0],
    ]


@pytest.mark.parametrize("ids", [[2**63 + 5, 3], [2**64 - 1, 2**63], [2**63 + 5, -3]])
def test_integers_above_int64_stay_what_they_are_beside_others(
    serve: Serve, ids: list[int]
) -> None:
    frame = pd.DataFrame({"id": ids})
    model = make_pipeline(FunctionTransformer(as_text), OneHotEncoder(), LinearRegression())
    expected = model.fit(frame, [1.0, 2.0]).predict(frame).tolist()
    assert answered(serve(model), json=frame.to_dict("records")) == pytest.approx(expected)
    if min(ids) > 0:
        card = json.dumps({"features": {"id": {"dtype": "uint64"}}}).encode()
        told = serve(model, card)
        assert answered(told, json=frame.to_dict("records")) == pytest.approx(expected)


def test_true_is_one_where_a_number_is_meant_and_no_category(serve: Serve) -> None:
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["rooms"])),
        LinearRegression(),
    ).fit(FRAME[["size", "rooms"]], Y)
    client = serve(model)
    assert answered(client, json={"size": True, "rooms": 2}) == answered(
        client, json={"size": 1, "rooms": 2}
    )
    assert refused(client, {"size": 1, "rooms": True}).startswith("expected one of 1, 2, 3, 4, 5")


def test_a_column_that_is_dropped_may_be_left_out(serve: Serve) -> None:
    frame = FRAME[["note", "size", "rooms"]]
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["size", "rooms"])), LinearRegression()
    ).fit(frame, Y)
    client = serve(model)
    used = frame[["size", "rooms"]]
    expected = model.predict(frame).tolist()
    assert answered(client, json=used.to_dict("records")) == expected
    assert (
        answered(client, json=[*frame.to_dict("records")[:1], *used.to_dict("records")[1:]])
        == expected
    )
    assert answered(client, data=used.to_csv(index=False), content_type="text/csv") == expected
    assert answered(client, data="note," + used.to_csv(index=False).replace("\n", "\nx,").rstrip("x,"),
                    content_type="text/csv") == expected  # fmt: skip
    split = {"dataframe_split": json.loads(used.to_json(orient="split", double_precision=15))}
    assert client.post("/invocations", json=split).json["predictions"] == pytest.approx(expected)
    columns = {"inputs": used.to_dict("list")}
    assert client.post("/invocations", json=columns).json["predictions"] == expected
    schema = client.get("/openapi.json").json["components"]["schemas"]["Row"]
    assert schema["required"] == ["size", "rooms"]


def test_columns_that_nobody_named_have_numbers(serve: Serve) -> None:
    frame = pd.DataFrame(RANDOM.normal(size=(N, 3)))
    client = serve(LinearRegression().fit(frame, Y))
    model = LinearRegression().fit(frame, Y)
    expected = pytest.approx(model.predict(frame).tolist())
    assert (
        answered(client, json=json.loads(frame.to_json(orient="records", double_precision=15)))
        == expected
    )
    assert answered(client, data=frame.to_csv(index=False), content_type="text/csv") == expected
    assert refused(client, {"0": 1, "1": 2, "2": "x"}) == "expected a number, got a string"
    assert "x0, x1, x2" in refused(client, {"0": 1, "1": 2, "3": 1})


@pytest.mark.parametrize(("missing", "column"), [
    ("?", ["x", "?", "y", "x"]), (-1, [1, -1, 2, 1]), (None, ["x", None, "y", "x"]),
    (pd.NA, ["x", None, "y", "x"]),
])  # fmt: skip
def test_a_value_that_an_imputer_takes_for_a_missing_one_is_no_unknown_category(
    serve: Serve, missing: Any, column: list[Any]
) -> None:
    values = np.array([[value] for value in column], dtype=object if "x" in column else int)
    model = make_pipeline(
        SimpleImputer(missing_values=missing, strategy="most_frequent"),
        OneHotEncoder(),
        LinearRegression(),
    ).fit(values, [1.0, 2.0, 3.0, 4.0])
    given = answered(serve(model), json=[[value] for value in column])
    assert given == pytest.approx(model.predict(values).tolist())


def test_what_there_is_no_room_to_try_stays_unknown(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "MAX_CALLS", 3)
    model, _ = own(doubled, ["rooms", "size"])
    features = serve(model).get("/metadata").json["features"]
    assert [feature["type"] for feature in features] == ["any", "any"]


def test_columns_that_are_told_apart_are_found_among_others(serve: Serve) -> None:
    frame = FRAME[["postcode", "rooms", "size"]]

    model = make_pipeline(FunctionTransformer(mixed), LinearRegression()).fit(frame, Y)
    client = serve(model)
    expected = model.predict(frame).tolist()
    assert answered(client, json=frame.to_dict("records")) == pytest.approx(expected)


def mixed(frame: Any) -> Any:
    """Looks at the dtype of its first column alone."""
    whole = float(frame.iloc[:, 0].dtype.kind == "i")
    return frame.assign(whole=whole)


def test_a_mapping_and_a_scaler_need_no_trial_of_kinds(serve: Serve) -> None:
    assert (
        serve(StandardScaler().fit(FRAME[["size"]])).get("/metadata").json["methods"][0]
        == "transform"
    )


def test_a_model_that_no_made_up_row_suits_is_tried_on_a_bounded_number_of_rows(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "MAX_BASE_CALLS", 10)
    steps = make_column_transformer((FunctionTransformer(codes), ["note"]))
    model = make_pipeline(steps, LinearRegression()).fit(FRAME[["note"]].astype("category"), Y)
    assert serve(model).get("/metadata").json["features"][0]["type"] == "any"


def test_the_example_of_the_card_tells_what_a_column_holds(serve: Serve) -> None:
    model, _ = own(month, ["when"], imputed())
    card = json.dumps({"example": {"when": "2024-03-05", "gap": 1.0}}).encode()
    features = serve(model, card).get("/metadata").json["features"]
    assert [feature["type"] for feature in features] == ["datetime", "number"]


def test_what_a_plan_leaves_is_refused_as_scikit_learn_refuses_it(tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(FRAME[["size"]], FRAME["new"]), tmp_path / "m.joblib")
    model = fitted.load(tmp_path / "m.joblib")
    own_engine = model.engine
    plan = compile_model(model)
    less = {"predict": plan.methods["predict"]}
    plan = msgspec.structs.replace(plan, methods=less, fallback={"predict_proba": "none"})
    engine = PlanEngine(plan, lambda: own_engine)
    assert engine.refuses("predict_proba", TypeError())
    assert not engine.refuses("predict", TypeError())


def test_a_column_that_is_encoded_and_handed_on_keeps_its_categories(serve: Serve) -> None:
    frame = FRAME[["rooms"]]
    columns = make_column_transformer((OrdinalEncoder(), ["rooms"]), ("passthrough", ["rooms"]))
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(columns, encoder, LinearRegression()).fit(frame, Y)
    client = serve(model)
    assert client.get("/metadata").json["features"][0]["categories"] == [1, 2, 3, 4, 5]
    given = answered(client, json=frame.to_dict("records"))
    assert given == pytest.approx(model.predict(frame).tolist())
