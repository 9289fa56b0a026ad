"""Choose how the answers of a model are explained: by its estimator, or by its answers alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.engines import Rows
from models.errors import CallError, ModelError, Replaced, RowRejected, Unexplained
from models.explain import Clock, Explainer, background
from models.explain.permutation import Permutation
from models.files import version_of
from models.model import Model

log = logging.getLogger("models")

# Largest relative difference between the sum of contributions and the answer.
TOLERANCE = 1e-6
# Rows of the background on which an explainer is tried before it is chosen.
TRIED_ROWS = 5
# The methods whose answers can be explained, the most informative one first.
OF_CLASSES = ("predict_proba", "decision_function", "predict")
OF_OTHERS = ("decision_function", "predict_proba", "predict", "score_samples")
FORMS = {"text": "texts", "labels": "labels", "mapping": "objects with names of their own"}
GET_SHAP = "shap is not installed, which explains trees exactly: make build-image EXPLAIN=true"


class WrongSum(Exception):
    """Contributions do not add up to the model's answer."""


class Answers:
    """The answers of a model as numbers; `run` calls one of its methods on rows."""

    def __init__(self, model: Model, run: Callable[[str, Rows], Any]) -> None:
        self.model = model
        self._run = run

    def ask(self, method: str, rows: Rows) -> np.ndarray:
        """Answer rows of an explainer's own; raises Unexplained where the model rejects one."""
        try:
            return self.numbers(method, self._run(method, rows))
        except RowRejected as refused:
            raise Unexplained(
                "The model refuses a row of its background, or a mixture of one with a row of the "
                f"request: {refused.reason}{self.model.hint}"
            ) from None

    def numbers(self, method: str, result: Any) -> np.ndarray:
        """Results as numbers, shape (n_samples, n_outputs); 1 for the label that was predicted.

        Raises Unexplained where they are none.
        """
        classes = self.model.classes
        if method == "predict" and classes:
            return np.array([[float(label == each) for each in classes] for label in result])
        array = np.asarray(result)
        if array.dtype.kind != "f":
            raise Unexplained(
                f"The answers of this {self.model.kind} are labels, not quantities, and "
                "cannot be divided among features."
            )
        if not np.isfinite(array).all():
            raise Unexplained("The model's answers are not all finite numbers.")
        return array.reshape(len(array), -1).astype(np.float64)


def choose(answers: Answers, clock: Clock) -> tuple[Explainer, Permutation]:
    """The best explainer of a model, and the one that needs only its answers.

    Raises Unexplained if there is none, and whatever `clock` and `Answers.ask` raise.
    """
    model = answers.model
    signature = model.signature
    if signature.form != "table":
        raise Unexplained(
            f"Only what is said of rows of features can be explained: this {model.kind} takes "
            f"{FORMS[signature.form]}."
        )
    output = explained_method(model)
    rows = background.read(signature, model.card)
    players = [i for i, f in enumerate(signature.features) if f.kind != "unused"]
    ask = partial(answers.ask, output)
    sampled = Permutation(output, ask, rows, players, len(signature.features))
    found = _structured(answers, rows, clock)
    return (found if found and (found.exact or not sampled.exact) else sampled), sampled


def _structured(answers: Answers, rows: Rows, clock: Clock) -> Explainer | None:
    """An explainer that reads the fitted estimator; None if none fits."""
    try:
        from models.explain.columns import Columns
        from models.explain.linear import Linear
        from models.explain.tree import Tree
    except ModuleNotFoundError:
        log.info("explanations are sampled: scikit-learn is not installed")
        return None
    try:
        columns = Columns(_estimator(answers.model), answers.model.signature)
    except Replaced:
        raise
    except Exception as error:
        log.info("explanations are sampled: %s", error)
        return None
    for kind in (Linear, Tree):
        try:
            found: Explainer = kind(columns, lambda method: partial(answers.ask, method), rows)
            some = rows[:TRIED_ROWS]
            outputs = answers.ask(found.output, some)
            largest_error(found.base, found.contributions(some, outputs, clock), outputs)
            return found
        except Unexplained as error:
            log.info("not explained by the %s method: %s", kind.method, error)
        except CallError:
            # The time is up, or the model is busy: another explainer would not help.
            raise
        except ModuleNotFoundError as error:
            log.warning("%s", GET_SHAP if error.name == "shap" else error)
        except Exception as error:
            log.info("not explained by the %s method: %s", kind.method, error)
    return None


def _estimator(model: Model) -> Any:
    """The fitted estimator, which is loaded first where a plan serves.

    Raises Replaced if the file has changed: processes that loaded it before read the estimator,
    and another explainer would give other numbers.
    """
    from models.unpickle import unpickle

    if model.estimator is not None:
        return model.estimator
    try:
        version_of(Path(model.path), model.version)
    except ModelError as error:
        log.error("%s: restart the service", error)  # noqa: TRY400
        raise Replaced from None
    return unpickle(Path(model.path), model.version)[0]


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
