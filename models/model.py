"""A model: a fitted estimator, and all that is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from models.engines import Engine
from models.signature.types import Signature

# The methods that answer a table of rows with one result a row, in the order they are listed.
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "predict_joint_log_proba",
    "decision_function",
    "transform",
    "score_samples",
    "mahalanobis",
    "kneighbors",
    "radius_neighbors",
    "apply",
)
# Those whose answer has one column for each class.
PER_CLASS = ("predict_proba", "predict_log_proba", "predict_joint_log_proba")


def default_of(methods: Sequence[str]) -> str:
    """The method for calls that name none: `predict`, or else the model's first."""
    return "predict" if "predict" in methods else methods[0]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted estimator and all that is known about it; `load` makes one.

    Each of `methods` is called as the estimator's own: `model.predict(rows)`; see `answer`.

    `version` is the SHA-256 of its file, `kind` the name of the estimator, and of its last step
    where it is a pipeline, `signature` the rows it takes, `classes` the labels in the order of the
    columns of `predict_proba` (a list of them for several outputs), `card` the sidecar or an empty
    dict, `versions` those of the libraries it needs, `outputs` the names of the columns that
    `transform` answers, if it knows them. `engine` runs it; `estimator` is None where a plan does.
    """

    path: str
    version: str
    kind: str
    engine: Engine
    estimator: Any = None
    signature: Signature
    methods: tuple[str, ...]
    classes: list[Any] | None
    card: dict[str, Any]
    versions: dict[str, str]
    outputs: tuple[str, ...] = ()

    @property
    def default_method(self) -> str:
        """The method for calls that name none."""
        return default_of(self.methods)

    @property
    def hint(self) -> str:
        """What to add where the model rejects a row, and no row is known that it takes."""
        if self.signature.form == "table" and self.signature.example is None:
            return "; what the model takes is not known: `make card DATA=train.csv` tells it"
        return ""

    def labels(self, method: str) -> list[Any] | None:
        """The classes that the columns of a method's results stand for, if they do."""
        return self.classes if method in PER_CLASS else None

    def columns(self, method: str) -> list[str]:
        """The names of the columns of a method's results, as a table of them has."""
        labels = self.labels(method)
        if labels and isinstance(labels[0], list):
            # Outputs have no names: a column is named by the number of its output, and its class.
            return [f"{i}_{label}" for i, output in enumerate(labels) for label in output]
        if labels:
            return [str(label) for label in labels]
        if method == "transform" and self.outputs:
            return list(self.outputs)
        return ["prediction" if method == "predict" else method]

    def __repr__(self) -> str:
        """The model in one line: a card may have many."""
        return f"Model({self.kind}, path={self.path!r}, methods={self.methods})"

    def answer(self, method: str, rows: Any) -> Any:
        """The results of one method for n rows: an array, a sparse matrix, or several of them.

        `rows` are a DataFrame, an array of shape (n_samples, n_features), or a list of rows, each a
        dict by the features' names or a list in their order; for a model of texts, a list of texts.
        Raises InvalidRows, which says where they are wrong.
        """
        from models.tables import answer

        return answer(self, method, rows)

    def __getattr__(self, name: str) -> Any:
        """One of the model's methods."""
        if name in METHODS:
            if name in self.methods:
                return partial(self.answer, name)
            have = ", ".join(self.methods)
            raise AttributeError(f"this {self.kind} has no {name}; it has {have}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        """The attributes, with the model's methods."""
        return [*super().__dir__(), *self.methods]
