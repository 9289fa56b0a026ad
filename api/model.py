"""Load a model: the estimator, its signature, its version and what it can do. No HTTP in here."""

from __future__ import annotations

import hashlib
import logging
import warnings
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from api import signature
from api.saved import saved_with
from api.signature import Signature, plain

log = logging.getLogger("api")

# The methods that answer a table of rows with one result a row, in the order they are listed.
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "predict_joint_log_proba",
    "decision_function",
    "score_samples",
    "mahalanobis",
    "transform",
    "kneighbors",
    "radius_neighbors",
    "apply",
)
# Those whose answer has one column for each class.
PER_CLASS = ("predict_proba", "predict_log_proba", "predict_joint_log_proba")


class ModelError(Exception):
    """The model cannot be served; the message says what is wrong and what to do."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted estimator and what is known about it.

    `version` is the SHA-256 of its file, `classes` the labels in the order of the columns of
    `predict_proba` (a list of them for several outputs), `card` the sidecar or an empty dict.
    """

    path: str
    version: str
    estimator: Any
    signature: Signature
    methods: tuple[str, ...]
    classes: list[Any] | None
    card: dict[str, Any]

    @property
    def kind(self) -> str:
        """The name of the estimator, and of the last step where it is a pipeline."""
        names = [type(self.estimator).__name__]
        if steps := getattr(self.estimator, "steps", None):
            names.append(type(steps[-1][1]).__name__)
        return " → ".join(names)


def load(path: Path, sha256: str = "") -> Model:
    """Load the joblib file at `path`, whose SHA-256 must be `sha256` if that is given.

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
    card = _read_card(path.with_suffix(".json"), version)
    try:
        rows = signature.read(estimator, card.get("features"))
        classes = _classes(estimator)
    except signature.SignatureError as error:
        raise ModelError(f"{path}: {error}") from None
    return Model(
        path=str(path),
        version=version,
        estimator=estimator,
        signature=rows,
        methods=methods,
        classes=classes,
        card=card,
    )


def _unpickle(path: Path, sha256: str) -> tuple[Any, str]:
    """Read the file once: its hash and the object in it are of the same bytes."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelError(
            f"cannot read {path} ({error.strerror}): put your model there, "
            "set MODEL_PATH, or make the example with `make train`"
        ) from None
    with file:
        version = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 and version != sha256:
            raise ModelError(f"{path} has SHA-256 {version}, but MODEL_SHA256 says {sha256}")
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", InconsistentVersionWarning)
                return joblib.load(file), version
        except InconsistentVersionWarning as warning:
            raise ModelError(_other_version(path, warning.original_sklearn_version)) from None
        except ModuleNotFoundError as error:
            raise ModelError(_missing_module(path, error.name or str(error))) from None
        except AttributeError as error:
            raise ModelError(
                f"{path} needs something that is not where it was when it was saved ({error}): "
                "a class or function defined in a notebook or script belongs in a module of its "
                "own, importable here; one of scikit-learn's needs the version that saved it"
            ) from None
        except Exception as error:
            file.seek(0)
            if (saved := saved_with(file.read())) not in (None, sklearn.__version__):
                raise ModelError(_other_version(path, saved)) from None
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


def _read_card(path: Path, version: str) -> dict[str, Any]:
    """The sidecar; {} if there is none, or if it belongs to a model that was here before."""
    try:
        card = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"the card {path} cannot be read ({error}): mend or delete it") from None
    if card.get("sha256", version) != version:
        log.warning("the card %s belongs to another model, and is passed over", path)
        return {}
    if not isinstance(card.get("features", []), (list, dict)):
        raise ModelError(f"the card {path} must have its features as a list of names or an object")
    return card
