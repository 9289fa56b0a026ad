"""Load a fitted estimator from its joblib file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from api.introspection import read
from api.model import METHODS, Model, ModelError, open_file, read_card
from api.saved import saved_with
from api.signature import SignatureError, plain

log = logging.getLogger("api")


def load(path: Path, sha256: str = "", names: Sequence[str] = ()) -> Model:
    """Load the joblib file at `path`, whose SHA-256 must be `sha256` if that is given.

    `names` stand in where neither the estimator nor the card knows what its features are called.

    Raises ModelError if it is missing, damaged, made by another scikit-learn, made with a package
    that is not installed, no estimator, not fitted, or has no method that can be served.
    """
    estimator, version = _unpickle(path, sha256)
    # Not every library derives its estimators from scikit-learn's; CatBoost does not.
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
        raise ModelError(f"{path} holds a {kind}, not a fitted scikit-learn estimator")
    try:
        if isinstance(estimator, BaseEstimator) and hasattr(estimator, "fit"):
            check_is_fitted(estimator)
    except NotFittedError:
        raise ModelError(
            f"{path} holds a {type(estimator).__name__} that is not fitted: "
            "call fit before joblib.dump"
        ) from None
    except AttributeError:
        log.warning("%s holds a part that does not tell whether it is fitted", path)
    methods = tuple(name for name in METHODS if hasattr(estimator, name))
    if not methods:
        raise ModelError(
            f"{path} holds a {type(estimator).__name__}, which cannot answer for new rows: "
            f"it has none of {', '.join(METHODS)}"
        )
    card = read_card(path.with_suffix(".json"), version)
    try:
        rows = read(estimator, card.get("features") or list(names))
        classes = _classes(estimator)
    except SignatureError as error:
        raise ModelError(f"{path}: {error}") from None
    return Model(
        path=str(path),
        version=version,
        kind=_kind(estimator),
        estimator=estimator,
        signature=rows,
        methods=methods,
        classes=classes,
        card=card,
        versions={"scikit-learn": sklearn.__version__, "joblib": joblib.__version__},
    )


def _kind(estimator: Any) -> str:
    names = [type(estimator).__name__]
    if steps := getattr(estimator, "steps", None):
        names.append(type(steps[-1][1]).__name__)
    return " → ".join(names)


def _unpickle(path: Path, sha256: str) -> tuple[Any, str]:
    """Read the file once: its hash and the object in it are of the same bytes."""
    file, version = open_file(path, sha256)
    with file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if (saved := saved_with(file.read())) not in (None, sklearn.__version__):
                    raise ModelError(_other_version(path, saved))
                file.seek(0)
                return joblib.load(file), version
        except ModelError:
            raise
        except ModuleNotFoundError as error:
            raise ModelError(_missing_module(path, error.name or str(error))) from None
        except AttributeError as error:
            raise ModelError(
                f"{path} needs something that is not where it was when it was saved ({error}): "
                "a class or function defined in a notebook or script belongs in a module of its "
                "own, importable here; one of scikit-learn's needs the version that saved it"
            ) from None
        except Exception as error:
            raise ModelError(
                f"{path} is not a joblib file, or is damaged "
                f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}): "
                "write it again with joblib.dump(estimator, path)"
            ) from None


def _other_version(path: Path, saved: str) -> str:
    return (
        f"{path} was saved with scikit-learn {saved}, and {sklearn.__version__} is installed: "
        f"add the line scikit-learn=={saved} to models/requirements.txt and run make again, "
        "or save the model with the installed version"
    )


def _missing_module(path: Path, module: str) -> str:
    package = module.partition(".")[0]
    if package == "sklearn":
        return (
            f"{path} needs {module}, which scikit-learn {sklearn.__version__} does not have: it "
            "was saved with another version; add the line scikit-learn==<that version> to "
            "models/requirements.txt and run make again"
        )
    return (
        f"{path} needs the package {package}, which is not installed: "
        "add it to models/requirements.txt and run make again"
    )


def _classes(estimator: Any) -> list[Any] | None:
    """The labels of `predict_proba`'s columns, as plain Python values."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return None
    if isinstance(classes, list):
        return [[plain(label) for label in np.asarray(output).tolist()] for output in classes]
    return [plain(label) for label in np.asarray(classes).tolist()]
