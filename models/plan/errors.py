"""What can go wrong with a plan."""

from __future__ import annotations


class PlanError(Exception):
    """The plan cannot be used; the message says why and what to do."""


class NotCompiled(Exception):
    """There is no rule for a part of the estimator; the message says which."""


class Difference(Exception):
    """The plan does not answer as the estimator does; the message says where."""


def brief(error: BaseException) -> str:
    """An exception's type, and the first line of its message if it has one."""
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
