"""Find the variable that a misspelt name stands for, for make and for the service.

Only the standard library is used, since make runs this before there is an environment.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# Edits by minimal length of a name. An edit adds, drops or changes a letter, or swaps two.
EDITS = {4: 1, 10: 2}
# The first letters of a name stand for it from this length on: GCP_PROJECT for GCP_PROJECT_ID.
MIN_ABBREVIATION = 8
LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", re.ASCII)


def meant(name: str, known: Iterable[str]) -> str | None:
    """The known variable that `name` misspells; None if `name` is known, or resembles none."""
    known = set(known)
    if name in known:
        return None
    name = name.upper()
    letters, words = set(name), name.replace("_", "")
    most = max((edits for length, edits in EDITS.items() if length <= len(name)), default=0)
    near: list[tuple[int, str]] = []
    for other in known:
        if other.replace("_", "") == words:
            return other
        if len(name) >= MIN_ABBREVIATION and other.startswith(name):
            near.append((most, other))
        # A cheap test first: nearly all names differ in more letters.
        elif abs(len(name) - len(other)) <= most and len(letters ^ set(other)) <= 2 * most:
            near.append((_edits(name, other), other))
    edits, nearest = min(near, default=(most + 1, ""))
    return nearest if edits <= most else None


def misspelt(lines: Iterable[tuple[str, str]], known: Iterable[str]) -> Iterator[str]:
    """A sentence on each misspelt name; `lines` are pairs of a place and the name there."""
    known = set(known)
    for place, name in lines:
        if right := meant(name, known):
            yield (
                f"{place}: there is no variable {name}: did you mean {right}? "
                "If it is your own code's, rename it"
            )


def names_in(text: str, file: str = ".env") -> Iterator[tuple[str, str]]:
    """The place and the name of each variable that a .env file sets."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := LINE.match(line):
            yield f"{file}, line {number}", found[1]


def _edits(one: str, other: str) -> int:
    """How many edits make one text of the other: the optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        older, before, row = before, row, [i + 1]
        for j, beside in enumerate(other):
            least = min(before[j + 1] + 1, row[j] + 1, before[j] + (letter != beside))
            if i and j and letter == other[j - 1] and one[i - 1] == beside:
                least = min(least, older[j - 1] + 1)
            row.append(least)
    return row[-1]


def main() -> None:
    """Print a sentence on each name of `.env` and of make's command line that is misspelt."""
    # Imported late, since the service imports this module.
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("known", nargs="+", help="the variables that there are")
    parser.add_argument("--given", nargs="*", default=[], help="names on make's command line")
    options = parser.parse_args()
    file = Path(".env")
    lines = list(names_in(file.read_text(errors="replace"))) if file.is_file() else []
    lines += [(f"make {name}=...", name) for name in options.given]
    sys.stdout.writelines(f"{problem}\n" for problem in misspelt(lines, options.known))


if __name__ == "__main__":
    main()
