"""Writes down what the processes of the service have noted of their answers.

Each process has a thread that writes four times a second: kept rows at once, and counts once a
second. A process that is killed loses what it noted since.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from pathlib import Path
from typing import Literal

import numpy as np

from api.feedback.facts import Hour
from api.feedback.notes import Answered, Notes, Purse
from api.feedback.predictions import Maker
from api.feedback.schema import hour_of
from api.feedback.store import FeedbackStore
from api.settings import Settings
from models.drift import Layout
from models.model import Model

log = logging.getLogger("api")

FOLD_SECONDS = 0.25
# Answers are counted, and the purse is filled, at each fourth fold.
FOLDS_A_SECOND = 4
# Between two warnings that nothing can be written.
WARNING_SECONDS = 60.0
# A request that began with an old version may be answered so long after the swap.
LINGER_SECONDS = 5.0
# The most predictions that are kept in a temporary folder, which may be memory: about 6 MB.
MAX_TEMPORARY = 50_000
NOTHING = "nothing is kept of predictions (PREDICTION_LOG=off): set PREDICTION_LOG=all"
STATISTICS = (
    "only counts are kept of predictions (PREDICTION_LOG=statistics): set PREDICTION_LOG=all"
)
NO_DISK = (
    "only counts are kept of predictions, since this disk is memory: set FEEDBACK_URI to a bucket"
)
NO_FOLDER = (
    "only counts are kept of predictions, since DATA_DIR={} cannot be written ({}): set another "
    "folder, or FEEDBACK_URI to a bucket"
)


class Recorder:
    """The notes of this process, and the store that all processes share.

    `mode` says what is kept, and `reason` why less is kept than the settings ask for.
    """

    def __init__(self) -> None:
        self.mode: Literal["all", "statistics", "off"] = "off"
        self.reason = NOTHING
        self._store: FeedbackStore | None = None
        self._folding = threading.RLock()
        self._reset()

    def _reset(self) -> None:
        self._purse: Purse | None = None
        self._notes: list[Notes] = []
        self._counts: dict[tuple[int, str, str], tuple[int, np.ndarray]] = {}
        self._layouts: dict[str, Layout] = {}
        self._folds = 0
        self._warned = -WARNING_SECONDS
        self._maker: Maker
        self._most = 0

    @property
    def store(self) -> FeedbackStore:
        """The store; there is one unless the mode is "off"."""
        assert self._store is not None  # noqa: S101  (whoever asks has looked at the mode)
        return self._store

    def begin(self, settings: Settings) -> None:
        """Open the store, before the processes are forked."""
        self._reset()
        self._most = settings.max_predictions
        self.mode, self.reason = settings.keeps_predictions, ""
        if self.mode == "off":
            self._store, self.reason = None, NOTHING
            return
        try:
            self._open(settings)
            self._maker = Maker(settings, self.store.folder)
        except OSError as error:
            self.mode, self.reason = "off", f"feedback cannot be kept: {error}"
            log.warning("%s", self.reason)
            return
        if self.mode == "all":
            self._purse = Purse(settings.prediction_log_rate)
        elif not self.reason:
            self.reason = STATISTICS

    def _open(self, settings: Settings) -> None:
        """Open the store in DATA_DIR, or in a temporary folder, which ends with this machine.

        There rows are kept only if a bucket gets them. Raises OSError.
        """
        reason = NO_DISK
        if settings.data_folder is not None:
            try:
                self._store = FeedbackStore(settings.data_folder / "feedback")
            except OSError as error:
                reason = NO_FOLDER.format(settings.data_folder, error)
            else:
                return
        self._store = FeedbackStore(Path(tempfile.mkdtemp(prefix="feedback-")))
        self._most = MAX_TEMPORARY
        if self.mode == "all" and not settings.feedback_uri:
            self.mode, self.reason = "statistics", reason
            is_asked = settings.data_dir or settings.prediction_log != "auto"
            log.log(logging.WARNING if is_asked else logging.INFO, reason)

    def expire(self, ttl: float) -> None:
        """Remove what is older than so many seconds, and the oldest predictions of too many."""
        self.store.expire(time.time() - ttl, self._most)

    def notes(self, model: Model) -> Notes | None:
        """The notes on the answers of a version of the model; None where nothing is kept.

        Raises ModelError where the first version has no feature that is to be hidden.
        """
        if self.mode == "off":
            return None
        if not self._notes:
            self._maker.check(model)
        made = Notes(model, self._purse)
        self._notes.append(made)
        return made

    def features(self, version: str) -> list[str] | None:
        """The names of the features of a version; None if it serves no more in this process."""
        for notes in self._notes:
            if notes.model.version == version:
                return [feature.name for feature in notes.model.signature.features]
        return None

    def layout(self, model: Model) -> Layout:
        """What the counts of a model mean; features that are hidden have none."""
        return Layout.of(model, self._maker.hidden)

    def watch(self) -> None:
        """Write down what is noted, for ever; in a thread of each process."""
        while True:
            time.sleep(FOLD_SECONDS)
            try:
                self.fold()
            except Exception:
                log.exception("feedback cannot be written down")

    def fold(self, *, everything: bool = False) -> None:
        """Write down the kept rows, and once a second the counts.

        With `everything` the counts as well, at any time.
        """
        with self._folding:
            self._folds += not everything
            is_second = not everything and self._folds % FOLDS_A_SECOND == 0
            kept = [(notes.model, each) for notes in self._notes for each in notes.kept()]
            predictions = [made for model, each in kept for made in self._maker.made(model, each)]
            try:
                if is_second:
                    self.store.check()
                if predictions:
                    self.store.add(predictions)
                if is_second or everything:
                    self._count()
            except OSError as error:
                self._warn(error)
                if self._purse is not None:
                    # What cannot be written down gets no id.
                    self._purse.coins.clear()
            else:
                if is_second and self._purse is not None:
                    self._purse.fill()

    def close(self) -> None:
        """Write down all that this process has noted, at its end."""
        if self.mode != "off":
            self.fold(everything=True)

    def _count(self) -> None:
        """Count the answers, and write the counts. Raises OSError."""
        for notes in self._notes:
            answered, rows = notes.counted()
            if rows:
                self._add(notes.model, answered, rows)
        now = time.monotonic()
        self._notes = [notes for notes in self._notes if notes.closed + LINGER_SECONDS > now]
        if self._counts:
            self._write_counts()

    def _add(self, model: Model, answered: list[Answered], rows: int) -> None:
        """Add the answers of one version, of so many rows, to the counts of this hour."""
        layout = self._layouts.get(model.version)
        if layout is None:
            layout = self._layouts[model.version] = self.layout(model)
        key = hour_of(time.time()), model.version, layout.name
        answers, counts = self._counts.get(key, (0, np.zeros(layout.size, np.int64)))
        for each in answered:
            counts = counts + layout.count(each.method, each.rows, each.result)
        self._counts[key] = answers + rows, counts

    def _write_counts(self) -> None:
        counts, self._counts = self._counts, {}
        try:
            self.store.add_counts(
                Hour(hour=hour, version=version, layout=layout, answers=answers, counts=cells)
                for (hour, version, layout), (answers, cells) in counts.items()
            )
        except OSError:
            self._counts = counts
            raise

    def _warn(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._warned > WARNING_SECONDS:
            self._warned = now
            log.warning("feedback is lost: %s", error)


# That of this process; its store is opened before the fork.
recorder = Recorder()
