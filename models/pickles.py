"""Read the contents of a pickle, and the classes it needs, without running any of it.

Only the standard library is used, so a file can be read before anything is installed.
"""

from __future__ import annotations

import _compat_pickle
import bz2
import codecs
import gzip
import io
import lzma
import pickle
import re
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, NamedTuple, Self

# Stands in joblib's pickle for an array that follows it in the file.
ARRAY = ("joblib.numpy_pickle", "NumpyArrayWrapper")
# A dtype as text: its letter, and its size in bytes, or for U in characters of four bytes.
DTYPE = re.compile(r"([a-zA-Z])(\d+)")
DAMAGED = (zlib.error, lzma.LZMAError)
LZ4 = b"\x04\x22\x4d\x18"
# The first bytes of a compressed file of joblib before 0.10; the length of its content follows.
OLD_JOBLIB = b"ZF"
OLD_HEADER = len(OLD_JOBLIB) + len(hex(2**64))


class Stub:
    """Stands for an object; `type(stub)` stands for its class, or for the function that made it."""

    arguments: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]
    members: list[Any]

    def __new__(cls, *arguments: Any, **_: Any) -> Self:
        """Keep the arguments of the constructor, or of the function."""
        made = object.__new__(cls if isinstance(cls, type) else type(cls))
        made.arguments, made.state, made.items, made.members = arguments, None, {}, []
        return made

    def __init__(self, *arguments: Any, **named: Any) -> None: ...

    def __call__(self, *arguments: Any) -> Stub:  # noqa: D102
        return type(self)(*arguments)

    def __setstate__(self, state: Any) -> None:  # noqa: D105
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: D105
        self.items[key] = value

    def append(self, value: Any) -> None:  # noqa: D102
        self.members.append(value)

    add = append


class Content(NamedTuple):
    """The contents of a pickle: `top` is its object, made of stubs, `names` are the module and name
    of each class and function it needs, `versions` the releases of scikit-learn that saved it.
    `problem` says why the rest could not be read.
    """

    top: Any
    names: tuple[tuple[str, str], ...]
    versions: tuple[str, ...]
    problem: str = ""


def decompress(file: BinaryIO) -> BinaryIO:
    """The pickle in a file of joblib, whatever its compression.

    Raises ValueError if the file is cut short or damaged.
    """
    head = file.read(max(map(len, COMPRESSIONS)))
    file.seek(0)
    for start, undo in COMPRESSIONS.items():
        if head.startswith(start):
            try:
                return io.BytesIO(undo(file.read()))
            except (OSError, EOFError, LookupError, ArithmeticError, *DAMAGED) as error:
                raise ValueError(str(error) or type(error).__name__) from None
    return file


def read(file: BinaryIO) -> Content:
    """The contents of a pickle; `problem` is set if the file is none, or is cut short."""
    reader = Reader(file)
    top, problem = None, ""
    try:
        top = reader.load()
    except Exception as error:  # a stranger's bytes may raise anything
        problem = f"{type(error).__name__}: {error}"
    return Content(top, tuple(reader.names), tuple(reader.versions), problem)


# The unpickler in C does not call methods that a subclass overrides.
Unpickler: Any = pickle._Unpickler  # noqa: SLF001


