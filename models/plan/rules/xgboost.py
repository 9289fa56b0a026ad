"""XGBoost's boosted trees: sums of float32 in XGBoost's order.

A model is read from its own JSON format, whose trees are lists of nodes.
Source: `doc/model.schema` and `src/predictor/cpu_predictor.cc` of XGBoost.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec
import numpy as np

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from . import tree_arrays
from .trees import raw_scores

# A tree as decoded from JSON.
Tree = dict[str, Any]

KINDS = ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker")
IDENTITIES = (
    *("reg:squarederror", "reg:absoluteerror", "reg:quantileerror", "reg:pseudohubererror"),
    *("reg:squaredlogerror", "rank:pairwise", "rank:ndcg", "rank:map"),
)
LOGISTIC = ("binary:logistic", "reg:logistic")
EXPONENTIALS = ("count:poisson", "reg:gamma", "reg:tweedie")


@rule(*(f"xgboost.sklearn.{kind}" for kind in KINDS), predicts=True)
def booster(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The sums of the trees' leaves, transformed as the objective says."""
    raw = estimator.get_booster().save_raw(raw_format="json")
    learner = msgspec.json.decode(bytes(raw))["learner"]
    objective = learner["objective"]["name"]
    trees, groups = trees_of(estimator, learner)
    in_turn = list(chain.from_iterable(zip(*groups, strict=True)))
    found = tree_arrays.walk(
        builder, list(map(nodes_of, in_turn)), table, missing=True, infinite=True
    )
    scores = raw_scores(
        builder,
        found,
        starts_of(learner, objective, len(groups)),
        [np.array(tree["split_conditions"], dtype=np.float32) for tree in in_turn],
    )
    # XGBoost refuses infinite numbers in `apply`, but not in predictions.
    finite = tree_arrays.walk(
        builder, list(map(nodes_of, trees)), table, missing=True, infinite=False
    )
    numbers = finite.numbers.astype(np.float32)
    apply = builder.do("leaf_numbers", finite.reached, numbers=numbers)
    return {"apply": apply, **answers(builder, estimator, objective, scores)}


def answers(builder: Builder, estimator: Any, objective: str, scores: Value) -> Outputs:
    """The scores, transformed as the objective says. Raises NotCompiled for other objectives."""
    if objective in IDENTITIES:
        return {"predict": scores}
    if objective in EXPONENTIALS:
        return {"predict": builder.do("exp_of_float32", scores)}
    classifier = hasattr(estimator, "predict_proba")
    if objective in LOGISTIC:
        second = builder.do("expit_of_float32", scores)
        if not classifier:
            return {"predict": second}
        label = builder.do(
            "choose_above", second, labels=np.asarray(estimator.classes_), threshold=0.5
        )
        both = builder.do("pair", second)
        return {"predict": label, "predict_proba": both}
    if objective == "multi:softprob" and classifier:
        each = builder.do("softmax_of_float32", scores)
        label = builder.do("choose", each, labels=np.asarray(estimator.classes_))
        return {"predict": label, "predict_proba": each}
    raise NotCompiled(f"XGBoost's objective {objective}")


def trees_of(estimator: Any, learner: dict[str, Any]) -> tuple[list[Tree], list[list[Tree]]]:
    """The trees up to the best round, in one list, and in one for each class or output."""
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise NotCompiled(f"XGBoost's booster {booster['name']}")
    if estimator.missing is not None and estimator.missing == estimator.missing:
        raise NotCompiled("XGBoost with a number for missing values")
    shape = learner["learner_model_param"]
    count = max(1, int(shape["num_class"]), int(shape.get("num_target", 1)))
    model = booster["model"]
    trees, owners = model["trees"], model["tree_info"]
    _, end = estimator._get_iteration_range(None)  # noqa: SLF001
    if end:
        each = len(trees) // estimator.get_booster().num_boosted_rounds()
        trees, owners = trees[: end * each], owners[: end * each]
    for tree in trees:
        if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
            raise NotCompiled("XGBoost with trees of several outputs")
        if any(tree["split_type"]):
            raise NotCompiled("XGBoost with splits by categories")
    groups = [
        [tree for tree, owner in zip(trees, owners, strict=True) if owner == i]
        for i in range(count)
    ]
    return trees, groups


def nodes_of(tree: Tree) -> tree_arrays.Nodes:
    """The nodes of a tree; a row goes right if its number is not below the threshold."""
    thresholds = np.array(tree["split_conditions"], dtype=np.float32)
    return tree_arrays.Nodes(
        feature=np.array(tree["split_indices"], dtype=np.intp),
        threshold=np.nextafter(thresholds, np.float32(-np.inf)),
        left=np.array(tree["left_children"], dtype=np.intp),
        right=np.array(tree["right_children"], dtype=np.intp),
        missing_left=np.array(tree["default_left"], dtype=bool),
    )


def starts_of(learner: dict[str, Any], objective: str, count: int) -> np.ndarray:
    """The start of the sum of each class or output."""
    text = learner["learner_model_param"]["base_score"]
    known = np.array(text.strip("[]").split(","), dtype=np.float32)
    # The C library's logarithm of float32 is the one of float64, rounded.
    if objective in LOGISTIC:
        known = -np.log((np.float32(1) / known - np.float32(1)).astype(np.float64))
    elif objective in EXPONENTIALS:
        known = np.log(known.astype(np.float64))
    return np.broadcast_to(known.astype(np.float32), (count,))
