"""A model of this machine: a file, or a folder, which may be a mounted volume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from models.errors import ModelError

if TYPE_CHECKING:
    from models.sources import Fetched
    from models.sources.transfer import Saved, Transfer

# The name of a model in a folder of a bucket, as Vertex AI has it.
MODEL = "model.joblib"
# The names in a folder that mean the model where there are several.
NAMES = ("latest.joblib", MODEL)
# The last path of an address of a bucket is a model if it ends so, and a folder if not.
ENDINGS = (".joblib", ".pkl", ".pickle", ".skops", ".plan")
BLOCK_BYTES = 1024 * 1024


def is_model(name: str) -> bool:
    """Whether an object of this name is a model, not a folder."""
    return name.endswith(ENDINGS)


def fetch(transfer: Transfer) -> Fetched | None:
    """Copy the file, or the model in the folder; the revision is of both files' times and sizes.

    Raises ModelError.
    """
    from models.sources import Fetched
    from models.sources.transfer import PassingFailure

    path = path_of(transfer.uri)

    def attempt() -> Fetched | None:
        model = (find(path) if path.is_dir() else path) or path / MODEL
        card = model.with_suffix(".json")
        state = f"{_state(model)}{_state(card)}"
        if state and state == transfer.known:
            return None
        saved = transfer.save(_blocks(model), model.name)
        card_path = transfer.save(_blocks(card), card.name).path if card.exists() else None
        if f"{_state(model)}{_state(card)}" != state:
            raise PassingFailure("is written while it is read")
        return Fetched(saved.path, card_path, state, saved.sha256)

    try:
        return transfer.retry(attempt)
    except PassingFailure as failure:
        raise ModelError(f"{path} {failure}: replace it by a rename, with mv") from None


def save(transfer: Transfer, uri: str) -> Saved:
    """Copy the file at `uri`, a path or file:///path; raises ModelError."""
    path = path_of(uri)
    return transfer.save(_blocks(path), path.name)


def path_of(uri: str) -> Path:
    """The path that a file:// URI means; any other text is a path."""
    if uri.startswith("file://"):
        return Path(unquote(urlsplit(uri).path))
    return Path(uri)


def _blocks(path: Path) -> Iterator[bytes]:
    """The content of a file; raises ModelError if it cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"{path} is no file: name a file, or a folder with one in it")
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}: put the model there") from None
    except OSError as error:
        raise ModelError(f"cannot read {path} ({error.strerror}): let it be read") from None


def _state(path: Path) -> str:
    """The time of a file's last change in ns, its size in bytes and its inode; "" without one."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino};"


def find(folder: Path) -> Path | None:
    """The model in a folder; None if there is no folder, or nothing in it.

    Raises ModelError if there is something else, or more than one that could be meant.
    """
    try:
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"cannot look into {folder} ({error.strerror}): let it be read") from None
    models = {path.name: path for path in files if path.suffix == ".joblib"}
    for name in NAMES:
        if name in models:
            return models[name]
    if len(models) == 1:
        return models.popitem()[1]
    if not files:
        return None
    have = ", ".join(sorted(models)) or "none"
    raise ModelError(
        f"{folder} must have one *.joblib, or one that is called {' or '.join(NAMES)}, "
        f"and has {have}: rename it, or set MODEL_PATH or MODEL_URI to the file"
    )
