"""The files of a model: the joblib file, its card, and its plan."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import shlex
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from models.errors import ModelError
from models.settings import ModelSettings

log = logging.getLogger("models")

# A URI in which Path has joined the two slashes.
ADDRESS = re.compile(r"(\w{2,}:)/+(.*)", re.DOTALL)
# So many digits of a version, which is a SHA-256, are shown, and are in the names of files.
DIGITS = 12
# The end of the name of a plan; that of its joblib file has .joblib instead.
PLAN = ".plan.npz"
# A pinned file is compared with its hash in blocks of this size.
BLOCK_BYTES = 1024 * 1024


def version_of(path: Path, sha256: str = "") -> str:
    """The SHA-256 of the joblib file of a model, which must be `sha256` if that is given.

    Raises ModelError.
    """
    with _open(path) as file:
        version = hashlib.file_digest(file, "sha256").hexdigest()
    return _pinned(path, version, sha256)


def open_file(path: Path, sha256: str = "") -> tuple[BinaryIO, str]:
    """Open the joblib file of a model, and give its SHA-256, which must be `sha256` if given.

    With `sha256`, reading raises ModelError if the file no longer has the bytes that were hashed.

    Raises ModelError.
    """
    file = _open(path)
    try:
        if sha256:
            hashed = _Hashed(file, path)
            _pinned(path, hashed.version, sha256)
            return io.BufferedReader(hashed, BLOCK_BYTES), hashed.version
        version = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, version


class _Hashed(io.RawIOBase):
    """A file whose blocks are compared with their hashes as they are read.

    The file may be overwritten after it was hashed, and a copy in memory would double its size.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._blocks: list[bytes] = []
        self._position = 0
        whole = hashlib.sha256()
        while block := file.read(BLOCK_BYTES):
            whole.update(block)
            self._blocks.append(hashlib.sha256(block).digest())
        self._size = file.tell()
        self.version = whole.hexdigest()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        number, start = divmod(self._position, BLOCK_BYTES)
        if number >= len(self._blocks):
            return 0
        self._file.seek(number * BLOCK_BYTES)
        block = self._file.read(BLOCK_BYTES)
        if hashlib.sha256(block).digest() != self._blocks[number]:
            raise ModelError(f"{self._path} was overwritten while it was read: start again")
        part = block[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()


def check_readable(path: Path) -> None:
    """Raise ModelError if the file at `path` cannot be opened."""
    _open(path).close()


def _open(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise ModelError(_unreadable(path, error)) from None


def _pinned(path: Path, version: str, sha256: str) -> str:
    if sha256 and version != sha256:
        raise ModelError(f"{path} has SHA-256 {version}, but MODEL_SHA256 says {sha256}")
    return version


def _unreadable(path: Path, error: OSError) -> str:
    if address := ADDRESS.match(str(path)):
        uri = f"{address[1]}//{address[2]}"
        return f"MODEL_PATH={uri} is no file of this machine: " + (
            f"fetch it with make fetch-model MODEL_URI={uri} MODEL_SHA256=..., and leave "
            "MODEL_PATH as it is"
            if address[1] in ("gs:", "https:")
            else "download it, and set MODEL_PATH to the file"
        )
    if isinstance(error, FileNotFoundError):
        return (
            f"there is no file {path}: put your model there, set MODEL_PATH, or leave MODEL_PATH "
            "out, and `make run` makes the example"
        )
    return f"cannot read {path} ({error.strerror}): it must be a file that you may read"


def plan_path(path: Path) -> Path:
    """Where the plan of the model at `path` is."""
    return path.with_suffix(PLAN)


def card_command(path: str) -> str:
    """The command that makes a card for the model at `path` from training rows."""
    command = "make card DATA=train.csv"
    # What was fetched from an address is trained elsewhere.
    if path != ModelSettings().model_path and "://" not in path:
        command += f" MODEL_PATH={shlex.quote(path)}"
    return command


def read_card(path: Path, version: str) -> dict[str, Any]:
    """The card at `path`; {} if there is none, or if it belongs to another model.

    Raises ModelError if it cannot be read.
    """
    try:
        card = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError, RecursionError, msgspec.DecodeError) as error:
        raise ModelError(f"the card {path} cannot be read ({error}): mend or delete it") from None
    if card.get("sha256", version) != version:
        log.warning("the card %s belongs to another model, and is passed over", path)
        return {}
    if not isinstance(card.get("features", []), (list, dict)):
        raise ModelError(f"the card {path} must have its features as a list of names or an object")
    return card


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically: readers find the old content or the new."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
