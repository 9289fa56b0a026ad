"""How much of the machine other programs took while a server was measured."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from tests.bench.process import Server

TICKS = os.sysconf("SC_CLK_TCK")


class Disturbance:
    """Counts from its creation on; call `cores` before the server is stopped."""

    def __init__(self, server: Server) -> None:
        """Remember what all, the server and the bench have used so far."""
        self.server = server
        self.started = time.monotonic()
        self.before = self._seconds_of_others()

    def cores(self) -> float:
        """How many cores other programs kept busy on average; what a hypervisor stole counts."""
        seconds = self._seconds_of_others() - self.before
        return max(0.0, seconds / (time.monotonic() - self.started))

    def _seconds_of_others(self) -> float:
        user, nice, system, _, _, *rest = map(int, _first_line_of_stat())
        busy = (user + nice + system + sum(rest[:3]) - self.server.cpu_ticks()) / TICKS
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return busy - sum(each.ru_utime + each.ru_stime for each in used)


def _first_line_of_stat() -> list[str]:
    """The ticks of all cores in each state, proc_stat(5)."""
    return Path("/proc/stat").read_text().splitlines()[0].split()[1:]
