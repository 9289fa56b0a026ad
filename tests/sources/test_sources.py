"""What all sources have in common: their schemes, and how their addresses are shown."""

from __future__ import annotations

import pytest

from models import sources
from models.sources import files
from tests.sources.conftest import Refused


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("/mnt/models/a@b.joblib", "/mnt/models/a@b.joblib"),
        ("https://me:secret@host:8443/a.joblib?sig=secret#sha256=12", "https://host:8443/a.joblib"),
        ("https://host/a@b.joblib", "https://host/a@b.joblib"),
        ("https://me:secret@host", "https://host"),
        ("s3://key:secret@bucket/a?b", "s3://bucket/a?b"),
        ("gs://bucket/a#b", "gs://bucket/a#b"),
        ("mlflow://penguins@champion", "mlflow://penguins@champion"),
        ("wandb://team/penguins/a:b", "wandb://team/penguins/a:b"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(uri: str, shown: str) -> None:
    assert sources.shown(uri) == shown


@pytest.mark.parametrize(
    ("name", "is_model"),
    [("a.joblib", True), ("b/a.pkl", True), ("a.skops", True), ("a.plan", True), ("a", False),
     ("a.joblib/", False), ("", False)],
)  # fmt: skip
def test_the_end_of_a_name_tells_a_model_from_a_folder(name: str, is_model: bool) -> None:  # noqa: FBT001
    assert files.is_model(name) == is_model


@pytest.mark.parametrize("scheme", ["ftp", "models", "S3N"])
def test_an_unknown_scheme_is_one_sentence(refused: Refused, scheme: str) -> None:
    assert refused(f"{scheme}://host/a.joblib").startswith(
        f"MODEL_URI has the scheme {scheme.lower()}://, which no source has: expected a file or a "
        "folder of this machine, gs://bucket/path, "
    )
