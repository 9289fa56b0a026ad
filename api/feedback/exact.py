"""Sums of floats from which a term can be taken away again, as if it had never been there.

A sum is a list of floats whose exact sum it is: J. R. Shewchuk, Adaptive Precision Floating-Point
Arithmetic and Fast Robust Geometric Predicates, 1997; as in Python's own math.fsum.
"""

from __future__ import annotations

Parts = list[float]


def add(parts: Parts, value: float) -> Parts:
    """The sum with one more term; with its negative, the sum without it."""
    found = []
    for part in parts:
        larger, smaller = (part, value) if abs(value) < abs(part) else (value, part)
        value = larger + smaller
        if rest := smaller - (value - larger):
            found.append(rest)
    return [*found, value] if value else found
