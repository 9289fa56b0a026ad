"""The OpenAPI document says of each model what it takes and answers, no more and no less."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    LabelBinarizer,
    LabelEncoder,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from api import create_app
from api.app import load, routes
from api.errors import Busy
from api.formats.readers import READERS
from api.formats.writers import WRITERS
from api.openapi import document as openapi
from api.settings import Settings
from tests.conftest import Serve
from tests.test_rejections import GOOD, npy

Document = dict[str, Any]

# The logarithm of a probability of 0, and what is larger than any number.
pytestmark = pytest.mark.filterwarnings("ignore:divide by zero", "ignore:overflow")

NUMBERS = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, 0.1], [3.0, 2.0]])
FRAME = pd.DataFrame(
    {
        "size": [1.0, 2.0, 3.0, 4.0],
        "city": ["Oslo", "Rome", "Oslo", "Rome"],
        "a/b~c é": [True, False, True, False],
        "class": [1, 2, 1, 2],
    }
)
TEXTS = ["aa bb", "bb cc", "cc dd", "dd aa"]
Y = [0, 1, 0, 1]


def mixed(**encoder: Any) -> Any:
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["size"]),
            (OneHotEncoder(**encoder), ["city", "class"]),
            ("passthrough", ["a/b~c é"]),
        ),
        LogisticRegression(),
    ).fit(FRAME, ["no", "yes", "no", "yes"])


MODELS: dict[str, Any] = {
    "numbers": LinearRegression().fit(NUMBERS, Y),
    "numbers with names, some missing": make_pipeline(SimpleImputer(), LogisticRegression()).fit(
        pd.DataFrame(NUMBERS, columns=["a", "b"]), [True, False, True, False]
    ),
    "mixed columns, others refused": mixed(),
    "mixed columns, others passed": mixed(handle_unknown="ignore"),
    "text": make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y),
    "labels": LabelEncoder().fit(["a", "b"]),
    "labels to columns": LabelBinarizer().fit([1, 2, 3]),
    "mapping": make_pipeline(DictVectorizer(), LinearRegression()).fit(
        [{"a": 1}, {"b": "c"}], Y[:2]
    ),
    "one column": IsotonicRegression(out_of_bounds="clip").fit([1.0, 2.0, 3.0], [1, 2, 3]),
    "one column, missing": make_pipeline(SimpleImputer(), LinearRegression()).fit(
        NUMBERS[:, :1], Y
    ),
    "several labels": DecisionTreeClassifier(random_state=0).fit(
        NUMBERS, [["a", 1], ["b", 2], ["b", 3], ["a", 1]]
    ),
    "several labels of a kind": DecisionTreeClassifier(random_state=0).fit(
        NUMBERS, [[0, 1], [1, 0], [1, 1], [0, 0]]
    ),
    "a label or not, several times": OneVsRestClassifier(LogisticRegression()).fit(
        NUMBERS, [[0, 1], [1, 0], [1, 1], [0, 0]]
    ),
    "several numbers": LinearRegression().fit(NUMBERS, NUMBERS * 2),
    "neighbors": NearestNeighbors(n_neighbors=2, radius=2).fit(NUMBERS),
    "sparse": OneHotEncoder(handle_unknown="ignore").fit([["a", 1], ["b", 2]]),
    "whatever there is, and more": make_column_transformer(
        (StandardScaler(), ["size"]), (FunctionTransformer(), ["city"])
    ).fit(FRAME),
}


@pytest.fixture(scope="module", params=MODELS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "latest.joblib"
    joblib.dump(MODELS[request.param], path)
    return path


@pytest.fixture(scope="module")
def client(path: Path) -> FlaskClient:
    return create_app(Settings(model_path=str(path))).test_client()


def document_of(client: FlaskClient) -> Document:
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return dict(answer.json or {})


def validator(document: Document, schema: Any) -> Draft202012Validator:
    """A validator of one schema of the document."""
    return Draft202012Validator({**schema, "components": document["components"]})


def posts(document: Document) -> list[tuple[str, Document]]:
    """The operations that take a body."""
    return [
        (path, item["post"])
        for path, item in document["paths"].items()
        if "requestBody" in item.get("post", {})
    ]


def success(operation: Document) -> str:
    """The status of an answer that is no fault."""
    return next(str(status) for status in operation["responses"] if status.startswith("2"))


def test_the_document_is_valid(client: FlaskClient) -> None:
    document = document_of(client)
    OpenAPIV31SpecValidator(document).validate()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.usefixtures("takes_tasks", "keeps_feedback")
def test_each_example_of_each_form_is_answered_as_its_schema_says(client: FlaskClient) -> None:
    document = document_of(client)
    sent = 0
    for path, operation in posts(document):
        status = success(operation)
        fits = validator(
            document, operation["responses"][status]["content"]["application/json"]["schema"]
        )
        for media_type, body in bodies(document, operation):
            answer = client.post(path, data=body, content_type=media_type)
            if answer.status_code == 501 and "501" in operation["responses"]:
                continue
            assert str(answer.status_code) == status, (path, media_type, answer.text)
            fits.validate(answer.json)
            sent += 1
    assert sent >= 5


def bodies(document: Document, operation: Document) -> Iterator[tuple[str, Any]]:
    """Each example of an operation's body, with its media type."""
    contents = operation["requestBody"]["content"]
    for media_type, content in contents.items():
        if media_type == "application/x-npy":
            rows = contents["application/json"]["examples"]["object"]["value"]
            yield media_type, structured(rows)
        elif media_type == "multipart/form-data":
            table = contents[content["encoding"]["file"]["contentType"]]["example"].encode()
            yield media_type, {"file": (io.BytesIO(table), "rows", "text/csv")}
        elif media_type == "application/json":
            takes = validator(document, content["schema"])
            named = content.get("examples", {"": {"value": content.get("example")}})
            for example in named.values():
                takes.validate(example["value"])
                yield media_type, json.dumps(example["value"])
        else:
            yield media_type, content["example"]


