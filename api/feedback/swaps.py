"""The times at which versions of the model began to serve."""

from __future__ import annotations

import logging
import time

from api.feedback.recorder import recorder

log = logging.getLogger("api")

NOTE = "swaps"
MAX_NOTED = 200


def note_swap(version: str) -> None:
    """Note that a version serves from now on; whoever calls it holds the store of versions."""
    if recorder.mode == "off":
        return
    try:
        noted = recorder.store.note(NOTE) or []
        recorder.store.set_note(NOTE, [*noted, (time.time(), version)][-MAX_NOTED:])
    except OSError as error:
        log.warning("the time of a swap cannot be noted: %s", error)
