"""The packages that a model's joblib file needs, in the versions that are installed here."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from models import saved
from models.errors import ModelError
from models.packaging import vendor

# What runs a plan.
PLAN = ("msgspec", "numpy")
# What a joblib file is read with, and what scikit-learn has installed beside it.
SCIKIT_LEARN = ("joblib", "threadpoolctl")


def of_joblib(path: Path, *, frame: bool) -> tuple[list[str], list[str]]:
    """The requirements of the joblib file at `path`, and its own modules in `models`.

    `frame` says whether the model needs a DataFrame. Raises ModelError for a module that is in no
    package.
    """
    with path.open("rb") as file:
        content = saved.look(file)
    own = sorted({module for module, _ in content.names if module.partition(".")[0] == "models"})
    tops = {top for top in saved.foreign(content) if top != "models"}
    tops |= {"pandas"} if frame else set()
    tops |= {module.partition(".")[0] for module, _ in content.names} & {"pandas", "scipy"}
    tops |= vendor.others(vendor.modules(own)) - {*PLAN, *SCIKIT_LEARN, "sklearn"}
    exact = [f"scikit-learn=={metadata.version('scikit-learn')}"]
    distributions = metadata.packages_distributions()
    for top in sorted(tops):
        if top not in distributions:
            raise ModelError(
                f"{path} needs the module {top}, which is in no package that is installed: move "
                "that code into models/steps.py, train with it, and save the model again"
            )
        exact += [f"{name}=={metadata.version(name)}" for name in distributions[top]]
    return sorted({*exact, "msgspec", *SCIKIT_LEARN, _numpy()}), own


def _numpy() -> str:
    """A file that was saved beside one major version of numpy is read beside that."""
    return f"numpy>={metadata.version('numpy').partition('.')[0]}"
