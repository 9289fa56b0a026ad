"""`make card`: training rows tell what a bare model cannot, and the service answers by it."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from api import create_app
from api.settings import Settings
from models import answers, card, describe, description, environment, pipeline, training_rows
from models.baking import bake
from models.errors import ModelError
from models.rows import words
from models.signature.types import Signature
from models.training.train import example as train_example
from models.training_rows import DataError
from tests import clients
from tests.test_parquet import OURS, PYARROW

ROOT = Path(__file__).parent.parent
MAIN = os.getpid()
N = 60
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "rooms": RANDOM.integers(1, 7, N),
        "area": RANDOM.normal(80, 20, N).round(1),
        "city": RANDOM.choice(["Köln", "Bonn"], N),
        "lift": RANDOM.choice([True, False], N),
        "sold": pd.date_range("2020-01-01", periods=N, freq="17D"),
    }
)
PRICE = FRAME["rooms"] * 10.0 + FRAME["area"] + RANDOM.normal(0, 1, N)


def year(frame: pd.DataFrame) -> pd.DataFrame:
    """A step of the user's own, which needs a date."""
    return frame.assign(sold=frame["sold"].dt.year)


class Described:
    """A model with the card that its training rows gave it, and its service."""

    def __init__(self, path: Path, said: str) -> None:
        self.said = said
        self.card = json.loads(path.with_suffix(".json").read_text())
        self.client: FlaskClient = create_app(Settings(model_path=str(path))).test_client()


@pytest.fixture
def described(tmp_path: Path) -> Callable[..., Described]:
    def build(estimator: Any, frame: pd.DataFrame | str, **options: Any) -> Described:
        path, data = tmp_path / "model.joblib", tmp_path / options.pop("name", "train.csv")
        joblib.dump(estimator, path)
        if isinstance(frame, str):
            data.write_text(frame)
        elif data.suffix == ".csv":
            frame.to_csv(data, index=False)
        else:
            frame.to_json(data, orient="records", lines=True, date_format="iso")
        return Described(path, description.describe(path, data, **options))

    return build


NUMBERS = LinearRegression().fit(FRAME[["rooms", "area"]], PRICE)
CITY = LogisticRegression().fit(FRAME[["rooms", "area"]], FRAME["city"])
DATED = make_pipeline(
    FunctionTransformer(year),
    make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough"),
    LinearRegression(),
).fit(FRAME, PRICE)


# What the card says.


def test_the_types_of_all_columns_are_told(described) -> None:
    found = described(DATED, FRAME)
    assert {name: facts["dtype"] for name, facts in found.card["features"].items()} == {
        "rooms": "int64",
        "area": "float64",
        "city": "str",
        "lift": "bool",
        "sold": "datetime64[us]",
    }
    said = "Taken sold as dates: the model refuses them as they were read"
    assert found.said.splitlines()[1] == said


def test_the_service_answers_every_row_as_the_model_does(described) -> None:
    client = described(DATED, FRAME).client
    rows = json.loads(FRAME.to_json(orient="records", date_format="iso"))
    answer = client.post("/predict", json=rows)
    assert answer.json["predictions"] == DATED.predict(FRAME).tolist()


def test_it_says_what_was_found(described) -> None:
    found = described(CITY, FRAME, answer="city")
    accuracy = CITY.score(FRAME[["rooms", "area"]], FRAME["city"])
    path = found.client.get("/metadata").json["model"]
    assert path == "LogisticRegression"
    lines = found.said.splitlines()
    assert lines[0].endswith("train.csv describe the columns rooms, area")
    assert lines[1] == "Passed over, since the model does not take them: lift, sold"
    assert lines[2] == (
        f"city: accuracy {accuracy:.4f}, {round(60 * accuracy)} of 60 known answers "
        "are equal to the model's"
    )
    assert lines[3].endswith(
        "model.json is written. It holds 50 of its rows and an example, and goes into the image"
    )


def test_it_holds_statistics_an_example_and_a_background(described) -> None:
    facts = described(CITY, FRAME, answer="city").card
    rooms = facts["features"]["rooms"]
    assert (rooms["count"], rooms["missing"], rooms["min"], rooms["max"]) == (60, 0, 1, 6)
    assert facts["example"] == {"rooms": int(FRAME["rooms"][0]), "area": FRAME["area"][0]}
    assert len(facts["background"]) == 50
    assert sum(facts["class_shares"].values()) == pytest.approx(1)
    assert facts["answers"]["rows"] == 60


