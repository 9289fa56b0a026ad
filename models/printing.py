"""Print what a command has found, also where nobody reads to the end."""

from __future__ import annotations

import os
import sys


def say(text: str) -> None:
    """Print a text at once; a reader that has enough, such as head, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
