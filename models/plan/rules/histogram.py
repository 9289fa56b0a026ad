"""Histogram gradient boosting, with its own categories and missing values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from ..builder import UNKNOWN, Builder, Category, Column, Outputs, Table, Value, rule
from ..errors import NotCompiled
from ..signature import is_missing
from . import tree_arrays
from .trees import raw_scores

# The side to which a split sends each category, and last a missing or unknown value: 0 is left.
Sides = tuple[int, ...]


def scores(builder: Builder, estimator: Any, table: Table) -> Value:
    """The sum of the baseline and the trees' values.

    Instead of a column of categories, the trees see a column of 0 and 1 for each of the different
    splits by it.
    """
    known = categories(estimator)
    mask = estimator.is_categorical_
    mask = np.zeros(len(table), dtype=bool) if mask is None else mask
    predictors = [tree for each in estimator._predictors for tree in each]  # noqa: SLF001
    # For each column of categories, its different splits and their numbers.
    splits: list[dict[Sides, int]] = [{} for _ in known]
    for tree in predictors:
        for node in tree.nodes[tree.nodes["is_categorical"] == 1]:
            sides = sides_of(tree, node, len(known[node["feature_idx"]]))
            own = splits[node["feature_idx"]]
            own.setdefault(sides, len(own))
    # scikit-learn's preprocessor puts the columns of categories first.
    columns = [table[i] for i in np.flatnonzero(~mask)]
    starts = list(accumulate((len(own) for own in splits), initial=len(columns)))
    for i, values, own in zip(np.flatnonzero(mask), known, splits, strict=True):
        columns += split_columns(builder, table[i], values, list(own))
    nodes = [nodes_of(tree, known, splits, starts) for tree in predictors]
    return raw_scores(
        builder,
        tree_arrays.walk(builder, nodes, tuple(columns), missing=True, infinite=True),
        estimator._baseline_prediction[0],  # noqa: SLF001
        [tree.nodes["value"] for tree in predictors],
    )


def nodes_of(
    tree: Any,
    known: Sequence[Sequence[Any]],
    splits: Sequence[Mapping[Sides, int]],
    starts: Sequence[int],
) -> tree_arrays.Nodes:
    """The nodes of a tree, with the columns of 0 and 1 for its splits by categories."""
    feature = tree.nodes["feature_idx"] - len(known)
    threshold = tree.nodes["num_threshold"].copy()
    for i in np.flatnonzero(tree.nodes["is_categorical"]):
        node = tree.nodes[i]
        old = node["feature_idx"]
        sides = sides_of(tree, node, len(known[old]))
        feature[i], threshold[i] = starts[old] + splits[old][sides], 0.5
    leaf = tree.nodes["is_leaf"] == 1
    return tree_arrays.Nodes(
        feature=feature,
        threshold=threshold,
        left=np.where(leaf, -1, tree.nodes["left"].astype(np.intp)),
        right=tree.nodes["right"].astype(np.intp),
        missing_left=tree.nodes["missing_go_to_left"],
    )


def categories(estimator: Any) -> list[list[Any]]:
    """The known values of each column of categories."""
    if estimator.is_categorical_ is None or not estimator.is_categorical_.any():
        return []
    preprocessor = getattr(estimator, "_preprocessor", None)
    if preprocessor is None:
        raise NotCompiled("categories without an encoder, as before scikit-learn 1.4")
    encoder = preprocessor.named_transformers_["encoder"]
    return [
        [value for value in values.tolist() if not is_missing(value)]
        for values in encoder.categories_
    ]


def sides_of(tree: Any, node: Any, count: int) -> Sides:
    """The side to which a node sends each of `count` categories."""
    words = tree.raw_left_cat_bitsets[node["bitset_idx"]].tolist()
    sides = [1 - (words[i // 32] >> i % 32 & 1) for i in range(count)]
    return (*sides, 1 - int(node["missing_go_to_left"]))


def split_columns(
    builder: Builder, column: Column, known: Sequence[Any], splits: Sequence[Sides]
) -> Table:
    """A column of 0 and 1 for each split of a column of categories."""
    if not splits:
        return ()
    if not isinstance(column, Category):
        values = np.array(known, dtype=np.float64)
        codes = builder.do("codes_of", builder.numbers((column,)), known=values)
        column = Category(codes, (*known, None, UNKNOWN))
    places = [known.index(each) if each in known else -1 for each in column.meanings]
    sides = np.array(splits, dtype=np.int8).T[places]
    return builder.columns(builder.do("lookup", column.value, table=sides), len(splits))


@rule(HistGradientBoostingClassifier, predicts=True)
def histogram_classifier(
    builder: Builder, estimator: HistGradientBoostingClassifier, table: Table
) -> Outputs:
    """A score for the second of two classes, or for each of several."""
    raw = scores(builder, estimator, table)
    two = len(estimator.classes_) == 2
    return {
        "predict": builder.do("choose_above" if two else "choose", raw, labels=estimator.classes_),
        "predict_proba": builder.do("logistic" if two else "softmax", raw),
        "decision_function": raw,
    }


@rule(HistGradientBoostingRegressor, predicts=True)
def histogram_regressor(
    builder: Builder, estimator: HistGradientBoostingRegressor, table: Table
) -> Outputs:
    """The scores, or their exponentials for the losses of counts and amounts."""
    raw = scores(builder, estimator, table)
    powers = estimator.loss in ("poisson", "gamma")
    return {"predict": builder.do("exp", raw) if powers else raw}
