"""Explain answers: how much each feature of a row adds to the model's answer."""

from __future__ import annotations

import logging
import threading
import time

from msgspec import UNSET

from api.answers import Explanation, RowExplanation
from api.errors import Busy
from api.http import deadlines
from api.service import Service
from models.errors import TooLarge, Unexplained
from models.explain import Clock, Explainer
from models.explain.choose import Answers, WrongSum, choose, largest_error
from models.rows.batch import Batch

log = logging.getLogger("api")


class Explanations:
    """Explains the answers of one model with the best explainer for it.

    The first request chooses the explainer, since that may import scikit-learn. `timeout` is in
    seconds.
    """

    def __init__(self, service: Service, timeout: float) -> None:
        self._service = service
        self._timeout = timeout
        self._lock = threading.Lock()
        self._answers = Answers(service.model, service.batcher.run)
        self._chosen: tuple[Explainer, Explainer] | None = None

    def explain(self, batch: Batch) -> Explanation:
        """The contributions of each row's features to the model's answer for it.

        Raises Unexplained, TooLarge, Busy if it takes too long, and whatever `Service.run` raises.
        """
        clock = self._clock()
        best, sampled = self._ways()
        if best is not sampled:
            try:
                return self._answer(best, batch, clock)
            except WrongSum:
                log.exception("the %s explanation is wrong; sampled instead", best.method)
        try:
            return self._answer(sampled, batch, clock)
        except WrongSum:
            raise Unexplained(
                "The model does not answer the same row alike each time, so that nothing can be "
                "said to have brought its answer about."
            ) from None

    def _ways(self) -> tuple[Explainer, Explainer]:
        """The result of `choose`, which runs once; the first requests wait for it."""
        if self._chosen is None:
            if not self._lock.acquire(timeout=deadlines.left(deadlines.end(self._timeout))):
                raise Busy("Another request still finds out how to explain this model.")
            try:
                self._chosen = self._chosen or choose(self._answers, self._clock())
            finally:
                self._lock.release()
        return self._chosen

    def _answer(self, explainer: Explainer, batch: Batch, clock: Clock) -> Explanation:
        count, features = len(batch.rows), self._service.model.signature.features
        if count > explainer.max_rows:
            raise TooLarge(
                f"{count} rows of {len(features)} features are over the limit of "
                f"{explainer.max_rows} in one request for an explanation."
            )
        result = self._service.run(explainer.output, batch)
        outputs = self._answers.numbers(explainer.output, result)
        found = explainer.contributions(batch.rows, outputs, clock)
        error = largest_error(explainer.base, found, outputs)
        names = [feature.name for feature in features]
        return Explanation(
            method=explainer.method,
            exact=explainer.exact,
            output=explainer.output,
            base=explainer.base.tolist(),
            explanations=[
                RowExplanation(dict(zip(names, values, strict=True)), output)
                for values, output in zip(found.tolist(), outputs.tolist(), strict=True)
            ],
            largest_error=error,
            classes=self._service.model.classes or UNSET,
        )

    def _clock(self) -> Clock:
        end = time.monotonic() + deadlines.left(deadlines.end(self._timeout))

        def check() -> None:
            if time.monotonic() > end:
                raise Busy(f"Explaining took over {self._timeout:g} seconds: send fewer rows.")

        return check
