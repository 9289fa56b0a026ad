"""Where the model file is: on this machine, in SageMaker's folder, or at a source to fetch from."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from api.settings import Settings


@contextlib.contextmanager
def located(settings: Settings) -> Iterator[Path]:
    """A context with the file of the model, for as long as it takes to load it.

    Raises ModelError.
    """
    if settings.is_fetched:
        # It needs HTTPS, whose import takes a tenth of the start.
        from models import sources

        with tempfile.TemporaryDirectory(prefix="model-") as temporary:
            fetched = sources.fetch(settings.source, Path(temporary), settings=settings)
            assert fetched  # noqa: S101 - no revision is known
            yield fetched.model
    elif settings.sm_model_dir:
        from models.sources import files

        yield files.find(Path(settings.sm_model_dir)) or Path(settings.model_path)
    else:
        yield Path(settings.model_path)
