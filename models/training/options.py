"""The options of a training on the command line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from models.training.facts import Unusable
from models.training.recipe import read_grid

# A name in a list: in quotes, or up to the next comma.
NAME = re.compile(r'(?:^|,)\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))')


def read(description: str | None) -> argparse.Namespace:
    """The options that were given."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("version", nargs="?", default="")
    parser.add_argument("--to", type=Path, help="train the example, and write it to this file")
    parser.add_argument("--name", default="")
    parser.add_argument("--function", default="", help="TRAIN, as models.pipeline:build")
    for text in ("data", "target", "group", "time", "drop", "search"):
        parser.add_argument(f"--{text}", default="")
    parser.add_argument("--held-out", default="")
    parser.add_argument("--seed", default="")
    parser.add_argument("--folds", default="")
    return parser.parse_args()


def names(text: str) -> tuple[str, ...]:
    """The names in a list with commas; one with commas or blanks around stands in quotes."""
    found = (match.groups() for match in NAME.finditer(text))
    return tuple(
        plain.strip() if quoted is None else quoted.replace('""', '"') for quoted, plain in found
    )


def quoted(name: str) -> str:
    """A name as it stands in a list with commas."""
    is_plain = name == name.strip() and not {",", '"'} & set(name)
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def of_recipe(given: argparse.Namespace) -> dict[str, Any]:
    """The fields of a recipe that were given; raises Unusable for one that is no number."""
    found: dict[str, Any] = {"group": given.group, "time": given.time}
    kinds = (("held_out", float, "0.2"), ("seed", int, "42"), ("folds", int, "5"))
    for name, kind, example in kinds:
        if text := getattr(given, name).strip():
            try:
                found[name] = kind(text)
            except ValueError:
                raise Unusable(
                    f"{name.upper()}={text}: expected a number, as in {name.upper()}={example}"
                ) from None
    if given.drop:
        found["drop"] = names(given.drop)
    if given.search:
        found["search"] = read_grid(Path(given.search))
    return found
