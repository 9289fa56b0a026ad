"""The model of a task, by its version: the one that serves, or one that the service keeps."""

from __future__ import annotations

from pathlib import Path

from api.app import service_of
from api.service import Service
from api.settings import Settings
from models.errors import ModelError
from models.versions import Store, folder_for


class Models:
    """Gives the services of versions; `first` is the one that this process began with."""

    def __init__(self, first: Service, settings: Settings) -> None:
        self._first = self._last = first
        self._settings = settings

    def __call__(self, version: str) -> Service:
        """The service of the model with this version; raises ModelError if it is not here."""
        for known in (self._last, self._first):
            if known.model.version == version:
                return known
        if not self._settings.keeps_versions:
            have = self._first.model.version
            raise ModelError(f"this service has only the version {have[:12]}")
        self._last = self._load(version)
        return self._last

    def _load(self, version: str) -> Service:
        # Most services keep no versions.
        from api.keeping import load

        settings = self._settings
        folder = folder_for(Path(settings.model_path), settings.model_store)
        found = Store(folder, settings.model_name).find(version)
        return service_of(load(found, settings), settings)
