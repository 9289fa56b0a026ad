"""The columns of the tables: what stands in each, and how it is written."""

from __future__ import annotations

from tests.bench.loads import (
    BULK,
    CLOSED_1,
    CLOSED_64,
    HUGE,
    KEPT_1,
    KEPT_16,
    KEPT_64,
    Load,
)
from tests.bench.results import (
    Round,
    Value,
    bulk,
    cost,
    far_closed,
    far_kept,
    huge,
    memory,
    p50,
    p99,
    rate,
    start,
)

MEGA = 1e6
# Dollars for a second of one vCPU in Cloud Run, tier 1 regions, billed by request, as of 2025.
# Source: https://cloud.google.com/run/pricing
VCPU_SECOND = 0.000024


def megabytes(load: Load) -> Value:
    """The memory after one load."""
    return lambda once: memory(load)(once) / MEGA


def cents(once: Round) -> float:
    """US cents for a million predictions, of the CPU in Cloud Run."""
    return cost(once) * VCPU_SECOND * 100


# The heading of each column, what stands in it, and how it is written.
Columns = tuple[tuple[str, Value, str], ...]
# What the README shows: the model, the heading, the figure, and how it is written.
SUMMARY: tuple[tuple[str, str, Value, str], ...] = (
    ("pipeline", "pipeline, requests/s", rate(KEPT_16), "{:,.0f}"),
    ("pipeline", "p50 alone", p50(KEPT_1), "{:.2f} ms"),
    ("pipeline", "1 ms away", far_kept, "{:.2f} ms"),
    ("forest", "forest of 100 trees", rate(KEPT_16), "{:,.0f}"),
    ("forest", "p50 alone", p50(KEPT_1), "{:.2f} ms"),
    ("penguins", "penguins", rate(KEPT_16), "{:,.0f}"),
    ("penguins", "64 connections, closed", rate(CLOSED_64), "{:,.0f}"),
    ("pipeline", "1,024 rows a request, rows/s", bulk, "{:,.0f}"),
    ("pipeline", "start", start, "{:.2f} s"),
    ("pipeline", "memory", megabytes(BULK), "{:,.0f} MB"),
)
RATES: Columns = (
    ("requests/s: 64 closed", rate(CLOSED_64), ",.0f"),
    ("16 kept", rate(KEPT_16), ",.0f"),
    ("64 kept", rate(KEPT_64), ",.0f"),
    ("p99 ms: 64 closed", p99(CLOSED_64), ".2f"),
    ("16 kept", p99(KEPT_16), ".2f"),
    ("64 kept", p99(KEPT_64), ".2f"),
)
ALONE: Columns = (
    ("p50 ms alone: closed", p50(CLOSED_1), ".3f"),
    ("kept", p50(KEPT_1), ".3f"),
    ("with a round trip of 1 ms: closed", far_closed, ".2f"),
    ("kept", far_kept, ".2f"),
    ("p99 ms alone: closed", p99(CLOSED_1), ".2f"),
    ("kept", p99(KEPT_1), ".2f"),
)
MORE: Columns = (
    ("rows/s: 1,024 rows a request", bulk, ",.0f"),
    ("10,000", huge, ",.0f"),
    ("CPU-seconds per million predictions", cost, ",.0f"),
    ("US cents per million", cents, ".2f"),
    ("start s", start, ".2f"),
    ("memory MB after 1 row a request", megabytes(KEPT_64), ",.0f"),
    ("1,024", megabytes(BULK), ",.0f"),
    ("10,000", megabytes(HUGE), ",.0f"),
    ("cores others used", lambda once: once.disturbance, ".2f"),
)
