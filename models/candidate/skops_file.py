"""Read an estimator from a skops file, which builds only types that are trusted."""

from __future__ import annotations

import warnings
from pathlib import Path

import joblib
import sklearn

from models import saved
from models.candidate import bundle
from models.candidate.facts import Fault
from models.rows.words import some


def convert(path: Path, trusted_types: str) -> Path:
    """Write the estimator of a skops file to a joblib file beside it, and give that one's path.

    `trusted_types` are the names of MODEL_TRUSTED_TYPES. Raises Fault if the file holds another
    type that skops does not trust, or was written with a scikit-learn whose files are not read.
    """
    try:
        from skops import io
    except ModuleNotFoundError:
        raise Fault(
            "type",
            "it is a skops file, and skops is not installed: add the line skops to "
            "models/requirements.txt and run make again",
        ) from None
    trusted = {name.strip() for name in trusted_types.split(",")}
    needed = set(io.get_untrusted_types(file=path))
    if unknown := sorted(needed - trusted):
        raise Fault(
            "type",
            f"it holds types that are not trusted: {some(unknown)}; if you trust them, set "
            f"MODEL_TRUSTED_TYPES={','.join(sorted(trusted - {''} | needed))}",
        )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        estimator = io.load(path, trusted=sorted(needed))
    for warning in seen:
        saver = getattr(warning.message, "original_sklearn_version", sklearn.__version__)
        if not saved.alike(saver, sklearn.__version__):
            raise Fault("unreadable", f"{path} {saved.other_version(saver, sklearn.__version__)}")
    target = path.with_suffix(bundle.JOBLIB)
    joblib.dump(estimator, target)
    return target
