"""Tensors of the Open Inference Protocol, in JSON and as bytes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import InvalidTensors
from api.formats import tensors
from api.formats.tensors import Tensor
from models.errors import CallError, MalformedBody

FORMS = list(tensors.DTYPES.items())


def in_json(datatype: str, shape: list[int], data: Any, **parameters: Any) -> Tensor:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Tensor("t", shape, datatype, parameters or None, msgspec.Raw(text))


def in_bytes(datatype: str, shape: list[int], data: bytes) -> tuple[Tensor, bytes]:
    return Tensor("t", shape, datatype, {"binary_data_size": len(data)}), data


def read(tensor: Tensor, data: bytes = b"") -> tensors.Values:
    tensors.check(tensor)
    (values,) = tensors.values([tensor], memoryview(data))
    return values


@pytest.mark.parametrize(("datatype", "dtype"), FORMS, ids=[name for name, _ in FORMS])
def test_every_datatype_is_read_from_bytes(datatype: str, dtype: np.dtype) -> None:
    array = np.array([0, 1, 1, 0, 1, 0]).astype(dtype)
    values = read(*in_bytes(datatype, [2, 3], array.tobytes()))
    assert values.plain() == array.tolist()
    assert values.numbers().tolist() == [0, 1, 1, 0, 1, 0]


@pytest.mark.parametrize("datatype", [name for name, _ in FORMS if name != "FP16"])
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_every_datatype_but_fp16_is_read_from_json(datatype: str, nested: bool) -> None:  # noqa: FBT001
    data: list[Any] = [False, True] if datatype == "BOOL" else [0, 1]
    values = read(in_json(datatype, [2, 1], [[v] for v in data] if nested else data))
    assert values.plain() == data


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 2**53 + 1])
def test_integers_keep_all_their_bits(number: int) -> None:
    assert read(in_json("INT64", [1], [number])).plain() == [number]
    data = number.to_bytes(8, "little", signed=True)
    assert read(*in_bytes("INT64", [1], data)).plain() == [number]


def test_nan_in_bytes_and_null_in_json_are_missing() -> None:
    array = np.array([1.5, np.nan])
    assert read(*in_bytes("FP64", [2], array.tobytes())).plain() == [1.5, None]
    values = read(in_json("FP64", [2], [1.5, None]))
    assert values.plain() == [1.5, None]
    assert np.isnan(values.numbers()[1])
    for datatype, value in (("INT8", 1), ("BOOL", True), ("BYTES", "a")):
        assert read(in_json(datatype, [2], [value, None])).plain() == [value, None]


@given(array=st.lists(st.text().filter(lambda t: "\0" not in t), max_size=5).map(np.array))
def test_texts_come_back_as_they_went(array: np.ndarray) -> None:
    array = array.astype(object)
    for binary in (False, True):
        tensor, data = tensors.encode("t", array, binary=binary, max_bytes=1 << 20)
        assert tensor.datatype == "BYTES"
        assert read(tensor, data).plain() == array.tolist()


@pytest.mark.parametrize(
    ("array", "datatype"),
    [
        (np.array([[1.5, -np.inf]]), "FP64"),
        (np.array([1.5], dtype=np.float32), "FP32"),
        (np.array([1.5], dtype=np.float16), "FP32"),
        (np.array([1.5], dtype=np.longdouble), "FP64"),
        (np.array([1, 2]), "INT64"),
        (np.array([1], dtype=np.int32), "INT32"),
        (np.array([1], dtype=">u2"), "UINT16"),
        (np.array([True, False]), "BOOL"),
        (np.array(["ä", "b"]), "BYTES"),
        (np.array([1, "b"], dtype=object), "BYTES"),
    ],
    ids=str,
)
def test_an_array_goes_out_as_the_datatype_that_holds_it(array: np.ndarray, datatype: str) -> None:
    tensor, data = tensors.encode("t", array, binary=True, max_bytes=1 << 20)
    assert (tensor.datatype, tensor.shape) == (datatype, list(array.shape))
    assert tensor.size == len(data)
    values = read(tensor, data).plain()
    assert values == [str(v) if datatype == "BYTES" else v for v in array.ravel().tolist()]


def test_what_is_not_finite_goes_out_as_in_every_json() -> None:
    tensor, _ = tensors.encode(
        "t", np.array([[1.0, np.nan], [np.inf, -np.inf]]), binary=False, max_bytes=1 << 20
    )
    assert json.loads(bytes(tensor.data)) == [1.0, None, "Infinity", "-Infinity"]


FEW, LONG = b"\x05\x00\x00\x00abc", b"\x01\x00\x00\x00a" * 3
REJECTIONS: list[tuple[str, tuple[Tensor, bytes], type[CallError], str]] = [
    ("unknown datatype", (in_json("FLOAT", [1], [1]), b""), MalformedBody, "expected one of the datatypes BOOL, UINT8"),
    ("negative length", (in_json("FP64", [-1], [1]), b""), MalformedBody, "a length in its shape is negative"),
    ("too large a length", (in_json("FP64", [2**63], [1]), b""), MalformedBody, "or too large"),
    ("no axes", (in_json("FP64", [], [1]), b""), MalformedBody, "expected a shape of 1 or 2 lengths, got 0"),
    ("three axes", (in_json("FP64", [1, 1, 1], [1]), b""), MalformedBody, "expected a shape of 1 or 2 lengths, got 3"),
    ("too large a size", (in_json("FP64", [1], None, binary_data_size=2**63), bytes(8)), MalformedBody, "is not a number of bytes"),
    ("no data", (Tensor("t", [1], "FP64"), b""), MalformedBody, "has neither data nor binary_data_size"),
    ("null for data", (in_json("FP64", [1], None), b""), MalformedBody, "has neither data nor"),
    ("data twice", (in_json("FP64", [1], [1], binary_data_size=8), bytes(8)), MalformedBody, "has both data and"),
    ("size in words", (in_json("FP64", [1], None, binary_data_size="8"), bytes(8)), MalformedBody, "is not a number of bytes"),
    ("negative size", (in_json("FP64", [1], None, binary_data_size=-8), bytes(8)), MalformedBody, "is not a number of bytes"),
    ("true as size", (in_json("FP64", [1], None, binary_data_size=True), b"1"), MalformedBody, "is not a number of bytes"),
    ("FP16 in JSON", (in_json("FP16", [1], [1]), b""), MalformedBody, "FP16 is read as binary data only"),
    ("too few values", (in_json("FP64", [3], [1, 2]), b""), MalformedBody, "the shape [3] has 3 values, its data 2"),
    ("endless shape", (in_json("FP64", [2**62, 2**62], [1]), b""), MalformedBody, "its data 1"),
    ("nested otherwise", (in_json("FP64", [2, 2], [[1, 2, 3, 4]]), b""), MalformedBody, "its data has not the shape [2, 2]"),
    ("ragged", (in_json("FP64", [2, 2], [[1, 2], [3]]), b""), MalformedBody, "its data has not the shape [2, 2]"),
    ("nested too deeply", (in_json("FP64", [1, 1], [[[1]]]), b""), InvalidTensors, "expected numbers for FP64 at data[0][0]"),
    ("no list", (in_json("FP64", [1], 1), b""), InvalidTensors, "expected numbers for FP64"),
    ("a word", (in_json("FP64", [2], [1, "2"]), b""), InvalidTensors, "expected numbers for FP64 at data[1]"),
    ("a number", (in_json("BYTES", [1], [1]), b""), InvalidTensors, "expected strings for BYTES at data[0]"),
    ("one for true", (in_json("BOOL", [1], [1]), b""), InvalidTensors, "expected true or false for BOOL at data[0]"),
    ("a fraction", (in_json("INT64", [1], [1.5]), b""), InvalidTensors, "expected integers for INT64 at data[0]"),
    ("too large a number", (in_json("FP64", [1], b"[1e999]"), b""), InvalidTensors, "expected numbers for FP64"),
    ("out of range", (in_json("UINT8", [1], [256]), b""), InvalidTensors, "UINT8 is 0 to 255"),
    ("far out of range", (in_json("INT64", [1], [2**70]), b""), InvalidTensors, "INT64"),
    ("half a pair", (in_json("BYTES", [1], b'["\\ud800"]'), b""), InvalidTensors, "expected strings for BYTES"),
    ("bytes missing", (Tensor("t", [2], "FP64", {"binary_data_size": 16}), bytes(15)), MalformedBody, "the body ends before its 16 bytes"),
    ("bytes left", (Tensor("t", [1], "FP64", {"binary_data_size": 8}), bytes(11)), MalformedBody, "3 bytes are left behind those of Tensor 't'"),
    ("bytes of another shape", in_bytes("FP32", [2, 2], bytes(12)), MalformedBody, "FP32 of shape [2, 2] takes 16 bytes, its binary_data_size is 12"),
    ("two as BOOL", in_bytes("BOOL", [2], b"\1\2"), InvalidTensors, "expected bytes of 0 and 1 for BOOL"),
    ("too few texts", in_bytes("BYTES", [4], LONG), MalformedBody, "the shape [4] has 4 values, its data 3"),
    ("a text cut short", in_bytes("BYTES", [1], FEW), MalformedBody, "value 1 ends behind its 7 bytes"),
    ("a length cut short", in_bytes("BYTES", [1], b"\1\0"), MalformedBody, "value 0 ends behind its 2 bytes"),
    ("no UTF-8", in_bytes("BYTES", [1], b"\1\0\0\0\xff"), InvalidTensors, "value 0 is not UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [row[1:] for row in REJECTIONS],
    ids=[row[0] for row in REJECTIONS],
)
def test_a_tensor_that_is_none_is_told_why(
    given: tuple[Tensor, bytes], kind: type[CallError], sentence: str
) -> None:
    with pytest.raises(kind) as error:
        read(*given)
    assert "Tensor 't'" in error.value.detail
    assert sentence in error.value.detail


@given(
    datatype=st.sampled_from(tensors.DATATYPES),
    shape=st.lists(st.integers(-1, 4) | st.integers(), max_size=3),
    data=st.binary(max_size=40) | st.lists(st.integers(0, 3)).map(lambda v: bytes(4 * v)),
    size=st.integers(-1, 40) | st.integers() | st.none(),
)
def test_no_bytes_at_all_are_an_error_of_ours(
    datatype: str, shape: list[int], data: bytes, size: int | None
) -> None:
    parameters = {"binary_data_size": len(data) if size is None else size}
    try:
        values = read(Tensor("t", shape, datatype, parameters), data)
    except (MalformedBody, InvalidTensors):
        return
    assert len(values.flat) == np.prod(shape, dtype=int)
