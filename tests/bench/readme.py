"""The figures of the README, which the bench writes there between two marks."""

from __future__ import annotations

import re
from statistics import median

from tests.bench.environment import ROOT
from tests.bench.peers import PROCESSES
from tests.bench.report import summary
from tests.bench.results import Results

README = ROOT / "README.md"
MARKS = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)
# Where other programs kept more cores busy, the README says so.
QUIET_CORES = 0.3


def update(results: Results) -> None:
    """Write the summary of a whole run into the README."""
    text = MARKS.sub(lambda found: f"{found[1]}{figures(results)}{found[2]}", README.read_text())
    README.write_text(text)


def figures(results: Results) -> str:
    """What is measured, the table, and whether the machine was quiet."""
    others = median(once.disturbance for rounds in results.measured.values() for once in rounds)
    text = (
        "One row a request over 16 connections that are kept, if it does not say otherwise; "
        f"{PROCESSES} workers each, on one\ncore, the client on another; every answer is checked. "
        "A millisecond away, a kept connection pays one round trip.\nPeers in their recommended "
        f"production set-up:\n\n{summary(results)}\n"
    )
    if others > QUIET_CORES:
        text += (
            f"\nThe machine was busy: other programs kept {others:.2f} of its cores from them, and "
            f"the load average was {results.load_average:.1f}.\n"
        )
    return text
