"""The files of a package, from which a wheel is built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec

from models.packaging import vendor
from models.packaging.names import module_of

# The engine and the reader stand here in the package.
ENGINE = "_engine"
# The methods that answer with one array, unless the model has several outputs.
ARRAYS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
COMMAND = "models.packaging.command"
INIT = '''"""{name} {version}: {kind}, which answers rows by {methods}.

>>> import {module}
>>> {module}.{first}([{example}])

`card` says what is known about the model, `version` is the SHA-256 of its joblib file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from {module}.{engine}.errors import InvalidRows
from {module}.{engine}.packaging.{loader} import load

__all__ = {names}

__version__ = "{version}"
model = load(Path(__file__).parent)
version: str = model.version
card: dict[str, Any] = model.card
'''
METHOD = '''

def {method}(rows: Any) -> {result}:
    """The model's `{method}` of n rows, one result a row.

    `rows` are a DataFrame, an array of shape (n_samples, n_features), or a list of rows, each a
    dict by the names of the features or a list in their order; for a model of texts, a list of
    texts. Raises InvalidRows, which says where they are wrong.
    """
    result: {result} = model.answer("{method}", rows)
    return result
'''
MAIN = '''"""The command {command}."""

from __future__ import annotations

from {module} import __version__, model
from {module}.{engine}.packaging import command


def main() -> None:
    """Answer the rows that the command line names."""
    command.main(model, "{command}", __version__)


if __name__ == "__main__":
    main()
'''


PAGE = """\
# {name} {version}

A model, {kind}, that answers rows by {methods}. Its joblib file has the SHA-256
`{sha256}`.

```python
import {module}

{module}.{first}([{example}])
```

```console
$ {command} rows.csv > answers.csv
```

`{command} --help` tells more, and `{module}.card` what is known about the model.
"""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into a package.

    `name` is its normalized name; `methods` and `classes` are the model's, `sha256` is that of its
    joblib file. `loader` is the module that loads the model, `modules` are others that are imported
    by name. `files` are the model's by their names in the package.
    """

    name: str
    version: str
    kind: str
    sha256: str
    methods: tuple[str, ...]
    classes: list[Any]
    card: dict[str, Any]
    loader: str
    modules: tuple[str, ...]
    requirements: tuple[str, ...]
    files: dict[str, Path]

    @property
    def module(self) -> str:
        """The name by which Python imports it."""
        return module_of(self.name)

    @property
    def example(self) -> str:
        """A row of the model as Python writes it; three dots if none can stand here."""
        text = repr(self.card["example"]) if self.card.get("example") else "..."
        # It stands in a docstring and in a block of Markdown.
        return "..." if '"""' in text or "```" in text else text

    @property
    def command(self) -> str:
        """The name of its command."""
        return f"{self.name}-predict"


def write(package: Package, folder: Path) -> None:
    """Write the files of a package and its pyproject.toml into a folder."""
    inside = folder / package.module
    place = f"{package.module}.{ENGINE}"
    for path in vendor.modules((COMMAND, package.loader, *package.modules)).values():
        parts = path.relative_to(vendor.ROOT / "models").parts
        target = inside.joinpath(ENGINE, *parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(vendor.moved(path.read_text(), place))
    (inside / ENGINE / "__init__.py").write_text(
        '"""Parts of Machine Learning API: they read rows and run the model."""\n'
    )
    names = _names(package)
    init = INIT.format(**names) + "".join(
        METHOD.format(method=m, result=_result(package, m)) for m in package.methods
    )
    (inside / "__init__.py").write_text(init)
    (inside / "__main__.py").write_text(MAIN.format(**names))
    (inside / "py.typed").touch()
    shutil.copyfile(vendor.ROOT / "LICENSE", inside / ENGINE / "LICENSE")
    (inside / "model.json").write_bytes(msgspec.json.encode(package.card))
    for name, path in package.files.items():
        shutil.copyfile(path, inside / name)
    (folder / "README.md").write_text(PAGE.format(**names, sha256=package.sha256))
    (folder / "pyproject.toml").write_text(_pyproject(package))


def _names(package: Package) -> dict[str, Any]:
    """What the templates name."""
    return {
        "module": package.module,
        "command": package.command,
        "engine": ENGINE,
        "name": package.name,
        "version": package.version,
        "kind": package.kind,
        "loader": package.loader.rpartition(".")[2],
        "methods": ", ".join(package.methods),
        "first": package.methods[0],
        "example": package.example,
        "names": [*sorted(["InvalidRows", "card", "model", "version", *package.methods])],
    }


def _result(package: Package, method: str) -> str:
    """The type of a method's results, as the package says it."""
    several = bool(package.classes) and isinstance(package.classes[0], list)
    return "np.ndarray" if method in ARRAYS and not several else "Any"


def _pyproject(package: Package) -> str:
    text = json.dumps  # a string of JSON is one of TOML
    return f"""\
[project]
name = {text(package.name)}
version = {text(package.version)}
description = {text(f"{package.kind}, SHA-256 {package.sha256}")}
readme = "README.md"
requires-python = ">=3.11"
dependencies = {text(list(package.requirements))}

[project.scripts]
{text(package.command)} = {text(f"{package.module}.__main__:main")}

[project.entry-points."mlapi.models"]
{text(package.name)} = {text(package.module)}

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build]
ignore-vcs = true

[tool.hatch.build.targets.wheel]
packages = [{text(package.module)}]
"""
