"""The accuracy test of the app: a running service answers the rows as the file does."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import models
from api.app import create_app
from api.settings import Settings
from models.evaluation import served
from models.evaluation.answers import answered
from models.evaluation.facts import Unmeasurable
from models.evaluation.measure import evaluate
from models.model import Model
from tests.test_serving import Server, free_port, serving

PENGUINS = Path("models/penguins.csv")


@pytest.fixture(scope="module")
def server(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that takes few rows at once, and needs a key."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, MODEL_PATH=penguins_path, MAX_ROWS=100, API_KEYS="tester:" + "k" * 32) as s:
        yield s


@pytest.fixture
def url(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("API_KEY", "k" * 32)
    return f"http://127.0.0.1:{server.port}/"
