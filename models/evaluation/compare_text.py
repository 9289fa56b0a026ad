"""A comparison of two models as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from models.evaluation import words
from models.evaluation.text import table, wrapped

if TYPE_CHECKING:
    from models.evaluation.comparison import Comparison, Side

# The most features of a row that are shown, and characters of each value.
MAX_FEATURES, MAX_CHARACTERS = 8, 60


def text(comparison: Comparison) -> str:
    """The whole comparison; see `Comparison.__str__`."""
    blocks = [
        _head(comparison),
        _metrics(comparison),
        _examples(comparison),
        _sides(comparison),
        wrapped(f"{comparison.verdict}."),
    ]
    return "\n\n".join("\n".join(lines) for each in blocks if (lines := list(each)))


def _head(comparison: Comparison) -> Iterator[str]:
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        yield from wrapped(f"{letter}: {side.title}, {side.estimator}, {side.path}")
    target = f", target {comparison.target}" if comparison.target else ""
    yield from wrapped(f"{words.rows(comparison.rows)} of {comparison.data}{target}")
    if comparison.left_out:
        yield from wrapped(
            f"{words.rows(comparison.left_out)} left out: the target is missing, or a model "
            "refuses them"
        )
    for note in comparison.notes:
        yield from wrapped(f"Note: {note}")


def _metrics(comparison: Comparison) -> Iterator[str]:
    rows = []
    for name, each in comparison.differences.items():
        interval = words.interval(each) or "-"
        values = map(words.number, (each.a, each.b, each.difference))
        rows.append([name, *values, interval, each.verdict or "-"])
    if rows:
        yield from table(["score", "A", "B", "B - A", "95 % interval", "B is"], rows)
    for name, reason in comparison.unmeasured.items():
        yield from wrapped(f"no {name}: {reason}")
    test = comparison.test
    if test:
        is_number = comparison.kind == "regressor"
        better = "is closer" if is_number else "is right"
        yield from wrapped(
            f"Only A {better} on {words.rows(test.only_a)}, only B on {words.rows(test.only_b)}: "
            f"{test.name} gives p = {test.p_value:.2g}"
        )


def _examples(comparison: Comparison) -> Iterator[str]:
    if comparison.kind == "clusterer":
        return
    yield f"The models answer {words.rows(comparison.different)} of {comparison.rows:,} differently"
    if comparison.different > len(comparison.examples):
        count = len(comparison.examples)
        is_number = comparison.kind == "regressor"
        yield f"The {count} farthest apart:" if is_number else f"The first {count}:"
    for each in comparison.examples:
        shown = [f"{name}={_value(value)}" for name, value in each.features.items()]
        if len(shown) > MAX_FEATURES:
            shown[MAX_FEATURES:] = [f"and {len(shown) - MAX_FEATURES} more"]
        truth = "" if each.truth is None else f", truth {_value(each.truth)}"
        yield from wrapped(
            f"row {each.row}: A {_value(each.a)}, B {_value(each.b)}{truth}; {', '.join(shown)}"
        )


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:MAX_CHARACTERS]


def _sides(comparison: Comparison) -> Iterator[str]:
    both = comparison.a, comparison.b
    rows = [
        ["run by", *(side.engine for side in both)],
        ["file", *(_size(side.bytes) for side in both)],
        ["plan", *(_size(side.plan_bytes) if side.plan_bytes else "-" for side in both)],
        ["one row, median", *map(_one_row, both)],
        ["rows a second, by 1,024", *map(_rate, both)],
        ["memory of a process", *(_memory(side) for side in both)],
    ]
    yield from table(["", "A", "B"], rows)


def _size(count: int) -> str:
    return f"{count / 1000:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


def _one_row(side: Side) -> str:
    if side.speed is None:
        return "not measured"
    return f"{1e6 * side.speed.one_row_seconds:,.0f} µs"


def _rate(side: Side) -> str:
    return "not measured" if side.speed is None else f"{side.speed.rows_per_second:,.0f}"


def _memory(side: Side) -> str:
    return "not measured" if side.speed is None else _size(side.speed.memory_bytes)
