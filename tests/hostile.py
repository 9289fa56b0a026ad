"""Bodies of at most 100 kB that unpack to, or speak of, far more than they may cost."""

from __future__ import annotations

import functools
import gzip
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

UNPACKED = 31 << 20
MAX_BYTES = 100_000
JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"
NPY = "application/x-npy"
BINARY, FORM = "application/octet-stream", "multipart/form-data; boundary=x"
V1, V2 = "/v1/models/model:predict", "/v2/models/model/infer"


class Hostile(NamedTuple):
    """One body: where it goes, what it says it is, what makes it, and the answer it gets."""

    name: str
    type: str
    make: Callable[[], bytes]
    status: int
    path: str = "/predict"
    packed: bool = True
    headers: Mapping[str, str] = {}

    @property
    def body(self) -> bytes:
        """The bytes to send."""
        return _pack(self.make) if self.packed else self.make()

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers to send."""
        encoding = {"Content-Encoding": "gzip"} if self.packed else {}
        return {"Content-Type": self.type, **encoding, **self.headers}


@functools.cache
def _pack(make: Callable[[], bytes]) -> bytes:
    """As gzip."""
    packed = gzip.compress(make(), 9)
    assert len(packed) <= MAX_BYTES
    return packed


def times(unit: bytes, before: bytes = b"", after: bytes = b"", size: int = UNPACKED) -> Any:
    """`before`, as many of `unit` as fit, and `after`."""
    count = (size - len(before) - len(after)) // len(unit)
    return lambda: before + unit * count + after


def names(count: int, form: str, before: bytes, after: bytes) -> Any:
    """Names that all differ."""
    return lambda: before + ",".join(form % i for i in range(count)).encode() + after


def npy(descr: Any, shape: Any, data: Callable[[], bytes] = bytes) -> Any:
    """An npy file whose header says so, whatever follows."""

    def make() -> bytes:
        header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data()

    return make


class Deep:
    """Is written as many signs before a number."""

    def __repr__(self) -> str:
        return "-" * 60_000 + "1"


def zeros(size: int) -> Any:
    return lambda: bytes(size)


def form(part: Callable[[], bytes], name: str = "rows.csv") -> Any:
    """A form with one file."""
    head = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode()
    return lambda: head + part() + b"\r\n--x--\r\n"


def tensor(**changes: Any) -> bytes:
    one = {"name": "all", "shape": [1, 6], "datatype": "FP64", "data": [1, 2, 3, 4, 5, 6]}
    return json.dumps({"inputs": [one | changes]}).encode()


def binary(data: Callable[[], bytes], size: int, **changes: Any) -> tuple[Any, dict[str, str]]:
    one = {"name": "all", "shape": [1, 6], "datatype": "BYTES"} | changes
    one["parameters"] = {"binary_data_size": size}
    head = json.dumps({"inputs": [one]}).encode()
    return lambda: head + data(), {"Inference-Header-Content-Length": str(len(head))}


_strings, _strings_header = binary(zeros(UNPACKED // 4 * 4), UNPACKED // 4 * 4)
_lying, _lying_header = binary(zeros(64), 2**60, datatype="FP64", shape=[2**40, 6])
_wide, _wide_header = binary(zeros(UNPACKED), UNPACKED, datatype="BOOL", shape=[UNPACKED, 1])

_bools, _bools_header = binary(zeros(60_000), 60_000, datatype="BOOL", shape=[10_000, 6])

LONG_HEADER = b"\x93NUMPY\x02\x00" + struct.pack("<I", 70_000) + b" " * 70_000
HEADER = b"island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n"
ROW = b"Torgersen,39.1,18.7,181,3750,male\n"

HOSTILE = [
    Hostile("CSV of line ends", CSV, times(b"\n"), 413),
    Hostile("CSV of CRs", CSV, times(b"\r"), 413),
    Hostile("CSV of line ends below a header", CSV, times(b"\n", HEADER), 413),
    Hostile("CSV of line ends below one name", CSV, times(b"\n", b"island\n"), 413),
    Hostile("CSV of letters", CSV, times(b"a\n", b"island\n"), 413),
    Hostile("CSV of good rows", CSV, times(ROW, HEADER), 413),
    Hostile("CSV of ragged rows", CSV, times(b"1,2\n", HEADER), 413),
    Hostile("CSV header of commas", CSV, times(b","), 413),
    Hostile("CSV header of tabs", CSV, times(b"\t"), 413),
    Hostile("CSV header of one name repeated", CSV, times(b"island,", b"", HEADER), 413),
    Hostile("CSV row of commas", CSV, times(b",", HEADER), 413),
    Hostile("CSV row of semicolons", CSV, times(b";", HEADER.replace(b",", b";")), 413),
    Hostile("CSV behind a stray quote", CSV, times(b"\n", HEADER + b'1"'), 413),
    Hostile("CSV row behind a stray quote", CSV, times(b",", HEADER + b'1"'), 413),
    Hostile("CSV of empty quotes", CSV, times(b'"",', HEADER), 413),
    Hostile("CSV in an open quote", CSV, times(b"a", HEADER + b'"'), 413),
    Hostile("CSV of quotes", CSV, times(b'"', HEADER), 413),
    Hostile("CSV of one long field", CSV, times(b"a", HEADER), 413),
    Hostile("CSV header, one long name", CSV, times(b"a"), 413),
    Hostile("CSV of NULs", CSV, times(b"\0", HEADER), 413),
    Hostile("CSV of names", CSV, names(12_000, "n%d", b"", b"\n"), 422, packed=False),
    Hostile("CSV without a header", CSV + ";header=absent", times(b"1,2,3,4,5,6\n"), 413),
    Hostile("CSV in UTF-16", CSV + ";charset=utf-16le", times(b"\n\0"), 413),
    Hostile("TSV of line ends", "text/tab-separated-values", times(b"\n", b"island\n"), 413),
    Hostile("NDJSON of line ends", NDJSON, times(b"\n"), 413),
    Hostile("NDJSON of blank lines", NDJSON, times(b" \n"), 413),
    Hostile("NDJSON of 1", NDJSON, times(b"1\n"), 413),
    Hostile("NDJSON of {}", NDJSON, times(b"{}\n"), 413),
    Hostile("NDJSON of one list", NDJSON, times(b"1,", b"[", b"1]\n"), 413),
    Hostile("JSON of blanks", JSON, times(b" "), 413),
    Hostile("JSON of blanks and {}", JSON, times(b" ", b"{}"), 413),
    Hostile("JSON of []", JSON, times(b"[],", b"[", b"[]]"), 413),
    Hostile("JSON of {}", JSON, times(b"{},", b"[", b"{}]"), 413),
    Hostile("JSON of 1", JSON, times(b"1,", b"[", b"1]"), 413),
    Hostile("JSON of 1.5", JSON, times(b"1.5,", b"[", b"1]"), 413),
    Hostile("JSON of null", JSON, times(b"null,", b"[", b"1]"), 413),
    Hostile("JSON of texts", JSON, times(b'"",', b"[", b"1]"), 413),
    Hostile("JSON of rows of 1", JSON, times(b"[1,1,1,1,1,1],", b"[", b"[]]"), 413),
    Hostile("JSON of rows of nothing", JSON, times(b"[[]],", b"[", b"[]]"), 413),
    Hostile("JSON of one name", JSON, times(b'{"island":1},', b"[", b"{}]"), 413),
    Hostile("JSON of one name repeated", JSON, times(b'"island":1,', b"{", b'"sex":1}'), 413),
    Hostile("JSON of half an object", JSON, times(b'{"a":1},', b"["), 413),
    Hostile("JSON of brackets", JSON, times(b"["), 413),
    Hostile("JSON of braces", JSON, times(b'{"a":'), 413),
    Hostile("JSON nested, 100 kB", JSON, times(b"[", size=MAX_BYTES), 400, packed=False),
    Hostile("JSON nested, 60 kB", JSON, times(b"[", size=60_000), 400, packed=False),
    Hostile("JSON of instances", JSON, times(b"[],", b'{"instances":[', b"[]]}"), 413),
    Hostile("JSON of one digit", JSON, times(b"1"), 413),
    Hostile("JSON of a number", JSON, times(b"1", b"[[", b"]]"), 413),
    Hostile("JSON of a fraction", JSON, times(b"1", b"[[1.", b"]]"), 413),
    Hostile("JSON of an exponent", JSON, times(b"1", b"[[1e", b"]]"), 413),
    Hostile("JSON of one text", JSON, times(b"a", b'[["', b'"]]'), 413),
    Hostile("JSON of escapes", JSON, times(b"\\n", b'[["', b'"]]'), 413),
    Hostile("JSON of quotes", JSON, times(b'\\"', b'[["', b'"]]'), 413),
    Hostile("JSON of a long name", JSON, times(b"a", b'{"', b'":1}'), 413),
    Hostile("JSON of brackets in a text", JSON, times(b"[,", b'[["', b'"]]'), 413),
    Hostile("JSON in an open text", JSON, times(b"a,", b'[["'), 413),
    Hostile("JSON of names", JSON, names(7_000, '"n%d":1', b"{", b"}"), 422, packed=False),
    Hostile("JSON of names, packed", JSON, names(40_000, '"%d":1', b"{", b"}"), 422),
    Hostile("JSON by columns", JSON, times(b"1,", b'{"island":[', b'1],"sex":[1]}'), 413),
    Hostile("JSON by columns, empty", JSON, times(b'"island":[],', b"{", b'"sex":[]}'), 413),
    Hostile("JSON by labels", JSON, times(b'"island":{},', b"{", b'"sex":{}}'), 413),
    Hostile("JSON by index", JSON, times(b'"0":{"sex":1},', b"{", b'"1":{}}'), 413),
    Hostile("JSON split", JSON, times(b"[],", b'{"columns":["sex"],"data":[', b"[]]}"), 413),
    Hostile("JSON split, columns", JSON, times(b'"",', b'{"data":[],"columns":[', b'""]}'), 413),
    Hostile(
        "JSON split, index", JSON, times(b"1,", b'{"columns":[],"data":[],"index":[', b"1]}"), 413
    ),
    Hostile(
        "JSON split, MLflow",
        JSON,
        times(b"[],", b'{"dataframe_split":{"columns":["sex"],"data":[', b"[]]}}"),
        413,
        "/invocations",
    ),
    Hostile(
        "JSON inputs, MLflow",
        JSON,
        times(b"1,", b'{"inputs":{"sex":[', b"1]}}"),
        413,
        "/invocations",
    ),
    Hostile("JSON table", JSON, times(b"{},", b'{"schema":{},"data":[', b"{}]}"), 413),
    Hostile(
        "JSON table, key",
        JSON,
        times(b'"",', b'{"schema":{"primaryKey":[', b'""]},"data":[{}]}'),
        413,
    ),
    Hostile("v1 instances", JSON, times(b"[],", b'{"instances":[', b"[]]}"), 413, V1),
    Hostile("v1 names", JSON, times(b'"a":1,', b"{", b'"instances":[]}'), 413, V1),
    Hostile("explain", JSON, times(b"[],", b"[", b"[]]"), 413, "/explain"),
    Hostile("npy of bools", NPY, npy("|b1", (UNPACKED // 6, 6), zeros(UNPACKED // 6 * 6)), 413),
    Hostile("npy of bools, one row", NPY, npy("|b1", (UNPACKED,), zeros(UNPACKED)), 413),
    Hostile("npy of bools, records", NPY, npy([("sex", "|b1")], (UNPACKED,), zeros(UNPACKED)), 413),
    Hostile(
        "npy of 2,000 fields",
        NPY,
        npy([(f"f{i}", "|b1") for i in range(2_000)], (10_000,), zeros(20_000_000)),
        413,
    ),
    Hostile("npy of texts", NPY, npy("<U1", (UNPACKED // 24, 6), zeros(UNPACKED // 24 * 24)), 413),
    Hostile("npy of empty texts", NPY, npy("<U0", (10**9, 6)), 413),
    Hostile(
        "npy of dates", NPY, npy("<M8[ns]", (UNPACKED // 48, 6), zeros(UNPACKED // 48 * 48)), 413
    ),
    Hostile("npy of nothing", NPY, npy("|b1", (0, 10**12)), 422),
    Hostile("npy that lies", NPY, npy("<f8", (10**12, 6), zeros(48)), 413),
    Hostile("npy of objects", NPY, npy("|O", (6,), zeros(48)), 400),
    Hostile("npy of a nested header", NPY, npy("<f8", eval("(" * 90 + ")" * 90), zeros(48)), 400),
    Hostile("npy of a long header", NPY, lambda: LONG_HEADER, 400, packed=False),
    Hostile("npy of a deep header", NPY, npy(Deep(), (6,)), 400, packed=False),
    Hostile(
        "npy in a form",
        FORM,
        form(npy("|b1", (UNPACKED // 6, 6), zeros(UNPACKED // 6 * 6)), "a.npy"),
        413,
    ),
    Hostile(
        "v2 of one tensor",
        JSON,
        lambda: tensor(shape=[5_000_000, 6], data=[]).replace(
            b"[]", b"[" + b"1," * 15_000_000 + b"1]"
        ),
        413,
        V2,
    ),
    Hostile(
        "v2 of one row",
        JSON,
        lambda: tensor(data=[]).replace(b"[]", b"[" + b"1," * 15_000_000 + b"1]"),
        413,
        V2,
    ),
    Hostile(
        "v2 of tensors",
        JSON,
        times(b'{"name":"a","shape":[1],"datatype":"FP64","data":[1]},', b'{"inputs":[', b"]}"),
        413,
        V2,
    ),
    Hostile(
        "v2 of outputs",
        JSON,
        times(b'{"name":"a"},', tensor()[:-1] + b',"outputs":[', b"]}"),
        413,
        V2,
    ),
    Hostile(
        "v2 of parameters",
        JSON,
        times(b'"a":[],', tensor()[:-1] + b',"parameters":{', b'"b":1}}'),
        413,
        V2,
    ),
    Hostile(
        "v2 of lengths",
        JSON,
        times(b"1,", b'{"inputs":[{"name":"a","datatype":"FP64","data":[],"shape":[', b"1]}]}"),
        413,
        V2,
    ),
    Hostile("v2 of empty texts", BINARY, _strings, 400, V2, headers=_strings_header),
    Hostile("v2 that lies", BINARY, _lying, 413, V2, packed=False, headers=_lying_header),
    Hostile("v2 of bools", BINARY, _wide, 422, V2, headers=_wide_header),
    Hostile("CSV in a form", FORM, form(times(b"\n", b"island\n")), 413),
    Hostile("JSON in a form", FORM, form(times(b"[],", b"[", b"[]]"), "a.json"), 413),
    Hostile("a form of line ends", FORM, times(b"\r\n"), 400),
    Hostile("a form of dashes in a part", FORM, form(times(b"\r\n--")), 413),
    Hostile("a form of returns in a part", FORM, form(times(b"\r")), 413),
    Hostile("a form of boundaries in a part", FORM, form(times(b"\n--xx")), 413),
    Hostile("v2 of bools, good shape", BINARY, _bools, 422, V2, headers=_bools_header),
    Hostile("a form of dashes", FORM, times(b"\r\n--"), 400),
    Hostile(
        "a form of parts",
        FORM,
        times(b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n'),
        400,
    ),
    Hostile("a form of headers", FORM, times(b"A: b\r\n", b"--x\r\n"), 400),
    Hostile(
        "a form of one field",
        FORM,
        times(
            b"[],", b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n[', b"[]]\r\n--x--\r\n"
        ),
        413,
    ),
]
