"""All formats that bodies are read in: a new one is a module, and a line here."""

from __future__ import annotations

from collections.abc import Iterable

from api.formats import csv, json, ndjson, npy, parquet
from api.formats.format import Format

FORMATS = (json.FORMAT, csv.FORMAT, csv.TABS, ndjson.FORMAT, npy.FORMAT, parquet.FORMAT)


def by_media_type(formats: Iterable[Format]) -> dict[str, Format]:
    """The format of each media type, its other names included.

    Raises ValueError if two formats have one media type.
    """
    found: dict[str, Format] = {}
    for each in formats:
        for name in (each.media_type, *each.others, *each.aliases):
            if found.setdefault(name, each) is not each:
                raise ValueError(f"two formats have the media type {name!r}")
    return found


READERS = {each.media_type: each for each in FORMATS}
MEDIA_TYPES = by_media_type(FORMATS)
