"""Gates say which scores fall short, each in a sentence."""

from __future__ import annotations

import pytest

from models.evaluation.facts import Score, Unmeasurable
from models.evaluation.gates import Gate, missed, read

SCORES = {
    "accuracy": Score(value=0.93, low=0.9, high=0.9512),
    "log_loss": Score(value=0.0999996),
}
REASONS = {"roc_auc": "no row has the label 'b'"}

# What is asked for, and what is said of it.
GATES = [
    ("", []),
    ("accuracy>=0.9", []),
    ("accuracy>=0.93, log_loss<=1e-1", []),
    (
        "accuracy>=0.95",
        ["accuracy is 0.93 (0.9 to 0.9512), and EVALUATE_MIN asks for >= 0.95"],
    ),
    ("log_loss >= 0.1", ["log_loss is 0.0999996, and EVALUATE_MIN asks for >= 0.1"]),
    (
        "roc_auc>=0.9",
        ["roc_auc cannot be computed (no row has the label 'b'), and EVALUATE_MIN asks for >= 0.9"],
    ),
    (
        "recall>=0.9,accuracy<=0.5",
        [
            "there is no metric recall, and EVALUATE_MIN asks for >= 0.9: expected accuracy, log_loss",
            "accuracy is 0.93 (0.9 to 0.9512), and EVALUATE_MIN asks for <= 0.5",
        ],
    ),
]


@pytest.mark.parametrize(("text", "said"), GATES, ids=[gate for gate, _ in GATES])
def test_what_falls_short_is_told(text: str, said: list[str]) -> None:
    assert missed(read(text), SCORES, REASONS) == said


def test_nan_meets_no_gate() -> None:
    assert not Gate("r2", ">=", "-1").is_met(float("nan"))
    assert missed(read("r2>=-1"), {"r2": Score(value=float("nan"))})


@pytest.mark.parametrize(
    "text", ["accuracy", "accuracy>0.9", "accuracy>=high", "a>=1;b>=2", "a>=1\n"]
)
def test_what_is_no_condition_is_told_with_an_example(text: str) -> None:
    with pytest.raises(Unmeasurable) as error:
        read(text)
    assert str(error.value) == (
        f"EVALUATE_MIN={text!r}: expected conditions on metrics, as in accuracy>=0.95,log_loss<=0.1"
    )
