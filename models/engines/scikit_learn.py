"""Run a model with scikit-learn itself."""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import joblib
import msgspec
import numpy as np

from models import libraries
from models.engines import Engine, Rows, Single, inputs, whole
from models.engines.trial import TrialError, apart
from models.errors import ModelError
from models.model import Model, card_command
from models.signature import probe
from models.signature.composition import parts
from models.signature.types import Signature, example_row

# After this, what trying rows would tell stays unknown.
TRIAL_SECONDS = 60.0

log = logging.getLogger("models")

# Arrays are faster than DataFrames, and as good where no step looks a column up by its name.
warnings.filterwarnings("ignore", message="X does not have valid feature names")


class NoPandas:
    """Says at once, on `sys.meta_path`, that there is no pandas.

    scikit-learn 1.9 tries to import it in every call of an imputer. Where it is not installed,
    Python looks through the whole path each time, which takes a third of a call of a linear model.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG004
        """Find no module; fail for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not installed", name=name)


class ScikitLearnEngine:
    """Runs the estimator's own methods; see `Engine`.

    What only a try can tell is tried in a process apart, or is taken from `known`, the engine that
    leaves methods to this one. Raises ModelError if the rows must be a DataFrame and there is no
    pandas.
    """

    # Nothing says that an estimator may run in two threads at once.
    immediate = ()
    singles: Mapping[str, Single] = MappingProxyType({})

    def __init__(self, model: Model, known: Engine | None = None) -> None:
        self._estimator = model.estimator
        self._methods = model.methods
        self._path = model.path
        self._example = example_row(model.signature, model.card)
        self.signature = model.signature if known is None else known.signature
        self.mergeable = known is not None and known.mergeable
        self._has_pandas = NoPandas not in sys.meta_path and bool(
            importlib.util.find_spec("pandas")
        )
        if not self._has_pandas:
            if self.signature.frame:
                raise ModelError(
                    f"{model.path} looks its columns up in a DataFrame, and pandas is not "
                    "installed: add it to models/requirements.txt and run make again"
                )
            sys.meta_path[:] = [NoPandas, *(f for f in sys.meta_path if f is not NoPandas)]
        for each in parts(self._estimator):
            libraries.use_one_thread(each)
        if known is None:
            try:
                self.signature, self.mergeable = apart(self._try, TRIAL_SECONDS)
            except TrialError as error:
                log.warning(
                    "the model could not be tried on rows that were made up (%s): a missing value "
                    "is refused, and each request is a call of its own",
                    error,
                )

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method on rows that fit the signature.

        Raises whatever the estimator raises; see `refuses`.
        """
        return self._run(self.signature, method, rows)

    def refuses(self, method: str, error: Exception) -> bool:
        """Whether an error of a call says that the model refuses the values of its rows.

        Somebody's own step may raise anything. The values are at fault, unless the model now also
        refuses its example row, which it took at the start.
        """
        if isinstance(error, (ValueError, TypeError, OverflowError, LookupError)):
            return True
        if isinstance(error, MemoryError):
            return False
        if self.signature.example is None:
            return True
        try:
            self.run(method, _typed(self.signature, [self.signature.example]))
        except Exception:
            return False
        return True

    def _run(self, signature: Signature, method: str, rows: Rows) -> Any:
        places = inputs.groups(signature, rows)
        if places is None:
            return self._call(signature, method, rows)
        found = [self._call(signature, method, [rows[i] for i in part]) for part in places]
        return _in_order(places, found)

    def _call(self, signature: Signature, method: str, rows: Rows) -> Any:
        # A forest fitted with n_jobs=-1 takes five times as long to start threads for one row
        # as to walk its trees, and every process of the server would start them.
        with joblib.parallel_config(backend="sequential"):
            result = getattr(self._estimator, method)(inputs.to_input(signature, rows))
        return as_arrays(result)

    def _try(self) -> tuple[Signature, bool]:
        """The signature with what only a try can tell, and whether requests may share a call.

        Nothing tells of a model fitted in single precision, or of somebody's own step that looks
        columns up by name, but that it refuses everything else.
        """
        given = self.signature
        # A label may hide a difference that its probability shows.
        method = "predict_proba" if "predict_proba" in self._methods else self._methods[0]

        def answers(signature: Signature, rows: list[Any]) -> Any:
            return self._run(signature, method, _typed(signature, rows))

        for change in ({}, {"single": True}, {"frame": True}):
            names = given.named or given.form == "text"
            if ("frame" in change and not (self._has_pandas and names)) or (change and given.frame):
                continue
            changed = msgspec.structs.replace(given, **change)
            found = probe.tell(self._estimator, changed, answers, self._example)
            if found.example is not None:
                break
        else:
            log.warning(
                "the model takes no row that was made up, and the example may be refused: "
                "`%s` tells what its columns hold",
                card_command(self._path),
            )
            return given, False
        if found.form == "table":
            found = probe.may_be_missing(found, answers)
        return found, probe.batchable(found, answers)


def as_arrays(result: Any) -> Any:
    """The answer of an estimator as an array, a sparse matrix, or a list of arrays."""
    if hasattr(result, "to_numpy"):
        return result.to_numpy()
    # Several outputs are a list of arrays; any other list is of somebody's own estimator.
    if isinstance(result, list) and not getattr(next(iter(result), None), "shape", ()):
        return np.asarray(result)
    return result


def _typed(signature: Signature, rows: list[Any]) -> Rows:
    return np.array(rows, dtype=np.float64) if signature.numeric else rows


def _in_order(places: Sequence[Sequence[int]], results: Sequence[Any]) -> Any:
    """The results of rows at these places as those of all rows, in their order."""
    order = np.argsort(np.concatenate(places))

    def ordered(result: Any) -> Any:
        if isinstance(result, (tuple, list)):
            return type(result)(map(ordered, result))
        return result[order]

    return ordered(whole(results))