def test_a_column_of_nothing_but_classes_is_the_answer(described) -> None:
    found = described(CITY, FRAME[["rooms", "area", "city"]])
    assert found.card["target"] == "city"


def test_the_answers_of_a_regressor_are_not_guessed(described) -> None:
    found = described(NUMBERS, FRAME.assign(price=PRICE))
    assert "answers" not in found.card
    assert found.said.splitlines()[1].endswith("not take them: city, lift, sold, price")


def test_a_regressor_is_compared_by_r2(described) -> None:
    predicted = NUMBERS.predict(FRAME[["rooms", "area"]])
    found = described(NUMBERS, FRAME.assign(price=predicted), answer="price")
    assert found.card["answers"] == {"rows": 60, "r2": 1.0, "equal": 60}
    said = "price: R² 1.0000, all of 60 known answers are equal to the model's"
    assert found.said.splitlines()[2] == said


def test_one_known_answer_has_no_r2(described) -> None:
    price = PRICE.where(PRICE.index == 3)
    found = described(NUMBERS, FRAME.assign(price=price), answer="price")
    assert found.card["answers"] == {"rows": 1, "equal": 0}


def test_what_the_card_had_before_is_kept(tmp_path: Path, described) -> None:
    old = {"metrics": {"accuracy": 0.9}, "plan": {"predict": {}}, "features": {"rooms": {}}}
    (tmp_path / "model.json").write_text(json.dumps(old))
    facts = described(NUMBERS, FRAME).card
    assert facts["metrics"] == {"accuracy": 0.9}
    assert facts["plan"] == {"predict": {}}
    assert list(facts["features"]) == ["rooms", "area"]


def test_the_card_of_another_model_is_not_kept(tmp_path: Path, described) -> None:
    (tmp_path / "model.json").write_text('{"sha256": "0", "metrics": {"accuracy": 0.9}}')
    assert "metrics" not in described(NUMBERS, FRAME).card


def test_the_plan_is_made_anew(tmp_path: Path, described) -> None:
    plan = tmp_path / "model.plan.npz"
    plan.touch()
    described(NUMBERS, FRAME)
    assert not plan.exists()


def test_a_new_card_makes_a_new_plan(tmp_path: Path, described) -> None:
    path = tmp_path / "model.joblib"
    described(NUMBERS, FRAME)
    assert not environment.is_baked(path)
    bake(path)
    assert environment.is_baked(path)
    later = time.time() + 60
    os.utime(path.with_suffix(".json"), (later, later))
    assert not environment.is_baked(path)


def test_no_row_goes_into_the_card_where_none_shall(described) -> None:
    found = described(CITY, FRAME, background=0)
    facts = found.card
    assert facts["background"] == []
    middle = FRAME["rooms"].sort_values().iloc[29]
    assert facts["example"] == {"rooms": int(middle), "area": FRAME["area"].sort_values().iloc[29]}
    assert "It holds none of its rows" in found.said