class Reader(Unpickler):  # type: ignore[misc]
    """Python's own unpickler, with a stub for each class and function."""

    dispatch: ClassVar[dict[int, Any]] = dict(Unpickler.dispatch)

    def __init__(self, file: BinaryIO) -> None:
        # Strings of Python 2 may be bytes.
        super().__init__(file, encoding="latin1")
        self._source = file
        self.names: dict[tuple[str, str], Any] = {}
        self.versions: dict[str, None] = {}

    def find_class(self, module: str, name: str) -> Any:
        """A stub, or one of the harmless makers of plain values."""
        if self.proto < 3:
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        if plain := PLAIN.get((module, name)):
            return plain
        if (module, name) not in self.names:
            self.names[module, name] = type(name, (Stub,), {"__module__": module})
        return self.names[module, name]

    def get_extension(self, code: int) -> None:
        """A stub for a class of the extension registry, which models do not use."""
        self.append(self.find_class("copyreg", f"extension {code}"))

    def persistent_load(self, pid: Any) -> Stub:
        """A stub for an object outside of the pickle, as PyTorch has them."""
        return Stub(pid)

    def load_build(self) -> None:
        """Note the scikit-learn that saved an object; skip the bytes of an array."""
        state = self.stack[-1]
        super().load_build()
        held = self.stack[-1]
        if not isinstance(state, dict):
            return
        if isinstance(version := state.get("_sklearn_version"), str):
            self.versions[version] = None
        if (type(held).__module__.removeprefix("sklearn.externals."), type(held).__name__) == ARRAY:
            self._step_over(state)

    dispatch[pickle.BUILD[0]] = load_build

    def _step_over(self, array: dict[str, Any]) -> None:
        letter, size = DTYPE.fullmatch(array["dtype"].arguments[0]).groups()  # type: ignore[union-attr]
        if letter == "O":
            inner = Reader(self._source)
            inner.names, inner.versions = self.names, self.versions
            inner.load()
            return
        if array.get("numpy_array_alignment_bytes") is not None:
            self._source.seek(self._source.read(1)[0], io.SEEK_CUR)
        length = int(size) * (4 if letter == "U" else 1)
        for count in array["shape"]:
            length *= count
        if length:
            self._source.seek(length - 1, io.SEEK_CUR)
            if not self._source.read(1):
                raise EOFError("the file ends in the middle of an array")


def _rebuilt(cls: Any, *_: Any) -> Any:
    return cls.__new__(cls)


# Harmless functions that pickles of older protocols call.
PLAIN: dict[tuple[str, str], Callable[..., Any]] = {
    ("copyreg", "_reconstructor"): _rebuilt,
    ("copyreg", "__newobj__"): _rebuilt,
    ("_codecs", "encode"): codecs.encode,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "list"): list,
    ("builtins", "dict"): dict,
    ("builtins", "tuple"): tuple,
    ("collections", "OrderedDict"): dict,
}


def _lz4(content: bytes) -> bytes:
    """A frame of LZ4. Source: doc/lz4_Frame_format.md and lz4_Block_format.md of lz4/lz4."""
    flags = content[4]
    place = 7 + 8 * (flags >> 3 & 1) + 4 * (flags & 1)
    out = bytearray()
    while size := int.from_bytes(content[place : place + 4], "little"):
        place += 4
        end = place + (size & 0x7FFFFFFF)
        if end > len(content):
            raise EOFError
        if size >> 31:
            out += content[place:end]
        else:
            _lz4_block(content[place:end], out)
        place = end + 4 * (flags >> 4 & 1)
    return bytes(out)


def _lz4_block(block: bytes, out: bytearray) -> None:
    place = 0

    def length(nibble: int) -> int:
        nonlocal place
        if nibble == 15:
            while (more := block[place]) == 255:
                nibble += more
                place += 1
            nibble += more
            place += 1
        return nibble

    while place < len(block):
        token = block[place]
        place += 1
        literals = length(token >> 4)
        out += block[place : place + literals]
        place += literals
        if place == len(block):
            return
        offset = int.from_bytes(block[place : place + 2], "little")
        place += 2
        copied = length(token & 15) + 4
        match = out[len(out) - offset :]
        out += (match * -(-copied // offset))[:copied]


# The first bytes of a compressed file; any other file is a bare pickle.
COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x78": zlib.decompress,
    b"\x1f\x8b": gzip.decompress,
    b"BZ": bz2.decompress,
    b"\x5d\x00": lzma.decompress,
    b"\xfd7zXZ": lzma.decompress,
    LZ4: _lz4,
    OLD_JOBLIB: lambda content: zlib.decompress(content[OLD_HEADER:].lstrip(b" ")),
}
