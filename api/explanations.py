"""Explain answers: how much each feature of a row adds to the model's answer."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET

from api.answers import Explanation, RowExplanation
from api.errors import Busy, TooLarge
from api.http import deadlines
from api.service import Service
from models.engines import Rows
from models.errors import ModelError, Replaced, RowRejected, Unexplained
from models.explain import Clock, Explainer, background
from models.explain.permutation import Permutation
from models.files import version_of
from models.model import Model
from models.rows.batch import Batch

log = logging.getLogger("api")

# Largest relative difference between the sum of contributions and the answer.
TOLERANCE = 1e-6
# Rows of the background on which an explainer is tried before it is chosen.
TRIED_ROWS = 5
# The methods whose answers can be explained, the most informative one first.
OF_CLASSES = ("predict_proba", "decision_function", "predict")
OF_OTHERS = ("decision_function", "predict_proba", "predict", "score_samples")
FORMS = {"text": "texts", "labels": "labels", "mapping": "objects with names of their own"}
GET_SHAP = "shap is not installed, which explains trees exactly: make build-image EXPLAIN=true"


class Explanations:
    """Explains the answers of one model with the best explainer for it.

    The first request chooses the explainer, since that may import scikit-learn. `timeout` is in
    seconds.
    """

    def __init__(self, service: Service, timeout: float) -> None:
        self._service = service
        self._timeout = timeout
        self._lock = threading.Lock()
        self._chosen: tuple[Explainer, Permutation] | None = None

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

    def _ways(self) -> tuple[Explainer, Permutation]:
        """The result of `_choose`, which runs once; the first requests wait for it."""
        if self._chosen is None:
            if not self._lock.acquire(timeout=deadlines.left(deadlines.end(self._timeout))):
                raise Busy("Another request still finds out how to explain this model.")
            try:
                self._chosen = self._chosen or self._choose()
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
        outputs = self._table(explainer.output, self._service.run(explainer.output, batch))
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

    def _choose(self) -> tuple[Explainer, Permutation]:
        """The best explainer of this model, and the one that needs only its answers."""
        model, signature = self._service.model, self._service.model.signature
        if signature.form != "table":
            raise Unexplained(
                f"Only what is said of rows of features can be explained: this {model.kind} takes "
                f"{FORMS[signature.form]}."
            )
        output = explained_method(model)
        rows = background.read(signature, model.card)
        players = [i for i, f in enumerate(signature.features) if f.kind != "unused"]
        sampled = Permutation(
            output, partial(self._ask, output), rows, players, len(signature.features)
        )
        found = self._structured(rows)
        return (found if found and (found.exact or not sampled.exact) else sampled), sampled

    def _structured(self, rows: Rows) -> Explainer | None:
        """An explainer that reads the fitted estimator; None if none fits."""
        try:
            from models.explain.columns import Columns
            from models.explain.linear import Linear
            from models.explain.tree import Tree
        except ModuleNotFoundError:
            log.info("explanations are sampled: scikit-learn is not installed")
            return None
        try:
            columns = Columns(self._estimator(), self._service.model.signature)
        except Replaced:
            raise
        except Exception as error:
            log.info("explanations are sampled: %s", error)
            return None
        for kind in (Linear, Tree):
            try:
                found: Explainer = kind(columns, lambda method: partial(self._ask, method), rows)
                some = rows[:TRIED_ROWS]
                outputs = self._ask(found.output, some)
                contributions = found.contributions(some, outputs, self._clock())
                largest_error(found.base, contributions, outputs)
                return found
            except Busy:
                raise
            except ModuleNotFoundError as error:
                log.warning("%s", GET_SHAP if error.name == "shap" else error)
            except Exception as error:
                log.info("not explained by the %s method: %s", kind.method, error)
        return None

    def _estimator(self) -> Any:
        """The fitted estimator, which is loaded first where a plan serves.

        Raises Replaced if the file has changed: processes that loaded it before read the estimator,
        and another explainer would give other numbers.
        """
        from models.unpickle import unpickle

        model = self._service.model
        if model.estimator is not None:
            return model.estimator
        try:
            version_of(Path(model.path), model.version)
        except ModelError as error:
            log.error("%s: restart the service", error)  # noqa: TRY400
            raise Replaced from None
        return unpickle(Path(model.path), model.version)[0]

    def _ask(self, method: str, rows: Rows) -> np.ndarray:
        """The model's answers for rows of the explainer's own, as numbers."""
        try:
            return self._table(method, self._service.batcher.run(method, rows))
        except RowRejected as refused:
            raise Unexplained(
                "The model refuses a row of its background, or a mixture of one with a row of the "
                f"request: {refused.reason}{self._service.model.hint}"
            ) from None

    def _table(self, method: str, result: Any) -> np.ndarray:
        """Results as numbers, shape (n_samples, n_outputs); 1 for the label that was predicted."""
        classes = self._service.model.classes
        if method == "predict" and classes:
            return np.array([[float(label == each) for each in classes] for label in result])
        array = np.asarray(result)
        if array.dtype.kind != "f":
            raise Unexplained(
                f"The answers of this {self._service.model.kind} are labels, not quantities, and "
                "cannot be divided among features."
            )
        if not np.isfinite(array).all():
            raise Unexplained("The model's answers are not all finite numbers.")
        return array.reshape(len(array), -1).astype(np.float64)

    def _clock(self) -> Clock:
        end = time.monotonic() + deadlines.left(deadlines.end(self._timeout))

        def check() -> None:
            if time.monotonic() > end:
                raise Busy(f"Explaining took over {self._timeout:g} seconds: send fewer rows.")

        return check


class WrongSum(Exception):
    """Contributions do not add up to the model's answer."""


def explained_method(model: Model) -> str:
    """The method of the model whose answers are explained.

    Raises Unexplained if it has none.
    """
    if model.classes and isinstance(model.classes[0], list):
        raise Unexplained(
            "The answers of a model with several outputs of classes are not explained."
        )
    for method in OF_CLASSES if model.classes else OF_OTHERS:
        if method in model.methods:
            return method
    raise Unexplained(f"This {model.kind} predicts nothing that could be explained.")


def largest_error(base: np.ndarray, found: np.ndarray, outputs: np.ndarray) -> float:
    """The largest difference of an answer from the sum of the base and its contributions.

    Raises WrongSum if it is too large.
    """
    error = float(np.abs(base + found.sum(axis=1) - outputs).max())
    size = max(1.0, float(np.abs(outputs).max()), float(np.abs(base).max()))
    if not error <= TOLERANCE * size:
        raise WrongSum(f"the sum differs by {error:.1e} from answers of up to {size:.1e}")
    return error
