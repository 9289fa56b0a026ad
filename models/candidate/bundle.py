"""A model in one file: its plan, or its joblib or skops file, and its card. It is a zip.

Nothing in it is compressed, so it is never larger once it is unpacked.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from models.errors import ModelError
from models.files import PLAN

STEM = "model"
JOBLIB, SKOPS, CARD = ".joblib", ".skops", ".json"
KINDS = (PLAN, JOBLIB, SKOPS)
# The first bytes of a zip.
ZIP = b"PK\x03\x04"
# The name of the first file in a zip begins here: APPNOTE.TXT of PKWARE, section 4.3.7.
NAME_AT, HEADER_BYTES = 30, 64


def kind_of(path: Path) -> str:
    """The kind of model in a file, which may be a bundle: one of KINDS.

    Raises ModelError if it is a bundle that is not whole.
    """
    inside = _names(path)
    if inside is None:
        return JOBLIB
    if "schema.json" in inside:
        return SKOPS
    return next((kind for kind in KINDS if STEM + kind in inside), JOBLIB)


def pack(model: Path, card: Path | None, target: Path) -> Path:
    """Write a bundle of a model's file and its card, and give its path."""
    kind = next(kind for kind in KINDS if model.name.endswith(kind))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        bundle.write(model, STEM + kind)
        if card is not None:
            bundle.write(card, STEM + CARD)
    return target


def unpack(path: Path, folder: Path) -> Path:
    """Put the files of a bundle, or a file that is none and its card, into a folder.

    Gives the path of the model's file there. Raises ModelError if it is no whole bundle.
    """
    kind = kind_of(path)
    target = folder / (STEM + kind)
    inside = _names(path)
    if inside is None or "schema.json" in inside or STEM + kind not in inside:
        _place(path, target)
        beside = path.with_suffix(CARD)
        if beside.exists():
            shutil.copyfile(beside, folder / (STEM + CARD))
        return target
    with zipfile.ZipFile(path) as bundle:
        for info in bundle.infolist():
            if info.filename not in (STEM + kind, STEM + CARD):
                raise ModelError(f"{path} has a file {info.filename[:80]!r}, which no bundle has")
            if info.compress_type != zipfile.ZIP_STORED:
                raise ModelError(f"{path} is compressed: make export-plan writes a bundle")
        try:
            for name in inside:
                with bundle.open(name) as source, (folder / name).open("wb") as copy:
                    shutil.copyfileobj(source, copy)
        except (zipfile.BadZipFile, EOFError) as error:
            raise ModelError(f"{path} is damaged ({error}): copy it again") from None
    return target


def _place(path: Path, target: Path) -> None:
    """Link a file into the folder, or copy it from another disk."""
    try:
        target.hardlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, target)


def _names(path: Path) -> list[str] | None:
    """The names of the files in a zip; None if it is none. Raises ModelError."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if not head.startswith(ZIP):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        names = []
    # A plan is a zip itself: where the end is lost, the names are those of the plan in it.
    first = next((kind for kind in KINDS if head[NAME_AT:].startswith((STEM + kind).encode())), "")
    if first and STEM + first not in names:
        raise ModelError(f"{path} is cut short or damaged: copy it again")
    return names