def test_of_too_many_rows_the_first_are_read(described, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (description, training_rows):
        monkeypatch.setattr(module, "MAX_ROWS", 10)
    found = described(CITY, FRAME)
    assert found.said.startswith("The first 10 rows of ")
    assert found.card["features"]["rooms"]["count"] == 10


def test_of_many_rows_some_are_answered(described, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_ROWS_ASKED", 10)
    facts = described(CITY, FRAME, answer="city").card
    assert facts["answers"]["rows"] == 10
    assert facts["features"]["rooms"]["count"] == 60


# The types that a file has or has not.


def test_numbers_that_the_model_knows_as_text_stay_text(described) -> None:
    codes = pd.DataFrame({"code": ["01067", "10115", "20095"] * 5})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression())
    model.fit(codes, np.arange(15.0))
    client = described(model, codes).client
    assert client.get("/metadata").json["example"] == {"code": "01067"}
    answer = client.post("/predict", json=codes.to_dict("records")).json["predictions"]
    assert answer == model.predict(codes).tolist()


def test_labels_that_look_like_numbers_are_compared_as_text(described) -> None:
    model = LogisticRegression().fit(FRAME[["area"]], FRAME["rooms"].astype(str))
    facts = described(model, FRAME[["area", "rooms"]], answer="rooms").card
    assert facts["answers"]["equal"] > 0


def codes(frame: pd.DataFrame) -> pd.DataFrame:
    """A step of the user's own, which needs a category."""
    return frame.assign(city=frame["city"].cat.codes)


def test_text_is_a_category_where_the_model_refuses_it(described) -> None:
    rows = FRAME[["city", "area"]].astype({"city": "category"})
    model = make_pipeline(FunctionTransformer(codes), LinearRegression()).fit(rows, PRICE)
    found = described(model, rows)
    facts = found.card["features"]["city"]
    assert (facts["dtype"], facts["categories"]) == ("category", ["Bonn", "Köln"])
    assert "Taken city as categories" in found.said
    answer = found.client.post("/predict", json=rows.to_dict("records")).json["predictions"]
    assert answer == model.predict(rows).tolist()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "rooms,area\n3,80.5\n4,81.5\n"),
        ("a.csv", "rooms;area\n3;80.5\n4;81.5\n"),
        ("a.csv", "rooms;area\n3;80,5\n4;81,5\n"),
        ("a.tsv", "rooms\tarea\n3\t80.5\n4\t81.5\n"),
        ("a.csv", "\ufeffarea , rooms,id\n80.5,3,x\n81.5,4,y\n"),
        ("a.ndjson", '{"rooms": 3, "area": 80.5}\n\n{"area": 81.5, "rooms": 4, "id": 1}\n'),
        ("a.jsonl", '{"rooms": 3, "area": 80.5}\n{"rooms": 4, "area": 81.5}'),
    ],
)
def test_the_same_rows_are_read_from_each_file(described, name: str, text: str) -> None:
    facts = described(NUMBERS, text, name=name).card
    assert facts["example"] == {"rooms": 3, "area": 80.5}
    assert [each["dtype"] for each in facts["features"].values()] == ["int64", "float64"]


def test_a_decimal_comma_is_looked_for_in_text_only(described) -> None:
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(FRAME[["city"]], PRICE)
    facts = described(model, "id;city;empty\n1,5;Bonn;\n2,5;Köln;\n").card
    assert facts["example"] == {"city": "Bonn"}


def test_a_name_may_be_in_another_form_of_unicode(described) -> None:
    model = LinearRegression().fit(pd.DataFrame({"Gr\u00f6\u00dfe": [1.0, 2.0]}), [1.0, 2.0])
    facts = described(model, "Gro\u0308\u00dfe \n1.5\n2.5\n").card
    assert facts["example"] == {"Gr\u00f6\u00dfe": 1.5}


def test_a_column_that_the_model_drops_may_be_left_out(described) -> None:
    columns = make_column_transformer(("passthrough", ["area"]))
    model = make_pipeline(columns, LinearRegression()).fit(FRAME[["rooms", "area"]], PRICE)
    assert list(described(model, FRAME[["area"]]).card["features"]) == ["area"]


def test_a_column_that_the_model_drops_leaves_no_value_in_the_card(described) -> None:
    columns = make_column_transformer(("passthrough", ["area"]))
    rows = FRAME[["area", "city"]].assign(name="Ada Lovelace")
    model = make_pipeline(columns, LinearRegression()).fit(rows, PRICE)
    found = described(model, rows)
    assert "Lovelace" not in json.dumps(found.card)
    assert found.card["features"]["name"] == {"dtype": "str"}
    assert found.said.splitlines()[1].endswith("does not take them: city, name")
    example = found.client.get("/metadata").json["example"]
    assert example == {"area": FRAME["area"][0], "city": None, "name": None}
    assert found.client.post("/predict", json=example).status_code == 200
    assert found.client.post("/explain", json=example).status_code == 200


