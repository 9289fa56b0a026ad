"""How fast a model answers, and in how much memory: measured in a process of its own.

`python -m models.evaluation.speed MODEL` is that process. It reads rows as a JSON array, and writes
a Speed as JSON.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from models import threads

BATCH_ROWS = 1_024
# Each measurement ends after so many calls or seconds, whatever comes first.
MAX_CALLS = 300
MAX_SECONDS = 1.0
WARM_UP_CALLS = 3
TIMEOUT_SECONDS = 120
ROOT = Path(__file__).parents[2]


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """How fast `predict` is, without HTTP, and the memory of a process with this model alone.

    `one_row_seconds` is the median for one row, `rows_per_second` that of batches of 1,024 rows;
    `memory_bytes` is the peak of the resident memory.
    """

    one_row_seconds: float
    rows_per_second: float
    memory_bytes: int


def measured(path: str, rows: list[Any]) -> Speed | None:
    """The speed of the model in a file for rows as JSON has them; None if it cannot be measured."""
    if not rows:
        return None
    batch = (rows * (BATCH_ROWS // len(rows) + 1))[:BATCH_ROWS]
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "models.evaluation.speed", str(Path(path).resolve())],
            input=msgspec.json.encode(batch),
            capture_output=True,
            check=True,
            timeout=TIMEOUT_SECONDS,
            cwd=ROOT,
        )
        return msgspec.json.decode(done.stdout.rpartition(b"\n")[2], type=Speed)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError):
        return None


def _median_seconds(model: Any, rows: list[Any]) -> float:
    """The median time in which the model answers these rows."""
    seconds: list[float] = []
    end = time.perf_counter() + MAX_SECONDS
    while len(seconds) < MAX_CALLS + WARM_UP_CALLS:
        start = time.perf_counter()
        model.answer("predict", rows)
        now = time.perf_counter()
        seconds.append(now - start)
        if now > end:
            break
    return statistics.median(seconds[WARM_UP_CALLS:] or seconds)


def _peak_bytes() -> int:
    """The most resident memory that this process has had."""
    try:
        # On Linux, ru_maxrss begins with that of the process that started this one.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measure the model of the command line, and write what was found."""
    threads.limit()
    from models.engines.choose import load
    from models.settings import ModelSettings

    model = load(sys.argv[1], "", ModelSettings.from_env(os.environ).engine)
    batch = msgspec.json.decode(sys.stdin.buffer.read())
    one = _median_seconds(model, batch[:1])
    many = _median_seconds(model, batch)
    speed = Speed(
        one_row_seconds=one,
        rows_per_second=len(batch) / many,
        memory_bytes=_peak_bytes(),
    )
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(speed))


if __name__ == "__main__":
    main()
