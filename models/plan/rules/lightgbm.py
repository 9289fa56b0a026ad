"""LightGBM's boosted trees: sums of float64 in LightGBM's order.

A model is read from its own text format: trees are lists of nodes, and a negative child is a leaf.
Source: `Tree::ToString` and `Tree::NumericalDecision` of LightGBM.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from . import tree_arrays
from .trees import raw_scores

KINDS = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")
# Bits of a decision: split by categories, missing goes left, kind of missing value.
CATEGORICAL, MISSING_LEFT, MISSING = 1, 2, 12
NOTHING_MISSING, ZERO_MISSING = 0, 4
IDENTITIES = (
    *("regression", "regression_l1", "huber", "fair", "quantile", "mape"),
    *("lambdarank", "rank_xendcg"),
)
EXPONENTIALS = ("poisson", "gamma", "tweedie")


@rule(*(f"lightgbm.sklearn.{kind}" for kind in KINDS), predicts=True)
def booster(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The sums of the trees' leaves, transformed as the objective says."""
    if callable(estimator.objective):
        raise NotCompiled("LightGBM with an objective of one's own")
    head, trees = parsed(estimator.booster_.model_to_string())
    objective, *words = head.get("objective", "regression").split()
    options = dict(word.split(":") for word in words if ":" in word)
    scores = added(builder, head, trees, table)
    if objective in IDENTITIES:
        if "sqrt" in words:
            raise NotCompiled("LightGBM's reg_sqrt")
        return {"predict": scores}
    if objective in EXPONENTIALS:
        return {"predict": builder.do("exp", scores)}
    if objective == "binary":
        steepness = float(options["sigmoid"])
        steep = scores if steepness == 1 else builder.do("scaled", scores, weight=steepness)
        probabilities = builder.do("logistic", steep)
    elif objective == "multiclass":
        probabilities = builder.do("softmax", scores)
    else:
        raise NotCompiled(f"LightGBM's objective {objective}")
    label = builder.do("choose", probabilities, labels=np.asarray(estimator.classes_))
    return {"predict": label, "predict_proba": probabilities, "decision_function": scores}


def parsed(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The head of a model's text and its trees, each as a dict of its lines."""
    text = text.partition("\nend of trees")[0]
    head, *trees = text.split("\nTree=")
    return _fields(head), [_fields(tree) for tree in trees]


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in text.split("\n"))}


def added(
    builder: Builder, head: dict[str, str], trees: list[dict[str, str]], table: Table
) -> Value:
    """The sum of the trees' leaves for each row, or for each of several classes."""
    nodes = [nodes_of(tree) for tree in trees]
    found = tree_arrays.walk(builder, nodes, table, missing=True, infinite=True)
    count = int(head["num_tree_per_iteration"])
    parts = [
        np.concatenate([np.zeros(len(own.feature) - len(leaf)), leaf])
        for own, leaf in zip(nodes, map(leaves_of, trees), strict=True)
    ]
    scores = raw_scores(builder, found, np.zeros(count), parts)
    if "average_output" in head:
        return builder.do("divide", scores, y=np.array(len(trees) / count))
    return scores


def leaves_of(tree: dict[str, str]) -> np.ndarray:
    """The values of the leaves of a tree."""
    return numbers(tree["leaf_value"], np.float64)


def numbers(text: str, dtype: Any) -> np.ndarray:
    """Numbers between blanks."""
    return np.array(text.split(), dtype=dtype)


def nodes_of(tree: dict[str, str]) -> tree_arrays.Nodes:
    """The inner nodes of a tree, then its leaves."""
    if tree.get("is_linear", "0") != "0":
        raise NotCompiled("LightGBM with linear trees")
    leaves = int(tree["num_leaves"])
    inner = leaves - 1
    names = ("split_feature", "decision_type", "left_child", "right_child")
    feature, decision, left, right = (
        numbers(tree[name] if inner else "", np.intp) for name in names
    )
    threshold = numbers(tree["threshold"] if inner else "", np.float64)
    if (decision & CATEGORICAL).any():
        raise NotCompiled("LightGBM with splits by categories")
    if ((decision & MISSING) == ZERO_MISSING).any():
        raise NotCompiled("LightGBM with zero_as_missing")
    # If nothing was missing in training, a missing value counts as zero.
    missing_left = np.where(
        (decision & MISSING) == NOTHING_MISSING, threshold >= 0, (decision & MISSING_LEFT) > 0
    )

    def placed(children: np.ndarray) -> np.ndarray:
        return np.where(children < 0, inner + ~children, children)

    no_child = np.full(leaves, -1)
    return tree_arrays.Nodes(
        feature=np.concatenate([feature, np.zeros(leaves, dtype=np.intp)]),
        threshold=np.concatenate([threshold, np.zeros(leaves)]),
        left=np.concatenate([placed(left), no_child]),
        right=np.concatenate([placed(right), no_child]),
        missing_left=np.concatenate([missing_left, np.zeros(leaves, dtype=bool)]),
    )
