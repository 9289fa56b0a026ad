"""The bodies and results of tasks that are too large for their records: files, a folder a task."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from api.tasks.task import Lost
from models.files import sync

# A folder without a task is removed once it is so old: its task may be about to come.
STRAY_SECONDS = 3600.0


class Blobs:
    """Files in `folder`, which is made; with `durable` they survive a loss of power."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._durable = durable
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, task_id: str, name: str, write: Callable[[Path], object]) -> None:
        """Have `write` write a file of a task, at once or not at all."""
        path = self._folder / task_id / name
        # With its parents: somebody may have removed them.
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two workers may write one chunk at a time, on two machines too.
        beside = path.with_name(f"{name}.{secrets.token_hex(4)}")
        try:
            write(beside)
            if self._durable:
                sync(beside)
            beside.replace(path)
            if self._durable:
                sync(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def write_bytes(self, task_id: str, name: str, content: bytes) -> None:
        """Write a file of a task, at once or not at all."""
        self.write(task_id, name, lambda path: path.write_bytes(content))

    def read(self, task_id: str, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes of a file, to its end for None; raises Lost."""
        try:
            with (self._folder / task_id / name).open("rb") as file:
                file.seek(start)
                return file.read(-1 if stop is None else stop - start)
        except FileNotFoundError:
            raise Lost(f"its file {task_id}/{name} is not there any more") from None

    def names(self, task_id: str) -> set[str]:
        """The names of the files of a task."""
        folder = self._folder / task_id
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def drop(self, task_id: str, name: str) -> None:
        """Remove a file, if it is there."""
        (self._folder / task_id / name).unlink(missing_ok=True)

    def remove(self, task_id: str) -> None:
        """Remove all files of a task."""
        shutil.rmtree(self._folder / task_id, ignore_errors=True)

    def remove_strays(self, now: float, is_known: Callable[[str], object]) -> None:
        """Remove the files of tasks that were never created."""
        for folder in self._folder.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if folder.stat().st_mtime < now - STRAY_SECONDS and not is_known(folder.name):
                    self.remove(folder.name)
