"""Read a fitted estimator from its joblib file, or say all that is in the way."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import joblib
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from models import saved
from models.errors import ModelError, brief
from models.file_types import SAVE
from models.files import open_file
from models.packages import PACKAGES
from models.pickles import LZ4, Content
from models.signature import estimators

log = logging.getLogger("models")


def unpickle(path: Path, sha256: str = "") -> tuple[Any, str]:
    """The fitted estimator in the joblib file at `path`, and the SHA-256 of the file.

    Raises ModelError if the file is missing, damaged, made by another scikit-learn or with a
    package that is not installed, holds no fitted estimator, or has another SHA-256 than `sha256`.
    """
    estimator, version = _unpickle(path, sha256)
    # Not every library derives its estimators from scikit-learn's; CatBoost does not.
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
        raise ModelError(f"{path} holds a {kind}, not a fitted scikit-learn estimator: {SAVE}")
    try:
        if estimators.is_estimator(estimator) and hasattr(estimator, "fit"):
            check_is_fitted(estimator)
    except NotFittedError:
        raise ModelError(
            f"{path} holds a {type(estimator).__name__} that is not fitted: "
            "call fit before joblib.dump"
        ) from None
    except AttributeError:
        log.warning("%s holds a part that does not tell whether it is fitted", path)
    return estimator, version


def _unpickle(path: Path, sha256: str) -> tuple[Any, str]:
    """Read the file once: its hash and the object in it are of the same bytes."""
    file, version = open_file(path, sha256)
    with file:
        content = saved.look(file)
        _check(content, file, path)
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _import(content, path)
                return joblib.load(file), version
        except ModelError:
            raise
        except Exception as error:
            if content.problem:
                raise ModelError(f"{path} {content.problem}") from None
            log.debug("%s cannot be loaded", path, exc_info=True)
            raise ModelError(
                f"{path} cannot be loaded with {_installed(content)} ({brief(error)}): it "
                "was saved with other versions; name those in models/requirements.txt, as in "
                "package==1.2.3, and run make again"
            ) from None


def _check(content: Content, file: BinaryIO, path: Path) -> None:
    """Raise ModelError with all reasons that can be seen without running the file."""
    reasons = saved.obstacles(content, str(path), _has)
    saver = saved.saved_with(content)
    if saver and not saved.alike(saver, sklearn.__version__):
        reasons.insert(0, saved.other_version(saver, sklearn.__version__))
    file.seek(0)
    if file.read(len(LZ4)) == LZ4 and not _has("lz4"):
        reasons.append(
            "is compressed with LZ4: add the line lz4 to models/requirements.txt and run make again"
        )
    if reasons:
        raise ModelError(saved.sentence(str(path), reasons))
    if saver not in (None, sklearn.__version__):
        log.warning(
            "%s was saved with scikit-learn %s, and %s serves it: within %s the form of files "
            "stays the same",
            path, saver, sklearn.__version__, saved.minor(sklearn.__version__),
        )  # fmt: skip


def _has(module: str) -> bool:
    """Whether a module is installed, as far as that shows without running the user's code."""
    names = module.split(".")
    # Importing these two packages runs nothing.
    looked_up = ".".join(names[: 2 if names[0] in ("api", "models") else 1])
    if looked_up in sys.modules:
        return True
    try:
        return importlib.util.find_spec(looked_up) is not None
    except (ImportError, ValueError):
        return False


def _import(content: Content, path: Path) -> None:
    """Import the packages that the file needs; raises ModelError, which names one that fails."""
    others = saved.foreign(content)
    for module, name in content.names:
        if module.partition(".")[0] not in others | {"sklearn"}:
            continue
        try:
            imported = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ModelError(_missing_module(path, module, error.name or str(error))) from None
        except (Exception, SystemExit) as error:
            log.debug("%s cannot be imported", module, exc_info=True)
            raise ModelError(
                f"{path} needs {module}, which cannot be imported with {_installed(content)} "
                f"({brief(error)}): another version of either is needed; name it in "
                "models/requirements.txt, as in package==1.2.3, and run make again"
            ) from None
        if not hasattr(imported, name.partition(".")[0]):
            raise ModelError(
                f"{path} needs {name} of {module}, which is not there now: bring it back under "
                "that name, or install the version that the model was saved with"
            )


def _installed(content: Content) -> str:
    """The installed versions of the packages that the file needs."""
    distributions = metadata.packages_distributions()
    needed = {name for top in saved.foreign(content) for name in distributions.get(top, ())} - {
        "scikit-learn"
    }
    listed = [f"{name} {metadata.version(name)}" for name in sorted(needed)]
    return " and ".join([f"scikit-learn {sklearn.__version__}", *listed])


def _missing_module(path: Path, module: str, missing: str) -> str:
    """The sentence on a module that the file needs, whose import did not find `missing`."""
    top = missing.partition(".")[0]
    if module.partition(".")[0] != top:
        package = PACKAGES.get(top)
        return f"{path} needs {module}, which imports {missing}, and that is not installed: " + (
            f"add the line {package} to models/requirements.txt and run make again"
            if package
            else "add the name that you install it by to models/requirements.txt and run make again"
        )
    if top == "sklearn":
        return (
            f"{path} needs {module}, which scikit-learn {sklearn.__version__} does not have: it "
            "was saved with another version; add the line scikit-learn==<that version> to "
            "models/requirements.txt and run make again"
        )
    return (
        f"{path} needs {missing}, which the installed {top} does not have: it was saved with "
        f"another version; name that in models/requirements.txt and run make again"
    )
