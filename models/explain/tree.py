"""Explain trees by TreeSHAP, with the library `shap`.

Lundberg and others, "From local explanations to global understanding with explainable AI for
trees", 2020: the interventional form, against the background.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from models.engines import Rows
from models.explain import Ask, Clock
from models.explain.columns import Columns

# Contributions in one request.
MAX_CONTRIBUTIONS = 20_000
# The method of each estimator whose answers are a sum over its trees.
OUTPUTS = {
    "DecisionTreeClassifier": "predict_proba",
    "DecisionTreeRegressor": "predict",
    "ExtraTreeClassifier": "predict_proba",
    "ExtraTreeRegressor": "predict",
    "ExtraTreesClassifier": "predict_proba",
    "ExtraTreesRegressor": "predict",
    "GradientBoostingClassifier": "decision_function",
    "GradientBoostingRegressor": "predict",
    "HistGradientBoostingClassifier": "decision_function",
    "HistGradientBoostingRegressor": "predict",
    "RandomForestClassifier": "predict_proba",
    "RandomForestRegressor": "predict",
}


# `shap` counts the nodes of a tree in 16 bits without a check for overflow.
MAX_NODES = 2**15 - 1


class NotTrees(Exception):
    """The estimator is no sum of trees, or a tree is too large."""


class Tree:
    """Explains a sum of trees; see `Explainer`.

    `ask` gives the function that calls one method of the model. A feature that is encoded to
    several columns gets the sum of their values, which is not exact: the players of TreeSHAP are
    columns. Raises NotTrees, ModuleNotFoundError without `shap`, and whatever `shap` raises.
    """

    method = "tree"

    def __init__(self, columns: Columns, ask: Callable[[str], Ask], background: Rows) -> None:
        name = type(columns.last).__name__
        if name not in OUTPUTS:
            raise NotTrees(f"a {name} is no sum of trees")
        self.output = OUTPUTS[name]
        self.exact = len(set(columns.origins)) == len(columns.origins)
        self._columns = columns
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import shap
        rows = columns.of(background)
        self._explainer = shap.TreeExplainer(
            columns.last, data=rows, feature_perturbation="interventional", model_output="raw"
        )
        if self._explainer.model.thresholds.shape[1] > MAX_NODES:
            raise NotTrees(f"a tree of the {name} has more than {MAX_NODES} nodes")
        self._sharpen()
        self._explainer.data = self._ranks(rows)
        self.base = ask(self.output)(background).mean(axis=0)
        self.max_rows = max(1, MAX_CONTRIBUTIONS // max(len(columns.origins) * len(self.base), 1))

    def contributions(self, rows: Rows, outputs: np.ndarray, clock: Clock) -> np.ndarray:
        """See `Explainer`."""
        values = []
        for row in self._ranks(self._columns.of(rows)):
            # Row by row: a call cannot be stopped before its last row.
            clock()
            found = self._explainer.shap_values(row[None], check_additivity=False)
            values.append(np.reshape(found, (len(row), outputs.shape[1])))
        return self._columns.by_feature(np.array(values))

    def _sharpen(self) -> None:
        """Keep the precision of float64 although `shap` walks the trees in float32.

        Each threshold becomes its rank among the thresholds of its column, an integer, and the
        values of each tree are shifted to lie around zero, which changes no difference.
        """
        model = self._explainer.model
        inner = model.children_left >= 0
        self._thresholds = []
        for column in range(len(self._columns.origins)):
            place = inner & (model.features == column)
            known = np.unique(model.thresholds[place])
            model.thresholds[place] = np.searchsorted(known, model.thresholds[place])
            self._thresholds.append(known)
        for tree, own in enumerate(model.node_sample_weight > 0):
            values = model.values[tree, own]
            model.values[tree] -= (values.min(axis=0) + values.max(axis=0)) / 2

    def _ranks(self, rows: np.ndarray) -> np.ndarray:
        """For each number, how many thresholds of its column are below it; NaN stays NaN."""
        rows = rows.astype(self._explainer.model.input_dtype).astype(np.float64)
        ranks = [
            np.searchsorted(known, column)
            for known, column in zip(self._thresholds, rows.T, strict=True)
        ]
        return np.where(np.isnan(rows), np.nan, np.column_stack(ranks))
