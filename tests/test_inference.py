"""Requests of the Open Inference Protocol to rows: which tensors fit a model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from api.errors import InvalidTensors
from api.formats import inference, tensor_rows
from api.formats.tensors import Tensor, Values
from models.errors import CallError, MalformedBody, TooLarge
from models.rows.batch import Batch, row_pointer
from models.rows.check import check
from models.signature.types import Feature, Signature
from models.text.contract import Contract

NUMBERS = Signature(features=(Feature(name="a"), Feature(name="b", missing=True)))
MIXED = Signature(
    features=(
        Feature(name="n", missing=True),
        Feature(name="s", kind="string", categories=("x", "y"), unknown="refused"),
        Feature(name="t", kind="boolean"),
    )
)
EVERY = Signature(
    features=(
        Feature(name="n", missing=True),
        Feature(name="s", kind="string", categories=("x", "y"), unknown="refused"),
        Feature(name="p", kind="string", categories=("x",), unknown="passed", missing=True),
        Feature(name="t", kind="boolean", missing=True),
    )
)
TEXT = Signature(form="text", features=(Feature(name="text", kind="string"),))
MAPPING = Signature(form="mapping")


def tensor(name: str, shape: list[int], data: Any, datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def read(signature: Signature, *inputs: dict[str, Any], **more: Any) -> Batch:
    body = json.dumps({"inputs": inputs, **more}).encode()
    return inference.read(Contract(signature, 3), body, None)[1]


A, B = tensor("a", [2], [1, 2]), tensor("b", [2, 1], [3, None])
N, S = tensor("n", [2], [1, None]), tensor("s", [2], ["x", "y"], "BYTES")
T = tensor("t", [2], [True, False], "BOOL")


def test_one_tensor_has_all_features_in_their_order() -> None:
    table = read(NUMBERS, tensor("input-0", [2, 2], [[1, 2], [3, None]])).rows
    assert isinstance(table, np.ndarray)
    np.testing.assert_array_equal(table, [[1, 2], [3, np.nan]])


def test_one_tensor_may_have_the_name_of_a_feature() -> None:
    np.testing.assert_array_equal(read(NUMBERS, tensor("a", [1, 2], [1, 2])).rows, [[1, 2]])


def test_columns_stand_in_any_order() -> None:
    for inputs in ([A, B], [B, A]):
        table = read(NUMBERS, *inputs).rows
        np.testing.assert_array_equal(table, [[1, 3], [2, np.nan]])


def test_columns_have_kinds_of_their_own() -> None:
    assert read(MIXED, T, S, N).rows == [(1.0, "x", True), (None, "y", False)]


def test_integers_are_numbers_too() -> None:
    table = read(NUMBERS, {**A, "datatype": "INT32"}, {**B, "datatype": "UINT64"}).rows
    np.testing.assert_array_equal(table, [[1, 3], [2, np.nan]])
    assert read(MIXED, T, S, {**N, "datatype": "INT8"}).rows[0] == (1.0, "x", True)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_a_single_feature_needs_no_name(shape: list[int]) -> None:
    assert read(TEXT, tensor("anything", shape, ["x", "y"], "BYTES")).rows == [("x",), ("y",)]


def test_a_model_of_mappings_takes_columns_of_any_name() -> None:
    assert read(MAPPING, N, S).rows == [{"n": 1.0, "s": "x"}, {"s": "y"}]
    assert read(MAPPING, N).rows == [{"n": 1.0}, {}]


def test_a_bare_nan_is_missing_and_a_text_stays_one() -> None:
    body = b'{"inputs": [{"name": "n", "shape": [2], "datatype": "FP64", "data": [NaN, NaN]},'
    body += b'{"name": "s", "shape": [2], "datatype": "BYTES", "data": ["NaN", "\\"NaN"]}]}'
    _, batch = inference.read(Contract(MAPPING, 3), body, None)
    assert batch.rows == [{"s": "NaN"}, {"s": '"NaN'}]


def test_what_clients_add_is_accepted() -> None:
    inputs = [{**each, "parameters": {"content_type": "np"}} for each in (A, B)]
    more = {"model_name": "m", "model_version": "1", "parameters": {"content_type": "pd"}}
    body = json.dumps({"id": "7", "inputs": inputs, "outputs": None, **more}).encode()
    request, batch = inference.read(Contract(NUMBERS, 3), body, None)
    assert (request.id, len(batch.rows)) == ("7", 2)


def test_rows_are_counted_for_the_error_of_an_estimator() -> None:
    assert read(NUMBERS, A, B).pointers(1) == "row 1"
    assert read(MIXED, N, S, T).pointers(1) == "row 1"


BOTH = (True, False, None)


def two(datatype: str, *of: Any) -> st.SearchStrategy[Values]:
    """A column of two rows."""
    values = st.lists(st.sampled_from(of), min_size=2, max_size=2)
    return values.map(lambda flat: Values(Tensor("", [2], datatype), flat))


@given(
    values=st.tuples(
        two("FP64", None, 0.5, 1, np.inf) | two("INT64", 1, None, -(2**60) - 1) | two("BYTES", "x"),
        two("BYTES", "x", "y", "x", "y", "z", None),
        two("BYTES", "x", "z", None) | two("FP64", None),
        two("BOOL", *BOTH) | two("INT8", 1),
    )
)
def test_columns_that_fit_at_a_glance_fit_the_contract(values: tuple[Values, ...]) -> None:
    fitting = tensor_rows._fitting(EVERY, list(values))
    event("fitting" if fitting else "not")
    if fitting is not None:
        samples = list(zip(*(each.flat for each in values), strict=True))
        batch = check(EVERY, samples, row_pointer)
        assert (fitting.rows, fitting.unknown) == (batch.rows, batch.unknown)
        assert [[*map(type, row)] for row in fitting.rows] == [
            [*map(type, row)] for row in batch.rows
        ]


REJECTIONS: list[tuple[str, Signature, list[dict[str, Any]], type[CallError], str]] = [
    ("no inputs", NUMBERS, [], MalformedBody, "The request has no inputs."),
    ("another width", NUMBERS, [tensor("x", [1, 3], [1, 2, 3])], InvalidTensors, "Tensor 'x': expected the shape [rows, 2], got [1, 3]"),
    ("one row without rows", NUMBERS, [tensor("x", [2], [1, 2])], InvalidTensors, "Tensor 'x': expected the shape [rows, 2], got [2]"),
    ("a wide column", NUMBERS, [tensor("a", [2, 2], [1, 2, 3, 4]), B], InvalidTensors, "Tensor 'a': expected the shape [rows] or"),
    ("no rows", NUMBERS, [tensor("x", [0, 2], [])], InvalidTensors, "Tensor 'x': expected at least one row"),
    ("too many rows", NUMBERS, [tensor("x", [4, 2], [1] * 8)], TooLarge, "4 rows are over the limit of 3"),
    ("lengths that differ", NUMBERS, [A, tensor("b", [1], [1])], InvalidTensors, "Tensor 'b' has 1 rows, Tensor 'a' 2"),
    ("a feature missing", NUMBERS, [A], InvalidTensors, "there is no tensor 'b': expected a number"),
    ("an extra one", NUMBERS, [A, B, S], InvalidTensors, "Tensor 's' is not a feature of the model: expected a, b, or all of them in one tensor"),
    ("a feature twice", NUMBERS, [A, A, B], InvalidTensors, "Tensor 'a' stands 2 times"),
    ("a key twice", MAPPING, [A, A], InvalidTensors, "Tensor 'a' stands 2 times"),
    ("missing where it may not", NUMBERS, [tensor("a", [2], [1, None]), B], InvalidTensors, "row 1, a: expected a number; this model takes no missing value here"),
    ("the same in one tensor", NUMBERS, [tensor("x", [1, 2], [None, 1])], InvalidTensors, "Tensor 'x': row 0, a: expected a number"),
    ("a text for a number", NUMBERS, [{**S, "name": "a"}, B], InvalidTensors, "row 0, a: expected a number, got a string"),
    ("a number for a text", MIXED, [N, {**A, "name": "s"}, T], InvalidTensors, 'row 0, s: expected one of "x", "y", got a number'),
    ("an unknown category", MIXED, [N, {**S, "data": ["x", "z"]}, T], InvalidTensors, 'row 1, s: expected one of "x", "y"'),
    ("numbers for a mixed row", MIXED, [tensor("x", [1, 3], [1, 2, 3])], InvalidTensors, 'Tensor \'x\': row 0, s: expected one of "x", "y"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("signature", "inputs", "kind", "sentence"),
    [row[1:] for row in REJECTIONS],
    ids=[row[0] for row in REJECTIONS],
)
def test_tensors_that_do_not_fit_are_told_why(
    signature: Signature, inputs: list[dict[str, Any]], kind: type[CallError], sentence: str
) -> None:
    with pytest.raises(kind) as error:
        read(signature, *inputs)
    assert sentence in error.value.detail
    assert len(error.value.detail) < 300


BODIES: list[tuple[str, bytes, str | None, str]] = [
    ("no JSON", b"{", None, "The body is not JSON: Expecting property name"),
    ("no object", b"[]", None, "not a request of this protocol: Expected `object`, got `array`"),
    ("no inputs", b"{}", None, "Object missing required field `inputs`"),
    ("an unknown name", b'{"inputs": [], "output": []}', None, "unknown field `output`"),
    ("no shape", b'{"inputs": [{"name": "a"}]}', None, "missing required field `shape` - at `$.inputs[0]`"),
    ("a bare Infinity", b'{"inputs": [Infinity]}', None, "Infinity is not a JSON number"),
    ("half a pair", b'{"inputs": [], "id": "\\ud800"}', None, "The body is not JSON that can be read"),
    ("deep nesting", b'{"inputs": [], "parameters": {"": ' + b"[" * 100_000, None, "nested too deeply"),
    ("texts that do not end", b'\\"' * 200_000, None, "The body is not JSON"),
    ("a length in words", b"{}", "two", "The Inference-Header-Content-Length is not a number."),
    ("an endless length", b"{}", "9" * 5000, "The Inference-Header-Content-Length is not a number."),
    ("a negative length", b"{}", "-2", "The Inference-Header-Content-Length is not a number."),
    ("too long a length", b"{}", "3", "Inference-Header-Content-Length is 3, the body has 2 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "length", "sentence"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_a_body_that_is_no_request_is_told_why(
    body: bytes, length: str | None, sentence: str
) -> None:
    with pytest.raises(MalformedBody) as error:
        inference.read(Contract(NUMBERS, 3), body, length)
    assert sentence in error.value.detail


def test_an_infinity_in_a_mapping_is_told_with_its_name() -> None:
    data = np.array([1.0, np.inf])
    inputs = [{**A, "name": "1/2", "parameters": {"binary_data_size": 16}}]
    del inputs[0]["data"]
    head = json.dumps({"inputs": inputs}).encode()
    with pytest.raises(InvalidTensors) as error:
        inference.read(Contract(MAPPING, 3), head + data.tobytes(), str(len(head)))
    assert error.value.detail.startswith("row 1, 1/2: expected a finite number")


def test_the_first_20_sentences_are_told_at_once() -> None:
    wide = Signature(features=tuple(Feature(name=f"x{i}") for i in range(40)))
    with pytest.raises(InvalidTensors) as error:
        read(wide, tensor("x0", [1], [1]))
    assert error.value.detail.count("there is no tensor") == 20
    assert error.value.detail.endswith("; and more.")
