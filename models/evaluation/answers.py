"""Ask a model, or a fitted estimator, for its answers to rows whose truth may be known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

from models.bound import Bound
from models.errors import CallError, brief
from models.evaluation.facts import Answers, Kind, Unmeasurable
from models.evaluation.truth import as_truth
from models.model import Model
from models.unpickle import unpickle

# The model answers as many rows at once: memory stays bounded for any number of rows.
ROWS_AT_ONCE = 10_000
SCORES = ("decision_function", "score_samples")


def answered(model: Model, rows: Any, truth: Any = None) -> Answers:
    """The answers of a model to n rows, as the service would answer them.

    `rows` are as in `Model.answer`; `truth` has the shape (n,), and None stands for unknown. Rows
    that the model refuses, or whose truth is missing, are left out. Raises Unmeasurable.
    """
    known, missing = _with_truth(rows, truth)
    places, predictions, reasons = predicted(model, rows, known)
    if not len(places):
        raise Unmeasurable(f"the model refuses all {len(known):,} rows; the first: {reasons[0]}")

    def results(method: str) -> np.ndarray:
        done = [model.answer(method, _take(rows, each)) for each in _parts(places)]
        return np.concatenate([np.asarray(each) for each in done])

    methods = {name: _later(results, name) for name in model.methods if name != "predict"}
    asked = _Asked(truth, places, _take(rows, places), len(reasons), missing)
    kind = kind_of(model.estimator, model.classes, model.methods, predictions)
    estimator = model.estimator
    if kind == "clusterer" and estimator is None and Path(model.path).suffix == ".joblib":
        # A plan answers, and only the estimator has the rows as its last step sees them.
        estimator = unpickle(Path(model.path), model.version)[0]
    inputs = _inputs(estimator, asked.rows) if kind == "clusterer" else None
    return _answers(kind, model.classes, {"predict": lambda: predictions, **methods}, asked, inputs)


def predicted(
    model: Model, rows: Any, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The places of the rows that a model answers, its predictions, and why it refuses the others.

    Raises Unmeasurable if it refuses rows of this form, as where a column is missing.
    """
    reasons: list[str] = []

    def ask(part: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        try:
            return [(part, np.asarray(model.answer("predict", _take(rows, part))))]
        except CallError as error:
            if not any(place.pointer.startswith("row") for place in error.places):
                raise Unmeasurable(f"the model refuses these rows: {error}") from None
            if len(part) == 1:
                reasons.append(str(error).replace("row 0", f"row {part[0] + 1}", 1))
                return []
        # Halves find one refused row among n in log2(n) calls.
        half = len(part) // 2
        return ask(part[:half]) + ask(part[half:])

    found = [each for part in _parts(places) for each in ask(part)]
    if not found:
        return places[:0], places[:0], reasons
    kept, results = zip(*found, strict=True)
    return np.concatenate(kept), np.concatenate(results), reasons


def of_estimator(estimator: Any, rows: Any, truth: Any = None) -> Answers:
    """The answers of a fitted estimator itself to n rows; see `answered`. Raises Unmeasurable."""
    places, missing = _with_truth(rows, truth)
    known = _take(rows, places)

    def results(method: str) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return np.asarray(getattr(estimator, method)(known))
            except Exception as error:
                reason = f"the model does not answer these rows: {brief(error)}"
                raise Unmeasurable(reason) from None

    names = [name for name in ("predict_proba", *SCORES) if hasattr(estimator, name)]
    predictions = results("predict")
    classes = getattr(estimator, "classes_", None)
    kind = kind_of(estimator, classes, names, predictions)
    methods = {"predict": lambda: predictions} | {name: _later(results, name) for name in names}
    inputs = _inputs(estimator, known) if kind == "clusterer" else None
    asked = _Asked(truth, places, known, 0, missing)
    return _answers(kind, classes, methods, asked, inputs)


def kind_of(estimator: Any, classes: Any, methods: Sequence[str], predictions: np.ndarray) -> Kind:
    """The kind of a model: by the estimator's tags, or by its answers if only a plan is known."""
    if estimator is not None:
        for kind, holds in _TAGS.items():
            if holds(estimator):
                return kind
    if classes is not None:
        return "classifier"
    if set(SCORES) <= set(methods):
        return "outliers"
    return "clusterer" if predictions.dtype.kind in "iu" else "regressor"


_TAGS: dict[Kind, Callable[[Any], bool]] = {
    "classifier": is_classifier,
    "regressor": is_regressor,
    "outliers": is_outlier_detector,
    "clusterer": is_clusterer,
}


def in_common(a: Answers, b: Answers) -> tuple[Answers, Answers]:
    """The answers to the rows that both models answer. Raises Unmeasurable if there is none."""
    places = np.intersect1d(a.places, b.places)
    if not len(places):
        raise Unmeasurable("there is no row that both models answer")
    return _only(a, places), _only(b, places)


def _only(answers: Answers, places: np.ndarray) -> Answers:
    kept = np.searchsorted(answers.places, places)
    parts = ("truth", "predictions", "probabilities", "scores", "inputs", "places")
    known = {name: getattr(answers, name) for name in parts}
    cut = {name: each[kept] for name, each in known.items() if each is not None}
    return msgspec.structs.replace(answers, rows=_take(answers.rows, kept), **cut)


class _Asked(NamedTuple):
    """The rows that were answered, and all that is known about the others."""

    truth: Any
    places: np.ndarray
    rows: Any
    refused: int
    missing: int


def _answers(
    kind: Kind,
    classes: Any,
    methods: dict[str, Callable[[], np.ndarray]],
    asked: _Asked,
    inputs: np.ndarray | None,
) -> Answers:
    predictions = methods["predict"]()
    if predictions.ndim == 2 and predictions.shape[1] == 1 and kind == "regressor":
        # As of an estimator that was fitted on answers in a column.
        predictions = predictions[:, 0]
    if predictions.ndim != 1:
        raise Unmeasurable("the model answers with several values a row: only one can be measured")
    if asked.truth is None and kind in ("classifier", "regressor"):
        raise Unmeasurable(
            f"a {kind} is measured on rows whose answers are known: name their column, "
            "TARGET=column"
        )
    truth = None
    if asked.truth is not None:
        known = np.asarray(asked.truth, dtype=object)[asked.places]
        truth = as_truth(kind, _plain(classes), known)
    asks = {"classifier": ("decision_function",), "outliers": SCORES}.get(kind, ())
    scores = next((name for name in asks if name in methods), "")
    has_shares = kind == "classifier" and "predict_proba" in methods
    return Answers(
        kind=kind,
        truth=truth,
        predictions=predictions,
        probabilities=methods["predict_proba"]() if has_shares else None,
        scores=methods[scores]() if scores else None,
        classes=tuple(_plain(classes)) if kind == "classifier" else None,
        places=asked.places,
        refused=asked.refused,
        without_truth=asked.missing,
        rows=asked.rows,
        inputs=inputs,
    )


def _plain(classes: Any) -> list[Any]:
    return classes.tolist() if isinstance(classes, np.ndarray) else list(classes or ())


def _with_truth(rows: Any, truth: Any) -> tuple[np.ndarray, int]:
    """The places of rows whose truth is known, and how many others there are."""
    count = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    if not count:
        raise Unmeasurable("there are no rows to measure")
    if truth is None:
        return np.arange(count), 0
    if np.ndim(truth) != 1:
        raise Unmeasurable("the truth has several values a row: only one can be measured")
    if len(truth) != count:
        raise Unmeasurable(f"there are {count:,} rows, and {len(truth):,} known answers to them")
    places = np.flatnonzero(~pd.isna(pd.Series(truth)).to_numpy())
    if not len(places):
        raise Unmeasurable(f"the known answer is missing in all {count:,} rows")
    return places, count - len(places)


def _inputs(estimator: Any, rows: Any) -> np.ndarray | None:
    """The rows as numbers, as the last step of the estimator sees them; None if that is unknown."""
    if estimator is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seen = estimator[:-1].transform(rows) if hasattr(estimator, "steps") else rows
        dense = seen.toarray() if hasattr(seen, "toarray") else seen
        return np.asarray(dense, dtype=np.float64)
    except Exception:
        return None


def _later(results: Callable[[str], np.ndarray], method: str) -> Callable[[], np.ndarray]:
    return lambda: results(method)


def _parts(places: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of the places; a terminal shows how far the work on them is."""
    say = Bound().say
    for start in range(0, len(places), ROWS_AT_ONCE):
        if start:
            say(f"{start:,} of {len(places):,} rows")
        yield places[start : start + ROWS_AT_ONCE]
    say("")


def _take(rows: Any, places: np.ndarray) -> Any:
    if hasattr(rows, "iloc"):
        return rows.iloc[places]
    return rows[places] if hasattr(rows, "shape") else [rows[i] for i in places]
