"""Settings of the whole process, made once at its start."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from models import threads


@contextlib.contextmanager
def frozen() -> Iterator[None]:
    """A context for imports and loading, which stay: the garbage collector never looks at them.

    Libraries of numbers that are imported in it start no threads.

    A collection over them costs 5 % of the start, and would copy their pages in each process.
    """
    threads.limit()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