def structured(row: dict[str, Any]) -> bytes:
    """A row as npy, each value in a field of its name."""
    columns = [np.array([value]) for value in row.values()]
    kinds = [(name, column.dtype) for name, column in zip(row, columns, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy has something to say of names that are not Latin
        return npy(np.array([tuple(row.values())], dtype=kinds))


def test_the_example_of_an_answer_is_the_answer_to_the_example(client: FlaskClient) -> None:
    for path, operation in posts(document_of(client)):
        content = operation["responses"][success(operation)]["content"]
        if "example" not in content["application/json"]:
            continue
        body = operation["requestBody"]["content"]["application/json"]["examples"]["object"]
        asked = {"Accept": "application/json"}
        assert (
            client.post(path, json=body["value"], headers=asked).json
            == content["application/json"]["example"]
        )
        if "text/csv" in content:
            answer = client.post(path, json=body["value"], headers={"Accept": "text/csv"})
            assert answer.text == content["text/csv"]["example"]


STRANGE: list[Any] = [
    None,
    True,
    1,
    "a",
    [],
    {},
    [[]],
    [{}],
    [None],
    [1, 2],
    ["a", "b"],
    [[1, 2]],
    [[1], [2]],
    [[1, None], [1, 1]],
    [[1, 2], {"a": 1, "b": None}],
    {"a": 1, "b": 2, "c": 3},
    {"text": "aa"},
    {"instances": []},
    {"instances": [1]},
    {"instances": [[1, 2]], "parameters": {}},
    {"instances": [[1, 2]], "parameters": None},
    {"instances": [[1, 2]], "parameters": 0},
    {"instances": [[1, 2]], "parameters": False},
    {"instances": [[1, 2]], "parameters": {"a": 1}},
    {"instances": [[1, 2]], "others": 1},
    {"instances": [{"a": "b"}]},
    {"size": 1, "city": "Oslo", "a/b~c é": True, "class": 1},
    {"size": None, "city": "Oslo", "a/b~c é": True, "class": 1},
    {"size": 1, "city": "Paris", "a/b~c é": True, "class": 1},
    {"size": 1, "city": "Oslo", "a/b~c é": True, "class": 3},
    {"size": 1, "city": "Oslo", "a/b~c é": True},
    [1, "Oslo", True, 1],
    [[1, "Oslo", True, 1], [2, "Rome", False, 2]],
    [1, "Oslo", True, 1, 1],
]


def test_the_schema_takes_what_the_service_takes(client: FlaskClient) -> None:
    document = document_of(client)
    path, operation = posts(document)[0]
    takes = validator(document, operation["requestBody"]["content"]["application/json"]["schema"])
    for body in STRANGE:
        answer = client.post(path, data=json.dumps(body), content_type="application/json")
        refused = answer.status_code != 200
        if refused and "the model refuses" in answer.text:
            continue  # which no schema can tell
        assert refused == bool(list(takes.iter_errors(body))), (body, answer.text)
        if refused:
            problem = operation["responses"][str(answer.status_code)]["$ref"].rpartition("/")[2]
            content = document["components"]["responses"][problem]["content"]
            validator(document, content["application/problem+json"]["schema"]).validate(answer.json)


def test_all_that_can_be_described_is_valid(path: Path) -> None:
    settings = Settings(model_path=str(path))
    service = load(settings)
    document = json.loads(json.dumps(openapi.describe(service, routes(service, settings))))
    OpenAPIV31SpecValidator(document).validate()
    for _, operation in posts(document):
        content = operation["requestBody"]["content"]["application/json"]
        if "example" in content:
            validator(document, content["schema"]).validate(content["example"])


@pytest.fixture(scope="module")
def described(penguins: FlaskClient) -> Document:
    return document_of(penguins)


def test_features_have_their_names_types_and_categories(described: Document) -> None:
    row = described["components"]["schemas"]["Row"]
    assert row["required"] == list(GOOD)
    assert row["additionalProperties"] is False
    assert row["properties"]["island"]["enum"] == ["Biscoe", "Dream", "Torgersen", None]
    mass = row["properties"]["body_mass_g"]
    assert mass["type"] == ["number", "boolean", "null"]
    assert mass["description"].startswith("In training from 2700 to 6300, 4")
    assert mass["description"].endswith("null where it is missing.")


def test_answers_have_the_classes(described: Document) -> None:
    schemas = described["components"]["schemas"]
    classes = ["Adelie", "Chinstrap", "Gentoo"]
    assert schemas["predict_answer"]["properties"]["predictions"]["items"] == {"enum": classes}
    probabilities = schemas["predict_proba_answer"]["properties"]
    assert probabilities["classes"]["const"] == classes
    assert probabilities["predictions"]["items"]["maxItems"] == 3


@pytest.mark.usefixtures("takes_tasks", "keeps_feedback")
def test_every_get_is_answered_as_it_is_described(
    penguins: FlaskClient, described: Document
) -> None:
    gets = [(path, item["get"]) for path, item in described["paths"].items() if "get" in item]
    assert {"/metadata", "/health", "/metrics", "/openapi.json", "/docs"} <= {p for p, _ in gets}
    for path, operation in gets:
        answer = penguins.get(path)
        if "{" in path:
            assert answer.status_code == 404
            continue
        told = operation["responses"]["200"]
        assert answer.status_code == 200
        assert answer.mimetype in told["content"]
        assert set(told["headers"]) <= set(answer.headers.keys())
        if answer.is_json:
            schema = told["content"]["application/json"]["schema"]
            validator(described, schema).validate(answer.json)


def test_every_path_that_is_described_is_there(penguins: FlaskClient, described: Document) -> None:
    adapter = penguins.application.url_map.bind("localhost")
    for path, item in described["paths"].items():
        for verb in item:
            adapter.match(path.replace("{id}", "0" * 32), method=verb.upper())
    assert "/transform" not in described["paths"]


@pytest.mark.parametrize(
    "example", [b"[[1, 2]]", b'{"instances": [{"a": 1, "b": 2}]}', b'{"instances": [[1, 2]]}']
)
def test_a_card_with_more_than_a_row_as_its_example_is_documented(
    serve: Serve, example: bytes
) -> None:
    client = serve(MODELS["numbers"], card=b'{"features": ["a", "b"], "example": %s}' % example)
    assert client.get("/snippets").status_code == 200
    assert client.get("/openapi.json").status_code == 200


def test_a_card_may_have_a_bare_text_as_its_example(serve: Serve) -> None:
    client = serve(MODELS["text"], card=b'{"example": "good and new"}')
    assert "good and new" in client.get("/snippets").json["curl"]


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_every_format_that_is_read_or_written_is_documented(described: Document, path: str) -> None:
    operation = described["paths"][path]["post"]
    read = [each for each in READERS.values() if each.available()]
    names = {name for each in read for name in (each.media_type, *each.others)}
    assert set(operation["requestBody"]["content"]) == {*names, "multipart/form-data"}
    assert set(operation["responses"]["200"]["content"]) == set(WRITERS)
    assert "application/jsonl" in names


def test_names_of_operations_are_unique(described: Document) -> None:
    names = [each["operationId"] for item in described["paths"].values() for each in item.values()]
    assert len(names) == len(set(names))


def test_the_document_is_the_same_each_time(penguins_path: Any, serve: Serve) -> None:
    one, other = (serve(MODELS["mixed columns, others refused"]) for _ in range(2))
    assert one.get("/openapi.json").data == other.get("/openapi.json").data


def test_an_example_that_the_model_does_not_take_is_replaced(serve: Serve) -> None:
    client = serve(MODELS["numbers"], card=b'{"example": ["a", "b"]}')
    (_, operation), *_ = posts(document_of(client))
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert examples["list"]["value"] == [1.0, 0.5]


def test_several_rows_are_no_example(serve: Serve) -> None:
    client = serve(MODELS["numbers"], card=b'{"example": [[1, 2], [3, 4]]}')
    (_, operation), *_ = posts(document_of(client))
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert examples["list"]["value"] == [1.0, 0.5]


def test_a_long_answer_is_no_example(serve: Serve) -> None:
    wide = LinearRegression().fit([[0.0, 1.0], [1.0, 0.0]], np.ones((2, 1000)))
    (_, operation), *_ = posts(document_of(serve(wide)))
    assert "example" not in operation["responses"]["200"]["content"]["application/json"]


def test_a_column_without_a_category_takes_nothing_but_null(serve: Serve) -> None:
    client = serve(OneHotEncoder().fit(np.array([[np.nan], [np.nan]], dtype=object)))
    schemas = document_of(client)["components"]["schemas"]
    assert schemas["Value"] in ({"not": {}}, {"enum": [None]})
    assert schemas["transform_answer"]["properties"]["predictions"]["items"] == {}


def test_a_feature_that_is_not_used_says_so(serve: Serve) -> None:
    transformer = make_column_transformer((StandardScaler(), ["a"]))
    client = serve(transformer.fit(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]})))
    row = document_of(client)["components"]["schemas"]["Row"]
    assert row["properties"]["b"]["description"].startswith("The model does not use it.")


