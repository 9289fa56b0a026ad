"""Make a model of a fitted estimator: read what it takes, and try it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn

from models.engines.scikit_learn import ScikitLearnEngine, has_pandas, prepare
from models.engines.trial import TrialError, apart
from models.errors import ModelError
from models.files import card_command, read_card
from models.model import METHODS, Model
from models.signature.probe import probe
from models.signature.read import read
from models.signature.types import Signature, SignatureError, example_row, plain
from models.unpickle import unpickle

log = logging.getLogger("models")

# Of `transform`'s columns, names are kept up to this number.
MAX_OUTPUTS = 10_000
# After this many seconds, what a trial would tell stays unknown.
TRIAL_SECONDS = 60.0


def load(path: Path, sha256: str = "", known: tuple[Signature, bool] | None = None) -> Model:
    """Load the joblib file at `path`, whose SHA-256 must be `sha256` if that is given.

    `known` is the result of `probe`, if that is known. Raises ModelError if the model cannot be
    served.
    """
    estimator, version = unpickle(path, sha256)
    card = read_card(path.with_suffix(".json"), version)
    return model_of(path, estimator, version, card, known)


def model_of(
    path: Path,
    estimator: Any,
    version: str,
    card: Mapping[str, Any],
    known: tuple[Signature, bool] | None = None,
) -> Model:
    """The model of an estimator that was unpickled from `path`; see `load`."""
    methods = methods_of(path, estimator)
    given = signature_of(path, estimator, card.get("features"))
    classes = classes_of(path, estimator)
    prepare(estimator)
    if (known[0] if known else given).frame and not has_pandas():
        raise ModelError(
            f"{path} looks its columns up in a DataFrame, and pandas is not installed: add it to "
            "models/requirements.txt and run make again"
        )
    signature, batchable = known or _probed(path, estimator, given, methods, card)
    return Model(
        path=str(path),
        version=version,
        kind=kind_of(estimator),
        estimator=estimator,
        engine=ScikitLearnEngine(estimator, signature, batchable=batchable),
        signature=signature,
        methods=methods,
        classes=classes,
        card=dict(card),
        versions={"scikit-learn": sklearn.__version__, "joblib": joblib.__version__},
        outputs=_outputs(estimator, [feature.name for feature in given.features]),
    )


def methods_of(path: Path, estimator: Any) -> tuple[str, ...]:
    """The methods that can be served; raises ModelError if there is none."""
    methods = tuple(name for name in METHODS if hasattr(estimator, name))
    if reason := unanswering(estimator, methods):
        raise ModelError(f"{path} holds a {type(estimator).__name__}, {reason}")
    return methods


def signature_of(path: Path, estimator: Any, features: Any = None) -> Signature:
    """The signature as it is read, without a trial; raises ModelError.

    `features` are what a card says of them, or their names, where the estimator does not know them.
    """
    try:
        return read(estimator, features)
    except SignatureError as error:
        said = str(error).replace("make card DATA=train.csv", card_command(str(path)))
        raise ModelError(f"{path}: {said}") from None


def classes_of(path: Path, estimator: Any) -> list[Any] | None:
    """The labels of `predict_proba`'s columns, as plain Python values; raises ModelError."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return None
    try:
        if isinstance(classes, list):
            return [[plain(label) for label in np.asarray(output).tolist()] for output in classes]
        return [plain(label) for label in np.asarray(classes).tolist()]
    except SignatureError as error:
        raise ModelError(f"{path}: {error}") from None


def kind_of(estimator: Any) -> str:
    """The name of an estimator, and of its last step where it is a pipeline."""
    names = [type(estimator).__name__]
    if steps := getattr(estimator, "steps", None):
        names.append(type(steps[-1][1]).__name__)
    return " → ".join(names)


def _probed(
    path: Path, estimator: Any, given: Signature, methods: Sequence[str], card: Mapping[str, Any]
) -> tuple[Signature, bool]:
    """The result of `probe` in a child process; if that fails, the signature as it was read."""
    # A label may hide a difference that its probability shows.
    method = "predict_proba" if "predict_proba" in methods else methods[0]
    example = example_row(given, card)
    try:
        found = apart(partial(probe, estimator, given, method, example), TRIAL_SECONDS)
    except TrialError as error:
        log.warning(
            "the model could not be tried on rows that were made up (%s): a missing value "
            "is refused, and each request is a call of its own",
            error,
        )
        return given, False
    if found[0].example is None:
        log.warning(
            "the model takes no row that was made up, and the example may be refused: "
            "`%s` tells what its columns hold",
            card_command(str(path)),
        )
    return found


def _outputs(estimator: Any, names: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns of `transform`; none if they are unknown or too many."""
    if not hasattr(estimator, "transform") or not hasattr(estimator, "get_feature_names_out"):
        return ()
    given = () if hasattr(estimator, "feature_names_in_") else (list(names),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = [str(name) for name in estimator.get_feature_names_out(*given)]
        except Exception:
            log.debug("the columns of transform have no names", exc_info=True)
            return ()
    return tuple(found) if len(found) <= MAX_OUTPUTS else ()


def unanswering(estimator: Any, methods: Collection[str]) -> str:
    """The reason why an estimator cannot answer new rows, and the remedy; empty if it can."""
    steps = getattr(estimator, "steps", None)
    last = steps[-1][1] if steps else estimator
    name = type(last).__name__
    if getattr(last, "novelty", True) is False and hasattr(last, "fit_predict"):
        return f"which knows only the rows it was fitted on: fit {name}(novelty=True), and save it"
    if methods:
        return ""
    if getattr(last, "refit", True) is False:
        return f"which keeps no model, for it has refit=False: fit {name}(refit=True), and save it"
    if hasattr(last, "fit_predict"):
        return (
            f"and {name} labels only the rows it was fitted on: to label new rows, save "
            "KNeighborsClassifier(n_neighbors=1).fit(X, labels_), or fit KMeans"
        )
    if hasattr(last, "fit_transform"):
        return (
            f"and {name} places only the rows it was fitted on: fit what has a transform for new "
            "rows, as PCA or umap.UMAP"
        )
    return f"which cannot answer for new rows: it has none of {', '.join(METHODS)}"
