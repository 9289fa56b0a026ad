"""What a training does: which function, on which rows, and how they are split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from models.training.facts import Unusable

EXAMPLE = "models.pipeline:build"
# What is fitted on a table where TRAIN names nothing.
TABLE = "models.training.table:build"
# That of scikit-learn.
MAX_SEED = 2**32 - 1
EXPECTED_GRID = (
    "expected an object with a list of values for each parameter, as in "
    '{"classify__C": [0.1, 1, 10]}'
)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what a training gives: the same recipe and data give the same file.

    `function` is TRAIN. `data` is a path or an address of rows, `target` the column of the known
    answers; where one is "", the module of the function has it as DATA or TARGET. The model takes
    the columns `features`, or if there are none all others but `drop`, `group` and `time`.
    `held_out` is the share of the rows that are not fitted on: by chance with `seed`, by whole
    groups of equal values in the column `group`, or the last ones by the column `time`. `folds`
    cross-validate, unless there are 0, and choose among the values of parameters in `search`.
    `metric` is the scoring name of scikit-learn that decides.
    """

    function: str = EXAMPLE
    data: str = ""
    target: str = ""
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    held_out: float = 0.2
    seed: int = 42
    group: str = ""
    time: str = ""
    folds: int = 5
    search: Mapping[str, list[Any]] | None = None
    metric: str = ""

    def check(self) -> None:
        """Raise Unusable for values that are out of range."""
        if not 0 < self.held_out < 1:
            raise Unusable(
                f"HELD_OUT={self.held_out:g}: expected a share of the rows above 0 and below 1, as "
                "0.2"
            )
        if self.folds < 0 or self.folds == 1:
            raise Unusable(f"FOLDS={self.folds}: expected 2 or more, or 0 for no cross-validation")
        if not 0 <= self.seed <= MAX_SEED:
            raise Unusable(f"SEED={self.seed}: expected a whole number of 0 to {MAX_SEED}")
        if self.search is not None and not self.search:
            raise Unusable(f"SEARCH has no parameter: {EXPECTED_GRID}")
        if self.search and not self.folds:
            raise Unusable("SEARCH chooses by cross-validation: set FOLDS to 2 or more")
        if self.group and self.time:
            raise Unusable("GROUP and TIME split the rows in two ways: set one of them")
        for name in ("drop", "features"):
            if self.target and self.target in getattr(self, name):
                raise Unusable(
                    f"{name.upper()} has {self.target}, which is the TARGET: it is never a feature"
                )

    def of_module(self, module: object) -> Recipe:
        """The recipe with what the function's module says where nobody else does."""
        found: dict[str, Any] = {}
        for name in ("data", "target", "metric"):
            if not getattr(self, name):
                found[name] = str(getattr(module, name.upper(), "") or "")
        if not self.features:
            found["features"] = tuple(getattr(module, "FEATURES", ()))
        return msgspec.structs.replace(self, **found)


def read_grid(path: Path) -> dict[str, list[Any]]:
    """The grid of a search in a file of JSON: values for each parameter. Raises Unusable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[Any]])
    except OSError as error:
        raise Unusable(f"SEARCH={path} cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unusable(f"SEARCH={path}: {EXPECTED_GRID} ({error})") from None
