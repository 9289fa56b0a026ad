"""One fetch of a model: how long it may take, how many bytes, and where its files go."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from models.errors import ModelError
from models.settings import ModelSettings
from models.sources import Fetched, shown

# A failure that may pass is tried again after these seconds, of which half are drawn by chance.
WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0)
MAX_ASKED_WAIT_SECONDS = 30.0
PREFIX = ".fetch-"

T = TypeVar("T")


class Failure(Exception):
    """A source does not give what it was asked for; trying again does not help.

    `status` is that of an HTTP answer, or 0; `text` is the beginning of that answer.
    """

    def __init__(
        self, reason: str, status: int = 0, wait_seconds: float = 0, text: str = ""
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.wait_seconds = min(wait_seconds, MAX_ASKED_WAIT_SECONDS)
        self.text = text


class PassingFailure(Failure):
    """A failure that may pass: a lost connection, HTTP 429, or HTTP 5xx."""


class Saved(msgspec.Struct, frozen=True):
    """A whole file, and its SHA-256 in 64 hexadecimal digits."""

    path: Path
    sha256: str


class Deadline:
    """How many seconds some requests may take together, and after which waits they are retried."""

    def __init__(self, seconds: float, waits: Sequence[float]) -> None:
        self._end = time.monotonic() + seconds
        self._waits = waits

    def seconds_left(self) -> float:
        """The seconds until the deadline; raises ModelError after it."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.too_slow()
        return left

    def too_slow(self) -> ModelError:
        """The sentence on the deadline."""
        return ModelError("no answer came in time")

    def retry(self, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it raises no PassingFailure; the last one is raised.

        Raises ModelError at the deadline.
        """
        for wait in self._waits:
            try:
                return attempt()
            except PassingFailure as failure:
                pause = max(wait * random.uniform(0.5, 1), failure.wait_seconds)  # noqa: S311
                if pause >= self.seconds_left():
                    raise
                time.sleep(pause)
        return attempt()


class Transfer(Deadline):
    """One fetch of `uri` into `folder`; a context that leaves no half-written file behind.

    `what` is the word for the file in sentences.
    """

    def __init__(
        self, uri: str, folder: Path, known: str, settings: ModelSettings, *, what: str = "model"
    ) -> None:
        super().__init__(settings.model_fetch_seconds, WAITS_SECONDS)
        self.uri = uri
        self.what = what
        self.shown = shown(uri)
        self.folder = folder
        self.settings = settings
        # The same version number of another source is another model.
        self._prefix = f"{self.shown}#"
        self.known = known.removeprefix(self._prefix) if known.startswith(self._prefix) else ""

    def __enter__(self) -> Self:
        """Make the folder for unfinished files; raises ModelError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            self.unfinished = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.folder))
        except OSError as error:
            raise self.unwritable(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what is not finished."""
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Remove the unfinished files of processes that were killed: no fetch takes that long."""
        oldest = time.time() - 2 * self.settings.model_fetch_seconds
        for place in self.folder.glob(f"{PREFIX}*"):
            # Another process may remove it at this moment.
            with contextlib.suppress(FileNotFoundError):
                if place.stat().st_mtime < oldest:
                    shutil.rmtree(place, ignore_errors=True)

    def unwritable(self, error: OSError) -> ModelError:
        """The sentence on a folder that takes no files."""
        return ModelError(
            f"cannot write the {self.what} of {self.shown} to {self.folder} ({error.strerror}): it "
            f"must be a folder that may be written to, with room for the {self.what}"
        )

    def too_slow(self) -> ModelError:
        """The sentence on the deadline."""
        return ModelError(
            f"{self.shown} was not fetched within MODEL_FETCH_SECONDS="
            f"{self.settings.model_fetch_seconds:g}: raise it, or look at why it is so slow"
        )

    def save(
        self, blocks: Iterable[bytes], name: str, *, length: int | None = None, md5: str = ""
    ) -> Saved:
        """Write an unfinished file of `length` bytes, whose MD5 is `md5` in base64.

        Raises ModelError for one of more than MAX_MODEL_BYTES and at the deadline, PassingFailure
        for one that is not whole.
        """
        limit = self.settings.max_model_bytes
        if length is not None and length > limit:
            raise self.too_large(length)
        path = self.unfinished / name
        sha256, checksum = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with path.open("wb") as file:
                for block in blocks:
                    self.seconds_left()
                    size += len(block)
                    if size > limit:
                        raise self.too_large(None)
                    file.write(block)
                    sha256.update(block)
                    if md5:
                        checksum.update(block)
        except OSError as error:
            raise self.unwritable(error) from None
        if length is not None and size != length:
            raise PassingFailure(f"{size} of {length} bytes came")
        if md5 and base64.b64encode(checksum.digest()).decode() != md5:
            raise PassingFailure("its bytes do not have the MD5 that the source gives")
        return Saved(path, sha256.hexdigest())

    def too_large(self, length: int | None) -> ModelError:
        """The sentence on a model of so many bytes, if they are known."""
        size = "more" if length is None else f"{length} bytes, more"
        return ModelError(
            f"{self.shown} has {size} than MAX_MODEL_BYTES={self.settings.max_model_bytes}: raise "
            f"it if this is the {self.what} that you mean"
        )

    def finish(self, found: Fetched) -> Fetched:
        """Compare the SHA-256, and give the files their final names: the card's first.

        Raises ModelError.
        """
        pinned = self.settings.model_sha256
        if pinned and found.sha256 != pinned:
            raise ModelError(
                f"{self.shown} has SHA-256 {found.sha256}, but MODEL_SHA256 says {pinned}"
            )
        card = None
        model = self.folder / found.model.name
        try:
            if found.card:
                card = found.card.replace(model.with_suffix(".json"))
            else:
                model.with_suffix(".json").unlink(missing_ok=True)
            found.model.replace(model)
        except OSError as error:
            raise self.unwritable(error) from None
        return Fetched(model, card, f"{self._prefix}{found.revision}", found.sha256)
