"""Keep numerical libraries from starting threads of their own."""

from __future__ import annotations

import os

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def limit() -> None:
    """Let a library use one thread, unless a variable says otherwise: call this before numpy.

    Threads do not outlive a fork, and a library that waits for its own hangs after one.
    """
    for variable in VARIABLES:
        os.environ.setdefault(variable, "1")