def test_parquet_keeps_the_types(tmp_path: Path, penguins_path: Path) -> None:
    pins = [f"{name}=={metadata.version(name)}" for name in OURS]
    place = clients.environment("parquet", PYARROW, *pins)
    data = tmp_path / "train.parquet"
    write = (
        "import sys, pandas; rows = pandas.read_csv(sys.argv[1]); "
        "rows.astype({'sex': 'category', 'body_mass_g': 'Int64'}).to_parquet(sys.argv[2])"
    )
    python = str(place / "bin" / "python")
    copy = tmp_path / "model.joblib"
    copy.write_bytes(penguins_path.read_bytes())
    for command in (["-c", write, pipeline.DATA, data], ["-m", "models.describe", copy, data]):
        done = subprocess.run(
            [python, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    facts = json.loads(copy.with_suffix(".json").read_text())["features"]
    assert facts["sex"]["dtype"] == "category"
    assert facts["body_mass_g"]["dtype"] == "Int64"


# Models that do not name their columns.


def test_the_file_names_the_columns_of_a_model_without_names(described) -> None:
    model = LinearRegression().fit(FRAME[["rooms", "area"]].to_numpy(), PRICE)
    client = described(model, FRAME[["rooms", "area"]]).client
    assert [each["name"] for each in client.get("/metadata").json["features"]] == ["rooms", "area"]
    assert client.post("/predict", json={"area": 80, "rooms": 3}).status_code == 200


def test_the_names_of_an_earlier_card_are_kept(tmp_path: Path, described) -> None:
    (tmp_path / "model.json").write_text('{"features": ["a", "b"]}')
    with pytest.raises(DataError, match="lacks a, b, of the model's columns; it has c, d"):
        described(TWO, "c,d\n1,2\n")
    assert list(described(TWO, "id,b,a\n1,2,3\n").card["features"]) == ["a", "b"]


def test_a_frame_without_names_has_those_of_its_places(described) -> None:
    assert list(described(TWO, "0,1\n1,2\n").card["features"]) == ["0", "1"]


class Own(RegressorMixin, BaseEstimator):
    """An estimator of the user's own, which does not say what it takes."""

    def fit(self, rows: Any, target: Any) -> Own:
        self.mean_ = np.mean(target)
        return self

    def predict(self, rows: Any) -> np.ndarray:
        return np.asarray(np.asarray(rows, dtype=float).sum(axis=1) + self.mean_)


def test_the_file_names_the_columns_of_a_model_that_does_not_say_how_many(
    tmp_path: Path, described
) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(Own().fit(None, PRICE), path)
    with pytest.raises(ModelError, match=r"make card DATA=train\.csv"):
        create_app(Settings(model_path=str(path)))
    rows = FRAME[["rooms", "area"]]
    found = described(Own().fit(None, PRICE), rows.assign(price=PRICE), answer="price")
    answer = found.client.post("/predict", json=rows.to_dict("records")).json["predictions"]
    assert answer == Own().fit(None, PRICE).predict(rows).tolist()


class Listing(Own):
    """Answers with a list."""

    def predict(self, X: Any) -> Any:
        return list(super().predict(X))


def test_the_answers_of_somebodys_own_model_may_be_a_list(described) -> None:
    found = described(Listing().fit(None, PRICE), FRAME[["rooms", "area"]])
    assert found.client.post("/predict", json=found.card["example"]).status_code == 200


def test_a_model_of_texts_takes_the_column_of_text(described) -> None:
    texts = pd.DataFrame({"mail": ["good day", "bad day", "good"] * 3, "kind": [1, 0, 1] * 3})
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts["mail"], texts["kind"])
    found = described(model, texts)
    assert found.card["target"] == "kind"
    assert found.card["example"] == {"text": "good day"}
    assert found.client.post("/predict", json={"text": "bad"}).json["predictions"] == [0]


# What uses the card.


@pytest.mark.parametrize("background", [50, 0])
def test_answers_are_explained_in_comparison_with_the_rows_of_the_card(
    described, background: int
) -> None:
    client = described(DATED, FRAME, background=background).client
    example = client.get("/metadata").json["example"]
    answer = client.post("/explain", json=example).json
    (found,) = answer["explanations"]
    assert set(found["contributions"]) == set(FRAME)
    total = answer["base"][0] + sum(value for (value,) in found["contributions"].values())
    assert total == pytest.approx(client.post("/predict", json=example).json["predictions"][0])


def test_no_endpoint_shows_the_background(described) -> None:
    client = described(DATED, FRAME).client
    assert "background" not in client.get("/metadata").json["card"]
    # Of all the dates, but those of the statistics and of the example.
    for path in ("/metadata", "/openapi.json", "/v2/models/model", "/snippets"):
        assert "2020-01-18" not in client.get(path).text


def test_the_documentation_tells_the_ranges(described) -> None:
    schemas = described(DATED, FRAME).client.get("/openapi.json").json["components"]["schemas"]
    said = schemas["Row"]["properties"]
    assert said["sold"]["description"] == (
        "In training from 2020-01-01T00:00:00 to 2022-09-30T00:00:00."
    )
    assert said["rooms"]["description"].startswith("In training from 1 to 6")
    assert said["sold"]["type"] == "string"


def test_a_date_is_text_among_tensors(described) -> None:
    client = described(DATED, FRAME).client
    inputs = client.get("/v2/models/model").json["inputs"]
    assert inputs[-1] == {"name": "sold", "datatype": "BYTES", "shape": [-1, 1]}
    data = json.loads(FRAME.head(2).to_json(orient="split", date_format="iso"))
    columns = zip(*data["data"], strict=True)
    tensors = [
        {**each, "shape": [2, 1], "data": list(column)}
        for each, column in zip(inputs, columns, strict=True)
    ]
    answer = client.post("/v2/models/model/infer", json={"inputs": tensors})
    assert answer.json["outputs"][0]["data"] == DATED.predict(FRAME.head(2)).tolist()


def test_a_plan_is_proven_beside_dates(tmp_path: Path, described) -> None:
    columns = make_column_transformer(("passthrough", ["area"]))
    model = make_pipeline(columns, LinearRegression()).fit(FRAME[["sold", "area"]], PRICE)
    described(model, FRAME)
    place = tmp_path / "model.json"
    facts = json.loads(place.read_text())
    facts["features"]["sold"] |= {"min": "2020-01-01T00:00:00", "max": "2022-01-01T00:00:00"}
    place.write_text(json.dumps(facts))
    assert bake(tmp_path / "model.joblib")["predict"]["rows"] > 1000


# What is refused, in a sentence, with nothing written.


class Crash(Own):
    """An estimator that takes its process with it."""

    def predict(self, rows: Any) -> np.ndarray:
        os._exit(3)


class Together(Own):
    """An estimator that takes one row at a time."""

    def predict(self, rows: Any) -> np.ndarray:
        if len(rows) != 1:
            raise ValueError("one, please")
        return np.ones(1)


class Refuses(Own):
    """An estimator that refuses all it is given."""

    def predict(self, rows: Any) -> np.ndarray:
        raise KeyError("nope")


class Pairs(Own):
    """An estimator that refuses two columns for each other's sake."""

    def predict(self, rows: Any) -> np.ndarray:
        if np.any(np.asarray(rows).sum(axis=1) > 10):
            raise ValueError("too much")
        return np.ones(len(rows))


class Infinite(Own):
    """An estimator that takes what is infinite, for which JSON has no number."""

    def predict(self, rows: Any) -> np.ndarray:
        if np.isnan(np.asarray(rows, dtype=float)).any():
            raise ValueError("no gaps")
        return np.ones(len(rows))


class Moody(Own):
    """An estimator that answers otherwise in a process apart."""

    def predict(self, rows: Any) -> np.ndarray:
        return np.full(len(rows), float(os.getpid() == MAIN))


class Apart(Own):
    """An estimator that answers in a process apart, and nowhere else."""

    def predict(self, rows: Any) -> np.ndarray:
        if os.getpid() == MAIN:
            raise ValueError("not here")
        return np.ones(len(rows))


TABLE = "a,b\n1,2\n3,4\n"
TWO = LinearRegression().fit(np.ones((2, 2)), [1, 2])
SEVERAL = LinearRegression().fit(FRAME[["rooms"]], FRAME[["rooms", "area"]])
TEXT = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good day", "bad day"], [0, 1])


@pytest.mark.parametrize(
    ("estimator", "text", "options", "sentence"),
    [
        (NUMBERS, "rooms,area\n1,2\nx,3\n", {},
         "the model refuses 'x' in the column rooms, row 2: could not convert string to float: 'x'"),
        (NUMBERS, "rooms,area\n1,x\n2,y\n", {},
         "could not convert string to float: 'x'; it expects numbers in area, which has text"),
        (NUMBERS, "rooms,size\n1,2\n", {},
         "lacks area, of the model's columns; it has rooms, size"),
        (NUMBERS, "rooms,area\n1,2\n", {"answer": "price"},
         "has no column price; it has rooms, area"),
        (NUMBERS, "rooms,area,p\n1,2,\n", {"answer": "p"}, "the column p has no known answer"),
        (NUMBERS, "rooms,area\n", {}, "has no rows"),
        (NUMBERS, "", {}, "cannot be read as csv: No columns to parse from file"),
        (NUMBERS, "a", {"name": "a.xlsx"}, "expected .csv or .tsv, .parquet, .ndjson or .jsonl"),
        (NUMBERS, "a", {"name": "a.parquet"}, "add the line pyarrow to models/requirements.txt"),
        (NUMBERS, "[1]", {"name": "a.ndjson"}, "expected an object in each line"),
        (NUMBERS, "{", {"name": "a.ndjson"}, "a.ndjson, line 1: Expecting property name"),
        (TWO, "a,b,c\n1,2,3\n", {},
         "{path} has 3: a, b, c. Leave those that it takes, in their order; TARGET=column says"),
        (TWO, "a,b,c,d\n1,2,3,4\n", {"answer": "d"}, "Leave those that it takes, in their order"),
        (TWO, "1.5,2.5\n1,2\n", {}, "is numbers: put the columns' names there"),
        (TEXT, "a,b\nx y,z\n", {}, "takes one text a row, and {path} has a, b: leave one column"),
        (TEXT, "a,b\n1,2\n", {}, "takes one text a row, and {path} has none"),
        (DictVectorizer().fit([{"a": 1}]), TABLE, {}, "this model takes no table of columns"),
        (SEVERAL, "rooms,area\n1,2\n", {"answer": "area"}, "with several values a row"),
        (Crash().fit(None, [1]), TABLE, {}, "the model gave no answer for these rows: it ended with the status 3"),
        (Together().fit(None, [1]), TABLE, {}, "the model answers each of these rows alone, and not together"),
        (Refuses().fit(None, [1]), TABLE, {}, "the model does not answer these rows: KeyError: 'nope'"),
        (Pairs().fit(None, [1]), "a,b\n1,1\n9,2\n", {}, "too much; row 2 is the first"),
        (Moody().fit(None, [1]), TABLE, {}, "would answer the row 1 otherwise than the model: a number differs"),
        (Infinite().fit(None, [1]), "a,b\n1,2\n3,inf\n", {},
         "the service would refuse the row 2, which the model takes: b: expected a number"),
        (Apart().fit(None, [1]), TABLE, {}, "the service would not answer these rows: not here"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    tmp_path: Path, described, estimator: Any, text: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError) as refused:
        described(estimator, text, **options)
    path = tmp_path / options.get("name", "train.csv")
    assert sentence.replace("{path}", str(path)) in str(refused.value)
    assert not (tmp_path / "model.json").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file nowhere\.csv"):
        training_rows.read(Path("nowhere.csv"))


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Größe\n1\n".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8: save it as UTF-8"):
        training_rows.read(path)


def test_a_long_list_of_names_is_cut() -> None:
    assert words.some([str(i) for i in range(25)]).endswith("18, 19 and 5 more")


@pytest.mark.parametrize(
    ("values", "read_as"),
    [
        (["2020-01-01", None], "datetime64[us]"),
        (["2020-01-01T10:00:00Z", "2021-01-01T10:00:00Z"], "datetime64[us, UTC]"),
        (["2020-01-01", "soon"], None),
        (["2020-01-01", "2020-99-99"], None),
        (["2020-01-01T00:00+01:00", "2020-01-01T00:00+02:00"], None),
    ],
)
def test_a_column_of_iso_dates_may_be_dates(values: list[Any], read_as: str | None) -> None:
    given = training_rows.readings(pd.DataFrame({"d": values}), Signature())
    dtypes = [str(rows["d"].dtype) for rows, _ in given]
    assert dtypes == ["str", *([read_as] if read_as else []), "category"]


def test_a_card_needs_no_answers(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.touch()
    facts = card.write_card(path, NUMBERS, FRAME, target="price", metrics={}).read_text()
    assert "class_shares" not in json.loads(facts)


# The command.


def test_make_card_does_it(tmp_path: Path) -> None:
    path = tmp_path / "a model.joblib"
    train_example(path)
    path.with_suffix(".json").unlink()
    variables = [f"DATA={pipeline.DATA}", "TARGET=species", f"MODEL_PATH={path}", "BACKGROUND=5"]
    done = subprocess.run(
        ["make", "card", *variables], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "342 of 344 known answers are equal" in done.stdout
    assert len(json.loads(path.with_suffix(".json").read_text())["background"]) == 5


@pytest.mark.parametrize("words", [["describe", "no.joblib", "no.csv"], ["bake", "no.joblib"]])
def test_libraries_are_told_to_start_no_threads_before_they_are_loaded(words: list[str]) -> None:
    code = (
        "import os, runpy, sys; from importlib.abc import MetaPathFinder\n"
        "class Spy(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'numpy': print(os.environ['OMP_NUM_THREADS'])\n"
        "sys.meta_path.insert(0, Spy())\n"
        f"sys.argv = {words}; runpy.run_module('models.{words[0]}', run_name='__main__')"
    )
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=bare, capture_output=True, check=False
    )
    assert done.stdout == b"1\n"


def test_an_empty_column_is_not_the_answer(described) -> None:
    assert "target" not in described(CITY, FRAME[["rooms", "area"]].assign(city=None)).card


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv"], "there is no file nowhere.csv"),
        (["train.csv", "--background", "-3"], "BACKGROUND=-3: expected a number of rows, as 50, or 0"),
        (["train.csv", "--background", "all"], "BACKGROUND=all: expected a number of rows"),
        (["train.csv"], "model.json.new cannot be written (Is a directory)"),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    joblib.dump(NUMBERS, tmp_path / "model.joblib")
    FRAME.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "model.json.new").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["describe", "model.joblib", *arguments])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(describe.__file__, run_name="__main__")
    assert str(exit_.value.code).startswith(f"error: {sentence}")


# What is told of one column.


@pytest.mark.parametrize(
    ("column", "facts"),
    [
        (pd.Series([1, 2, 3, 4]), {
            "dtype": "int64", "count": 4, "missing": 0, "min": 1, "quartile_1": 1.75, "median": 2.5,
            "quartile_3": 3.25, "max": 4, "mean": 2.5, "std": pytest.approx(1.29099, rel=1e-5),
        }),
        (pd.Series([1.0, None, np.inf]), {
            "dtype": "float64", "count": 2, "missing": 1, "min": 1, "quartile_1": 1, "median": 1,
            "quartile_3": 1, "max": 1, "mean": 1,
        }),
        (pd.Series([None, None], dtype="float64"), {"dtype": "float64", "count": 0, "missing": 2}),
        (pd.Series([None, 2], dtype="Int64"), {
            "dtype": "Int64", "count": 1, "missing": 1, "min": 2, "quartile_1": 2, "median": 2,
            "quartile_3": 2, "max": 2, "mean": 2,
        }),
        (pd.Series([True, False, True]), {
            "dtype": "bool", "count": 3, "missing": 0, "distinct": 2,
            "counts": {"True": 2, "False": 1},
        }),
        (pd.Series([True, None], dtype="boolean"), {
            "dtype": "boolean", "count": 1, "missing": 1, "distinct": 1, "counts": {"True": 1},
        }),
        (pd.Series(["a", "b", "a"], dtype="object"), {
            "dtype": "object", "count": 3, "missing": 0, "distinct": 2, "counts": {"a": 2, "b": 1},
        }),
        (pd.Series(["a", pd.NA], dtype="string"), {
            "dtype": "string", "count": 1, "missing": 1, "distinct": 1, "counts": {"a": 1},
        }),
        (pd.Series(["x" * 300]), {"dtype": "str", "count": 1, "missing": 0, "distinct": 1}),
        (pd.Series(pd.Categorical([3, 1, None], categories=[3, 1, 2], ordered=True)), {
            "dtype": "category", "count": 2, "missing": 1, "categories": [3, 1, 2],
            "ordered": True, "distinct": 2, "counts": {"3": 1, "1": 1},
        }),
        (pd.Series(["2020-01-01", "2021-01-01", None], dtype="datetime64[us]"), {
            "dtype": "datetime64[us]", "count": 2, "missing": 1, "min": "2020-01-01T00:00:00",
            "quartile_1": "2020-01-01T00:00:00", "median": "2020-01-01T00:00:00",
            "quartile_3": "2021-01-01T00:00:00", "max": "2021-01-01T00:00:00",
        }),
        (pd.Series([pd.NaT], dtype="datetime64[ns]"), {
            "dtype": "datetime64[ns]", "count": 0, "missing": 1,
        }),
    ],
)  # fmt: skip
def test_a_column_is_described(column: pd.Series[Any], facts: dict[str, Any]) -> None:
    found = card.describe(column)
    assert {name: fact for name, fact in found.items() if name != "bins"} == facts


@pytest.mark.parametrize(
    ("column", "edges", "counts"),
    [
        (pd.Series(range(1, 101)), pytest.approx([10.9 + 9.9 * i for i in range(9)]), [10] * 10),
        (pd.Series([0] * 6 + [1, 2, 4, 4]), [0, 1, 1, 2, 2, 4, 4], [6, 0, 1, 0, 1, 0, 2, 0]),
        (
            pd.Series([*range(-8, 0), *[0] * 20, *range(1, 13)]),
            pytest.approx([-4.1, -0.2, 0, 0, 0.3, 4.2, 8.1], abs=0.11),
            [4, 4, 0, 20, 0, 4, 4, 4],
        ),
        (pd.Series([5.0, 5.0, None]), [5], [2, 0]),
        (
            pd.to_datetime(pd.Series(["2020-01-01", "2020-01-01", "2021-01-01"]), utc=True),
            ["2020-01-01T00:00:00+00:00", *["2021-01-01T00:00:00+00:00"] * 2],
            [2, 0, 1, 0],
        ),
    ],
)
def test_bins_have_a_tenth_of_the_rows_each_or_one_frequent_value(
    column: pd.Series[Any], edges: Any, counts: list[int]
) -> None:
    assert card.describe(column)["bins"] == {"edges": edges, "counts": counts}


@pytest.mark.parametrize(
    "column",
    [pd.Series([True]), pd.Series(["a"]), pd.Series([None], dtype=float), pd.Series([math.inf])],
)
def test_values_that_are_no_finite_numbers_have_no_bins(column: pd.Series[Any]) -> None:
    assert "bins" not in card.describe(column)


def test_of_many_values_the_most_frequent_are_counted_and_none_that_stands_there_once() -> None:
    names = [f"name {i}" for i in range(120)]
    facts = card.describe(pd.Series([*names, *names[:110], names[0]]))
    assert facts["distinct"] == 120
    assert len(facts["counts"]) == 100
    assert next(iter(facts["counts"].items())) == ("name 0", 3)
    assert "counts" not in card.describe(pd.Series(names))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(2**53 + 1), 2**53 + 1), (np.float32(0.5), 0.5), (float("nan"), None), (None, None),
        (float("inf"), None), (pd.NA, None), (pd.NaT, None), (np.True_, True), ("a", "a"),
        (dt.date(2020, 1, 2), "2020-01-02"), (dt.time(10), "10:00:00"),
        (pd.Timestamp("2020-01-02T03:04:05.000000006"), "2020-01-02T03:04:05.000000006"),
        (pd.Timestamp("2020-01-02", tz="UTC"), "2020-01-02T00:00:00+00:00"), ((1, 2), "(1, 2)"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_json_has_it(value: Any, plain: Any) -> None:
    assert card.plain(value) == plain


def test_the_example_has_the_fewest_missing_values() -> None:
    rows = pd.DataFrame({"a": [None, 1.0, None], "b": [None, None, "x"]})
    assert card.of_rows(rows, 2)["example"] == {"a": 1.0, "b": None}


def test_a_typical_row_is_made_of_what_is_known() -> None:
    rows = pd.DataFrame(
        {
            "a": [3, 1, 2],
            "b": [None, "x", "y"],
            "c": [None] * 3,
            "d": [True, True, False],
            "e": pd.to_datetime(["2022-01-01", "2020-01-01", "2021-01-01"]),
        }
    )
    example = {"a": 2, "b": "x", "c": None, "d": True, "e": "2021-01-01T00:00:00"}
    assert card.of_rows(rows, 0)["example"] == example
