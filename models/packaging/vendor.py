"""The modules of this project that a package needs, found by their imports, for a place in it."""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What compiles plans, and runs them without a check of `models.rows`, stays here.
LEFT_OUT = (
    "models.plan.compiler", "models.plan.proof", "models.plan.registry", "models.plan.rows",
)  # fmt: skip
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
IMPORT = re.compile(r"^(\s*)(from|import) models\b", re.MULTILINE)


def modules(entries: Iterable[str]) -> dict[str, Path]:
    """The file of each module of `models` that these modules import, at any place in their code."""
    found: dict[str, Path] = {}
    entries = set(entries)
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name in found or path is None or name == "models":
            continue
        if name.startswith(LEFT_OUT) and name not in entries:
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *(each for each, _ in imports(name, path))]
    return found


def others(found: dict[str, Path]) -> set[str]:
    """The top-level modules beside `models` and Python's own that these modules import at once."""
    names = {
        name.partition(".")[0]
        for module, path in found.items()
        for name, at_once in imports(module, path)
        if at_once
    }
    return names - {"models"} - sys.stdlib_module_names


def imports(module: str, path: Path) -> Iterator[tuple[str, bool]]:
    """The modules that a module imports, and whether it does so when it is itself imported.

    Those that only a type checker reads are left out.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    yield from _imports(ast.parse(path.read_text()), package, at_once=True)


def moved(source: str, place: str) -> str:
    """The source of a module whose imports of `models` are of the package `place`.

    Its docstrings, and the lines that are comments or empty, are left out: a third of its size.
    """
    lines = source.splitlines(keepends=True)
    kept: dict[int, str] = dict(enumerate(lines, 1))
    for token in tokenize.generate_tokens(iter(lines).__next__):
        if token.type in (tokenize.COMMENT, tokenize.NL) and token.line.lstrip()[:1] in ("#", ""):
            kept.pop(token.start[0], None)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            for number in range(first.lineno, (first.end_lineno or first.lineno) + 1):
                kept.pop(number, None)
            if len(node.body) == 1:
                kept[first.lineno] = f"{' ' * first.col_offset}pass\n"
    return IMPORT.sub(rf"\1\2 {place}", "".join(kept[number] for number in sorted(kept)))


def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir():
        path /= "__init__"
    path = path.with_suffix(".py")
    return path if name.partition(".")[0] == "models" and path.is_file() else None


def _imports(node: ast.AST, package: str, *, at_once: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, at_once) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - child.level + 1]
            name = ".".join([*(base if child.level else ()), *filter(None, [child.module])])
            yield name, at_once
            # What is imported from a package may be one of its modules.
            yield from ((f"{name}.{alias.name}", at_once) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        else:
            is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(child, package, at_once=at_once and not is_function)
