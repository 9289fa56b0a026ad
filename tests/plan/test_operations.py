"""An operation is one record, under a name of its own, and described in the docs."""

from __future__ import annotations

import inspect

import pytest
from sklearn.base import BaseEstimator

from models.plan import rule
from models.plan.operation import OPERATIONS, operation
from tests.checkout import ROOT
from tests.tables import check_table


def test_a_second_operation_of_a_name_is_refused() -> None:
    def take() -> None: ...

    with pytest.raises(ValueError, match=r"two operations take: in tests\.plan\.test_operations"):
        operation()(take)


def test_a_second_rule_for_a_class_is_refused() -> None:
    class Own(BaseEstimator): ...

    def first() -> None: ...

    rule(Own)(first)
    rule(Own, predicts=True)(first)
    for predicts in (False, True):
        with pytest.raises(ValueError, match=r"two rules for .*Own.*first.* and .*lambda"):
            rule(Own, predicts=predicts)(lambda: None)


def test_the_docs_have_all_operations() -> None:
    table = "| operation | settings | one row | result |\n|---|---|---|---|\n"
    for name, record in sorted(OPERATIONS.items()):
        parameters = inspect.signature(record.array).parameters.values()
        settings = [f"`{each.name}`" for each in parameters if each.kind is each.KEYWORD_ONLY]
        first = inspect.getdoc(record.array).splitlines()[0]  # type: ignore[union-attr]
        one_row = "yes" if record.one_row else ""
        result = first.replace("|", "\\|")
        table += f"| `{name}` | {', '.join(settings)} | {one_row} | {result} |\n"
    check_table("operations", table, ROOT / "docs" / "plan-format.md")
