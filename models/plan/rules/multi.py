"""Several classes or outputs by estimators of one each."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
    _ConstantPredictor,
)
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from ..format import INPUT
from .ensembles import answers_of_parts
from .responses import answer, binary, positive, response


@rule(_ConstantPredictor, predicts=True)
def constant_predictor(
    builder: Builder,
    estimator: _ConstantPredictor,
    table: Table,  # noqa: ARG001
) -> Outputs:
    """The stand-in for an estimator whose training rows had one label."""
    label = builder.do("repeat", INPUT, row=np.asarray(estimator.y_[0]))
    own = float(estimator.y_[0])
    chance = builder.do("repeat", INPUT, row=np.array([1 - own, own]))
    return {"predict": label, "decision_function": label, "predict_proba": chance}


def threshold(estimator: Any) -> float:
    """The score above which a binary estimator chooses its second class."""
    scored = hasattr(estimator, "decision_function") and is_classifier(estimator)
    return 0.0 if scored else 0.5


@rule(OneVsRestClassifier, predicts=True)
def one_versus_rest(builder: Builder, estimator: OneVsRestClassifier, table: Table) -> Outputs:
    """The class with the highest score of its estimator; for multilabel all above the threshold."""
    parts = estimator.estimators_
    kind = estimator.label_binarizer_.y_type_
    scores = builder.do(
        "column_stack", *(binary(builder, part, table) for part in parts), dtype="float64"
    )
    limit = threshold(parts[0])
    if kind == "multiclass":
        label = builder.do("choose", scores, labels=estimator.classes_)
    elif kind == "multilabel-indicator":
        label = builder.do("choose_above", scores, labels=np.array([0, 1]), threshold=limit)
    elif len(estimator.classes_) == 2:
        score = builder.do("ravel", scores)
        label = builder.do("choose_above", score, labels=estimator.classes_, threshold=limit)
    else:
        raise NotCompiled("a OneVsRestClassifier of one class")
    outputs = {"predict": label}
    if hasattr(estimator, "predict_proba"):
        chances = [positive(builder, part, table) for part in parts]
        each = builder.do("column_stack", *chances, dtype="float64")
        if len(parts) == 1:
            each = builder.do("pair", chances[0])
        outputs["predict_proba"] = each if estimator.multilabel_ else builder.do("row_shares", each)
    if hasattr(estimator, "decision_function"):
        outputs["decision_function"] = (
            answer(builder, parts[0], table, "decision_function") if len(parts) == 1 else scores
        )
    return outputs


@rule(OneVsOneClassifier, predicts=True)
def one_versus_one(builder: Builder, estimator: OneVsOneClassifier, table: Table) -> Outputs:
    """The class with the most votes; the estimators' scores break ties."""
    if estimator.pairwise_indices_ is not None:
        raise NotCompiled("a OneVsOneClassifier of precomputed kernels")
    parts, count = estimator.estimators_, len(estimator.classes_)
    members: list[list[int]] = [[] for _ in range(count)]
    wins: list[list[float]] = [[] for _ in range(count)]
    for place, (first, second) in enumerate(combinations(range(count), 2)):
        members[first].append(place)
        wins[first].append(0.0)
        members[second].append(place)
        wins[second].append(1.0)
    decision = builder.do(
        "pairwise_votes",
        *answers_of_parts(builder, estimator, table, "predict"),
        *(binary(builder, part, table) for part in parts),
        members=np.array(members, dtype=np.intp).T,
        wins=np.array(wins).T[:, :, None],
    )
    if count > 2:
        label = builder.do("choose", decision, labels=estimator.classes_)
        return {"predict": label, "decision_function": decision}
    decision = builder.do("column", decision, index=1)
    limit = threshold(parts[0])
    label = builder.do("choose_above", decision, labels=estimator.classes_, threshold=limit)
    return {"predict": label, "decision_function": decision}


@rule(OutputCodeClassifier, predicts=True)
def output_code(builder: Builder, estimator: OutputCodeClassifier, table: Table) -> Outputs:
    """The class whose code is nearest to the estimators' scores."""
    scores = [binary(builder, part, table) for part in estimator.estimators_]
    codes = estimator.code_book_
    label = builder.do(
        "nearest_code",
        builder.do("require_finite", builder.do("column_stack", *scores, dtype="float64")),
        codes=codes,
        sizes=np.einsum("ij,ij->i", codes, codes),
        labels=estimator.classes_,
    )
    return {"predict": label}


@rule(MultiOutputRegressor, predicts=True)
def multi_output_regressor(
    builder: Builder, estimator: MultiOutputRegressor, table: Table
) -> Outputs:
    """A number for each output."""
    return {
        "predict": builder.do(
            "column_stack", *answers_of_parts(builder, estimator, table, "predict")
        )
    }


@rule(MultiOutputClassifier, predicts=True)
def multi_output_classifier(
    builder: Builder, estimator: MultiOutputClassifier, table: Table
) -> Outputs:
    """A label for each output, and an array of probabilities for each."""
    if len({np.asarray(classes).dtype.kind for classes in estimator.classes_}) > 1:
        raise NotCompiled("a MultiOutputClassifier with labels of several kinds")
    labels = builder.do("column_stack", *answers_of_parts(builder, estimator, table, "predict"))
    outputs = {"predict": labels}
    if hasattr(estimator, "predict_proba"):
        chances = answers_of_parts(builder, estimator, table, "predict_proba")
        outputs["predict_proba"] = builder.do("as_list", *chances)
    return outputs


@rule(ClassifierChain, RegressorChain, predicts=True)
def chain(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """Each estimator gets the answers of the earlier ones as further columns."""
    table = (
        builder.columns(builder.checked(table, missing=True), len(table))
        if not builder.is_sparse(table)
        else table
    )
    parts = estimator.estimators_
    outputs = {"predict": chained(builder, estimator, table, "predict")}
    for method in ("predict_proba", "decision_function"):
        # For other than two classes scikit-learn has no single number for each output.
        if hasattr(estimator, method) and all(len(part.classes_) == 2 for part in parts):
            outputs[method] = chained(builder, estimator, table, method)
    if "predict_proba" in outputs:
        outputs["predict_log_proba"] = builder.do("log", outputs["predict_proba"])
    return outputs


def chained(builder: Builder, estimator: Any, table: Table, method: str) -> Value:
    """The answers of one method of each estimator, in the order of the outputs."""
    feature_method = getattr(estimator, "chain_method_", "predict")
    columns = table
    found: list[Value] = []
    for part in estimator.estimators_:
        found.append(response(builder, part, columns, [method]))
        said = response(builder, part, columns, [feature_method])
        columns = (*columns, *builder.columns(builder.do("column_stack", said, dtype="float64"), 1))
    order = np.argsort(estimator.order_)
    return builder.do("column_stack", *(found[place] for place in order), dtype="float64")
