"""Print what a command has found, also where nobody reads to the end."""

from __future__ import annotations

import os
import sys
from types import TracebackType


def say(text: str) -> None:
    """Print a text at once; a reader that has enough, such as head, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end_quietly() -> None:
    """Let Ctrl-C end this command without a traceback, once what it began is cleaned up."""
    sys.excepthook = _without_interrupts


def _without_interrupts(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        # The terminal shows ^C in this line.
        print(file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
