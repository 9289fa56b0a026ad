"""Run a model with scikit-learn itself."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models import libraries
from models.engines import OneRow, Rows
from models.engines.call import call, typed
from models.signature.composition import parts
from models.signature.types import Signature


class ScikitLearnEngine:
    """Runs the estimator's own methods; see `Engine`."""

    # Nothing says that an estimator may run in two threads at once.
    concurrent = ()
    one_row: Mapping[str, OneRow] = MappingProxyType({})

    def __init__(self, estimator: Any, signature: Signature, *, batchable: bool = False) -> None:
        self._estimator = estimator
        self.batchable = batchable
        self._signature = signature

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method on rows that fit the signature.

        Raises whatever the estimator raises; see `refuses`.
        """
        return call(self._estimator, self._signature, method, rows)

    def refuses(self, method: str, error: Exception) -> bool:
        """Whether an error of a call says that the model rejects the values of its rows.

        Somebody's own step may raise anything. The values are at fault, unless the model now also
        rejects its example row, which it took when it was loaded.
        """
        if isinstance(error, (ValueError, TypeError, OverflowError, LookupError)):
            return True
        if isinstance(error, MemoryError):
            return False
        if self._signature.example is None:
            return True
        try:
            self.run(method, typed(self._signature, [self._signature.example]))
        except Exception:
            return False
        return True


def prepare(estimator: Any) -> None:
    """Prepare the process and an estimator for calls: one thread, and no needless work."""
    # Arrays are faster than DataFrames, and equal where no step looks a column up by its name.
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    if not has_pandas() and NoPandas not in sys.meta_path:
        sys.meta_path.insert(0, NoPandas)
    for each in parts(estimator):
        libraries.use_one_thread(each)


def has_pandas() -> bool:
    """Whether pandas is installed."""
    try:
        return importlib.util.find_spec("pandas") is not None
    except ModuleNotFoundError:
        return False


class NoPandas:
    """Says at once, on `sys.meta_path`, that there is no pandas.

    scikit-learn 1.9 tries to import pandas in every call of an imputer. Where pandas is missing,
    Python searches the whole path each time: a third of a call of a linear model. None in the place
    of the module would be as fast, but scikit-learn takes it for pandas.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG004
        """Find no module; fail for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not installed", name=name)
