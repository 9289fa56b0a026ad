"""Settings are read once, and all that is wrong is said at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from api.settings import Settings, SettingsError


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()


def test_a_variable_sets_the_field_of_its_name() -> None:
    settings = Settings.from_env({"PORT": "9001", "MODEL_PATH": "a.joblib", "TIMEOUT": "0.5"})
    assert (settings.port, settings.model_path, settings.timeout) == (9001, "a.joblib", 0.5)


def test_an_empty_value_is_the_default() -> None:
    assert Settings.from_env({"PORT": ""}).port == 8080


def test_every_wrong_value_is_named_at_once() -> None:
    wrong = {"PORT": "70000", "THREADS": "many", "MODEL_SHA256": "abc", "TIMEOUT": "0"}
    with pytest.raises(SettingsError) as error:
        Settings.from_env(wrong)
    for name in wrong:
        assert name in str(error.value)


def test_example_env_has_a_line_on_every_setting_with_its_default() -> None:
    lines = Path("example.env").read_text().splitlines()
    for field in msgspec.structs.fields(Settings):
        line = f"# {field.name.upper()}={field.default}"
        assert line in lines, line
        assert not lines[lines.index(line) - 1].startswith("# " + field.name.upper())
