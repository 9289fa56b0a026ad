"""What a pickle needs and holds is read without running it."""

from __future__ import annotations

import io
import pickle
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from joblib.numpy_pickle import NumpyArrayWrapper
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from models import pickles
from models.pickles import LZ4, Content, Stub

ROWS = np.array([["Oslo", 1.5], ["Rome", 2.5]] * 10, dtype=object)
FITTED = make_pipeline(
    make_column_transformer((OneHotEncoder(), [0]), ("passthrough", [1])), RandomForestClassifier(3)
).fit(ROWS, ["low", "high"] * 10)
NEEDED = {
    ("sklearn.pipeline", "Pipeline"),
    ("sklearn.ensemble._forest", "RandomForestClassifier"),
    ("sklearn.tree._tree", "Tree"),
    ("sklearn.preprocessing._encoders", "OneHotEncoder"),
}


def read(content: bytes) -> Content:
    return pickles.read(pickles.decompress(io.BytesIO(content)))


def assert_read(content: Content) -> None:
    assert content.problem == ""
    assert content.versions == (sklearn.__version__,)
    assert set(content.names) >= NEEDED
    assert type(content.top).__name__ == "Pipeline"
    assert [name for name, _ in content.top.state["steps"]] == [
        "columntransformer",
        "randomforestclassifier",
    ]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("compress", [0, 3, "gzip", "bz2", "lzma", "xz"], ids=str)
def test_every_kind_of_joblib_file_is_read(compress: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(FITTED, path, compress=compress, protocol=protocol)
    assert_read(read(path.read_bytes()))


@pytest.mark.parametrize("protocol", range(6))
def test_a_plain_pickle_is_read_in_every_protocol(protocol: int) -> None:
    assert_read(read(pickle.dumps(FITTED, protocol=protocol)))


def lz4(content: bytes, *, matched: bool) -> bytes:
    """A frame of LZ4 with the content as it is, or as literals and a match of their repetition."""
    flags = 0b0111_1001
    head = pickles.LZ4 + bytes([flags, 0x70]) + len(content).to_bytes(8, "little") + bytes(4) + b"h"
    if not matched:
        size = (len(content) | 1 << 31).to_bytes(4, "little")
        return head + size + content + b"csum" + bytes(4)
    half = content[: len(content) // 2]
    assert half * 2 == content

    def more(length: int) -> bytes:
        return b"\xff" * ((length - 15) // 255) + bytes([(length - 15) % 255])

    block = b"\xff" + more(len(half)) + half + len(half).to_bytes(2, "little") + more(len(half) - 4)
    # What follows a match without literals: one byte, copied nine times.
    block += b"\x15x\x01\x00" + b"\x10y"
    return head + len(block).to_bytes(4, "little") + block + b"csum" + bytes(4)


def test_lz4_is_read_without_its_package() -> None:
    assert_read(read(lz4(pickle.dumps(FITTED), matched=False)))
    text = b"abcdefgh" * 100
    assert pickles.decompress(io.BytesIO(lz4(text, matched=True))).read() == text + b"x" * 10 + b"y"


def test_lz4_may_end_with_a_match() -> None:
    block = b"\x10a\x01\x00"
    frame = LZ4 + b"\x40\x70\x00" + len(block).to_bytes(4, "little") + block + bytes(4)
    assert pickles.decompress(io.BytesIO(frame)).read() == b"aaaaa"


def test_an_array_of_a_joblib_that_did_not_align_them_is_stepped_over() -> None:
    wrapper = NumpyArrayWrapper(np.ndarray, (3,), "C", np.dtype("f8"))
    del wrapper.numpy_array_alignment_bytes
    content = pickle.dumps(wrapper, protocol=2)[:-1] + np.zeros(3).tobytes() + pickle.STOP
    assert read(content).problem == ""


def test_what_joblib_compressed_before_it_was_0_10_is_read() -> None:
    content = pickle.dumps(FITTED)
    header = pickles.OLD_JOBLIB + hex(len(content)).encode().ljust(19)
    assert_read(read(header + zlib.compress(content)))


def test_a_pickle_of_python_2_is_read() -> None:
    content = b"ccopy_reg\n_reconstructor\n(csklearn.svm.classes\nSVC\nc__builtin__\nobject\nNtR."
    assert read(content).names == (("sklearn.svm.classes", "SVC"), ("builtins", "object"))


class Trap:
    def __init__(self, *result: Any) -> None:
        self.result = result

    def __reduce__(self) -> Any:
        return self.result


class Bag(dict[str, Any]):
    """A container of somebody's own."""


class Row(list[Any]):
    """A list of somebody's own."""


def run(*_: Any) -> None:
    pytest.fail("it was run")


def test_reading_runs_nothing() -> None:
    content = read(pickle.dumps([Trap(run, ()), FITTED]))
    assert content.problem == ""
    assert ("tests.test_pickles", "run") in content.names


def test_what_is_in_containers_of_ones_own_is_kept() -> None:
    held = Bag(a=Row([1, 2]), b={3}, c=frozenset({4}))
    top = read(pickle.dumps(held)).top
    assert top.items["a"].members == [1, 2]
    assert (top.items["b"], top.items["c"]) == ({3}, frozenset({4}))


def test_a_class_that_a_function_makes_has_instances() -> None:
    # As cloudpickle does: the function's result is called.
    made = pickle.dumps(Trap(type, ("Made", (), {})))[:-1]
    content = read(made + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.STOP)
    assert isinstance(content.top, Stub)
    content = read(made + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.STOP)
    assert isinstance(content.top, Stub)


def test_extensions_and_persistent_ids_are_stubs() -> None:
    assert read(pickle.PROTO + b"\x02" + pickle.EXT1 + b"\x07" + pickle.STOP).names == (
        ("copyreg", "extension 7"),
    )
    assert isinstance(read(pickle.PERSID + b"storage\n" + pickle.STOP).top, Stub)


def test_state_that_is_no_dict_is_kept() -> None:
    class_ = pickle.dumps(Trap(Row, ()))[:-1]
    assert read(class_ + pickle.NONE + pickle.BUILD + pickle.STOP).problem == ""


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", b"\x78 no zlib", b"\x1f\x8b no gzip", b"\x1f\x8b\x08\x00", b"BZ no bzip2",
        b"\x5d\x00 no lzma", b"\xfd7zXZ no xz", b"\x04\x22\x4d\x18", b"\x04\x22\x4d\x18ab\x00\xff\0\0\0",
        b"\x04\x22\x4d\x18@p\x00\x06\0\0\0\x10a\x00\x00\x00\x00", b"ZF0x10",
        b"\x04\x22\x4d\x18\x40\x70\x00\x63\x00\x00\x00x",
    ],
)  # fmt: skip
def test_what_is_no_pickle_is_a_problem_and_no_more(content: bytes) -> None:
    try:
        assert read(content).problem
    except ValueError as error:
        assert str(error)


def test_a_file_that_ends_in_an_array_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(np.zeros(100), path)
    content = path.read_bytes()
    assert read(content).problem == ""
    assert "the middle of an array" in read(content[:-60]).problem
