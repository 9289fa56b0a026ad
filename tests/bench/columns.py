"""The columns of the tables: what stands in each, and how it is written."""

from __future__ import annotations

from tests.bench.load import ALONE, BULK, HUGE, SIXTEEN, SIXTY_FOUR, Load
from tests.bench.results import Value, bulk, cost, huge, start

MEGA = 1e6
# Dollars for a second of one vCPU in Cloud Run, tier 1 regions, billed by request, as of 2025.
# Source: https://cloud.google.com/run/pricing
VCPU_SECOND = 0.000024


def speed(attribute: str, load: Load) -> Value:
    """The figure of one load."""
    return lambda once: getattr(once.speeds[load], attribute)


def in_megabytes(load: Load) -> Value:
    """The memory after one load."""
    return lambda once: once.speeds[load].memory / MEGA


# The heading of each column, what stands in it, and how it is written.
Columns = tuple[tuple[str, Value, str], ...]
ONE_ROW: Columns = (
    ("requests/s: 1 connection", speed("requests", ALONE), ",.0f"),
    ("16", speed("requests", SIXTEEN), ",.0f"),
    ("64", speed("requests", SIXTY_FOUR), ",.0f"),
    ("p50 ms: 1", speed("p50", ALONE), ".2f"),
    ("16", speed("p50", SIXTEEN), ".2f"),
    ("64", speed("p50", SIXTY_FOUR), ".2f"),
    ("p99 ms: 1", speed("p99", ALONE), ".2f"),
    ("16", speed("p99", SIXTEEN), ".2f"),
    ("64", speed("p99", SIXTY_FOUR), ".2f"),
    ("cores others used", lambda once: once.disturbance, ".2f"),
)
MORE: Columns = (
    ("rows/s: 1,024 rows a request", bulk, ",.0f"),
    ("10,000", huge, ",.0f"),
    ("CPU-seconds per million predictions", cost, ",.0f"),
    ("US cents per million", lambda once: cost(once) * VCPU_SECOND * 100, ".2f"),
    ("start s", start, ".2f"),
    ("memory MB after 1 row a request", in_megabytes(SIXTY_FOUR), ",.0f"),
    ("1,024", in_megabytes(BULK), ",.0f"),
    ("10,000", in_megabytes(HUGE), ",.0f"),
)