class Failing(BaseEstimator):
    """Fails in whatever way it is told to, once it is fitted."""

    n_features_in_ = 1

    def __init__(self, error: Exception) -> None:
        self.error = error

    def fit(self, X: Any, y: Any = None) -> Failing:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:
        raise self.error


def test_a_method_that_fails_is_described_without_its_results(serve: Serve) -> None:
    document = document_of(serve(Failing(ArithmeticError("no"))))
    answer = document["components"]["schemas"]["predict_answer"]
    assert answer["properties"]["predictions"]["items"] == {}


def test_a_model_that_is_busy_is_asked_again(serve: Serve) -> None:
    client = serve(Failing(Busy("later")))
    assert [client.get("/openapi.json").status_code for _ in range(2)] == [503, 503]


def test_results_that_are_no_numbers_have_a_form_in_the_schema(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[0.0], [1.0]], [0.0, 10.0]))
    document = document_of(client)
    (path, operation), *_ = posts(document)
    answer = client.post(path, json=[1e308]).json
    assert answer == {"predictions": ["Infinity"]}
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    validator(document, schema).validate(answer)


def test_a_dummy_is_described_too(serve: Serve) -> None:
    document = document_of(serve(DummyRegressor().fit(NUMBERS, Y)))
    assert "/predict" in document["paths"]
