"""The names and the version of a package, checked before anything is built."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable

from models.errors import ModelError

# https://packaging.python.org/en/latest/specifications/name-normalization/
NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
# The canonical form of PEP 440, https://peps.python.org/pep-0440/#appendix-b, without a local part:
# an index takes none.
VERSION = re.compile(
    r"([1-9]\d*!)?(0|[1-9]\d*)(\.(0|[1-9]\d*))*((a|b|rc)(0|[1-9]\d*))?"
    r"(\.post(0|[1-9]\d*))?(\.dev(0|[1-9]\d*))?",
    re.ASCII,
)


def distribution(name: str, taken: Iterable[str]) -> str:
    """The normalized name of a package on an index, whose module hides none of those `taken`.

    Raises ModelError.
    """
    if not NAME.fullmatch(name):
        raise ModelError(
            f"NAME={name}: expected letters, digits, and - . _ between them, as in NAME=penguins"
        )
    module = module_of(name)
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ModelError(
            f"NAME={name}: Python could not import {module}: begin with a letter, as in "
            "NAME=penguins, and use no word of Python's"
        )
    if module in {*sys.stdlib_module_names, *taken, "api", "models"}:
        raise ModelError(
            f"NAME={name}: the package would hide the module {module} that it needs itself: "
            f"choose another name, as NAME={name}-model"
        )
    return re.sub(r"[-_.]+", "-", name).lower()


def module_of(name: str) -> str:
    """The name by which Python imports a package of this name."""
    return re.sub(r"[-_.]+", "_", name).lower()


def check_version(version: str) -> None:
    """Raise ModelError if a version is none of PEP 440 as that writes it, or has a local part."""
    if not VERSION.fullmatch(version):
        local = " without a local part behind a plus" if "+" in version else ""
        raise ModelError(f"VERSION={version}: expected a version of PEP 440{local}, as 1.2.0")
