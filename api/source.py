"""Where the model file is: on this machine, in SageMaker's folder, or in Vertex AI's bucket."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from api.settings import Settings
from models.errors import ModelError

# Vertex AI names a folder, with the model in it under this name.
FETCHED = "model.joblib"
# The names in a folder that mean the model where there are several.
NAMES = ("latest.joblib", FETCHED)


@contextlib.contextmanager
def located(settings: Settings) -> Iterator[Path]:
    """A context with the file of the model, for as long as it takes to load it.

    Raises ModelError.
    """
    if settings.aip_storage_uri:
        # It needs HTTPS, whose import takes a tenth of the start.
        from models import gcs

        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            path = Path(folder) / FETCHED
            gcs.fetch(
                f"{settings.aip_storage_uri.rstrip('/')}/{FETCHED}",
                path,
                storage=settings.storage_emulator_host,
                metadata=settings.gce_metadata_host,
            )
            yield path
    else:
        unpacked = find(Path(settings.sm_model_dir)) if settings.sm_model_dir else None
        yield unpacked or Path(settings.model_path)


def find(folder: Path) -> Path | None:
    """The model in a folder; None if there is no folder, or nothing in it.

    Raises ModelError if there is something else, or more than one that could be meant.
    """
    try:
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"cannot look into {folder} ({error.strerror}): let it be read") from None
    models = {path.name: path for path in files if path.suffix == ".joblib"}
    for name in NAMES:
        if name in models:
            return models[name]
    if len(models) == 1:
        return models.popitem()[1]
    if not files:
        return None
    have = ", ".join(sorted(models)) or "none"
    raise ModelError(
        f"{folder} must have one *.joblib, or one that is called {' or '.join(NAMES)}, "
        f"and has {have}: rename it, or set MODEL_PATH"
    )
