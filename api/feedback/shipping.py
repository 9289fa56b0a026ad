"""Ship what an instance keeps to the bucket, each minute and at its end.

What is shipped next is noted before it is written: after a crash, or where no answer came, an
object of the same name with the same lines is written again, so that nothing is there twice.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from api.feedback import bucket, lines
from api.feedback.facts import HOUR_SECONDS, ID_DIGITS, Hour
from api.feedback.lines import PREDICTIONS, STATISTICS, Features
from api.feedback.store import FeedbackStore
from api.settings import Settings
from models.sources.transfer import Deadline

log = logging.getLogger("api")

SHIP_SECONDS = 60.0
# Other processes write a prediction up to a second after it was made.
SETTLED_SECONDS = 5.0
# Rows of one object: 1.8 MB for 60 features.
OBJECT_ROWS = 1000
NOTE = "shipped"
FIRST = "0" * ID_DIGITS

# Cloud Run kills an instance 10 seconds after it has told it to end.
FINISH_SECONDS = 3.0

# Of one hour: its number, the version, the layout, the answers and the counts.
Total = tuple[int, str, str, int, list[int]]


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """How far an instance has shipped: up to a prediction, and these totals of hours.

    `number` counts its objects, `date` is that of the newest, and `rows` are its predictions. `at`
    is when it was put together, in seconds since 1970.
    """

    instance: str
    number: int = 0
    date: str = ""
    at: float = 0.0
    id: str = FIRST
    row: int = -1
    rows: int = 0
    hours: list[Total] = []

    @property
    def name(self) -> str:
        """The name of the newest object, without its kind."""
        return f"{self.date}/{self.instance}-{self.number:06d}"


class Shipper:
    """Writes predictions and counts to FEEDBACK_URI; selections are written before their 200."""

    def __init__(self, store: FeedbackStore, settings: Settings, features: Features) -> None:
        self._store = store
        self._settings = settings
        self._features = features

    def ship(self) -> None:
        """Ship what is new; what raises OSError is shipped the next time."""
        self._ship(time.time() - SETTLED_SECONDS, None)

    def finish(self) -> None:
        """Ship all that is kept, as this process ends."""
        try:
            self._ship(time.time() + SETTLED_SECONDS, Deadline(FINISH_SECONDS, ()))
        except OSError as error:
            log.warning("the newest feedback of this instance is not shipped: %s", error)

    def _ship(self, until: float, deadline: Deadline | None) -> None:
        shipped, planned = self._noted()
        if planned:
            shipped = self._write(shipped, planned, deadline)
        is_full = True
        while is_full and (planned := self._plan(shipped, until)):
            shipped = self._write(shipped, planned, deadline)
            is_full = planned.rows == OBJECT_ROWS

    def _noted(self) -> tuple[Shipped, Shipped | None]:
        """How far it has come, and what is to be written again."""
        noted = self._store.note(NOTE)
        if noted is None:
            return Shipped(instance=f"{random.getrandbits(32):08x}"), None
        return msgspec.convert(noted, tuple[Shipped, Shipped | None])

    def _plan(self, shipped: Shipped, until: float) -> Shipped | None:
        """What is shipped next, which is noted; None if there is nothing new."""
        rows = self._store.predictions_after(shipped.id, shipped.row, until, OBJECT_ROWS)
        hours = self._store.hours(_since(shipped))
        if not rows and not any(_new(shipped, hours)):
            return None
        last = rows[-1] if rows else shipped
        planned = Shipped(
            instance=shipped.instance,
            number=shipped.number + 1,
            date=bucket.today(),
            at=time.time(),
            id=last.id,
            row=last.row,
            rows=len(rows),
            hours=[
                (each.hour, each.version, each.layout, each.answers, each.counts.tolist())
                for each in hours
            ],
        )
        self._store.set_note(NOTE, (shipped, planned))
        return planned

    def _write(self, shipped: Shipped, planned: Shipped, deadline: Deadline | None) -> Shipped:
        """Write the objects of what is planned, and note it as shipped; raises OSError."""
        rows = self._store.predictions_after(
            shipped.id, shipped.row, planned.at + 2 * SETTLED_SECONDS, planned.rows
        )
        hours = list(_new(shipped, itertools.starmap(_hour, planned.hours)))
        for kind, records in ((PREDICTIONS, rows), (STATISTICS, hours)):
            if records:
                content = lines.write(kind, records, self._features)
                bucket.put(self._settings, f"{kind}/{planned.name}", content, deadline)
        self._store.set_note(NOTE, (planned, None))
        return planned


def _since(shipped: Shipped) -> float:
    """The hours from here on may have changed since, in seconds since 1970."""
    return max(0.0, shipped.at - HOUR_SECONDS)


def _new(shipped: Shipped, hours: Iterable[Hour]) -> Iterator[Hour]:
    """By how much counts have grown, for each hour that has grown."""
    before = {each[:3]: each[3:] for each in shipped.hours}
    for each in hours:
        answers, counts = before.get((each.hour, each.version, each.layout), (0, [0]))
        grown = each.counts - np.array(counts, np.int64)
        if each.answers != answers or grown.any():
            yield msgspec.structs.replace(each, answers=each.answers - answers, counts=grown)


def _hour(hour: int, version: str, layout: str, answers: int, counts: list[int]) -> Hour:
    values = np.array(counts, np.int64)
    return Hour(hour=hour, version=version, layout=layout, answers=answers, counts=values)
