"""Gates: conditions on metrics that a model must meet, as in accuracy>=0.95,log_loss<=0.1."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping

import msgspec

from models.evaluation.facts import Score, Unmeasurable
from models.rows.words import some
from models.settings import CONDITION, CONDITIONS

VARIABLE = "EVALUATE_MIN"
IS_MET = {">=": operator.ge, "<=": operator.le}


class Gate(msgspec.Struct, frozen=True):
    """One condition: the value of `metric` is at least, or at most, `bound`."""

    metric: str
    sign: str
    bound: str

    def is_met(self, value: float) -> bool:
        """Whether a value of the metric meets it; NaN never does."""
        return bool(IS_MET[self.sign](value, float(self.bound)))

    def __str__(self) -> str:
        """The condition on the metric, as in >= 0.95."""
        return f"{self.sign} {self.bound}"


def read(text: str, variable: str = VARIABLE) -> list[Gate]:
    """The conditions of `variable`. Raises Unmeasurable if the text is none."""
    if not re.match(CONDITIONS, text):
        raise Unmeasurable(
            f"{variable}={text!r:.80}: expected conditions on metrics, as in "
            "accuracy>=0.95,log_loss<=0.1"
        )
    return [Gate(*found) for found in re.findall(CONDITION, text)]


def missed(
    gates: Iterable[Gate],
    scores: Mapping[str, Score],
    reasons: Mapping[str, str] | None = None,
    variable: str = VARIABLE,
) -> list[str]:
    """A sentence for each condition that is not met.

    `reasons` say why metrics are not among the scores: see `bootstrap.left_out`.
    """
    return [said for gate in gates if (said := _missed(gate, scores, reasons or {}, variable))]


def _missed(
    gate: Gate, scores: Mapping[str, Score], reasons: Mapping[str, str], variable: str
) -> str:
    asks = f"and {variable} asks for {gate}"
    if gate.metric in reasons:
        return f"{gate.metric} cannot be computed ({reasons[gate.metric]}), {asks}"
    if gate.metric not in scores:
        return f"there is no metric {gate.metric}, {asks}: expected {some(list(scores))}"
    score = scores[gate.metric]
    if gate.is_met(score.value):
        return ""
    interval = ""
    if score.low is not None and score.high is not None:
        interval = f" ({score.low:.4g} to {score.high:.4g})"
    return f"{gate.metric} is {_shown(score.value, gate)}{interval}, {asks}"


def _shown(value: float, gate: Gate) -> str:
    """The value with so many digits that it is not the bound."""
    text = f"{value:.4g}"
    return repr(value) if gate.is_met(float(text)) else text
