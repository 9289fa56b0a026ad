"""All formats that bodies are read in: a new one is a module, and a line here."""

from __future__ import annotations

from api.formats import csv, json, ndjson, npy, parquet

READERS = {
    each.media_type: each
    for each in (json.FORMAT, csv.FORMAT, csv.TABS, ndjson.FORMAT, npy.FORMAT, parquet.FORMAT)
}
# The format of each media type.
MEDIA_TYPES = {
    name: each
    for each in READERS.values()
    for name in (each.media_type, *each.others, *each.aliases)
}
