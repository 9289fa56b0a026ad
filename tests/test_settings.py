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


@pytest.mark.parametrize(
    ("variables", "port"),
    [
        ({"AIP_HTTP_PORT": "9001"}, 9001),
        ({"SAGEMAKER_BIND_TO_PORT": "9002"}, 9002),
        ({"PORT": "", "SAGEMAKER_BIND_TO_PORT": "9002"}, 9002),
        ({"PORT": "9000", "AIP_HTTP_PORT": "9001", "SAGEMAKER_BIND_TO_PORT": "9002"}, 9000),
    ],
)
def test_the_port_that_a_platform_names_gives_way_to_our_own(
    variables: dict[str, str], port: int
) -> None:
    assert Settings.from_env(variables).port == port


def test_where_a_platform_puts_a_model_gives_way_to_our_own_path() -> None:
    platform = {"AIP_STORAGE_URI": "gs://bucket/folder", "SM_MODEL_DIR": "/models"}
    settings = Settings.from_env(platform)
    assert (settings.aip_storage_uri, settings.sm_model_dir) == tuple(platform.values())
    settings = Settings.from_env(platform | {"MODEL_PATH": "models/latest.joblib"})
    assert (settings.aip_storage_uri, settings.sm_model_dir) == ("", "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AIP_HTTP_PORT", "http"),
        ("SAGEMAKER_BIND_TO_PORT", "0"),
        ("AIP_HEALTH_ROUTE", "health"),
        ("AIP_PREDICT_ROUTE", "/<model>"),
        ("AIP_STORAGE_URI", "s3://bucket"),
        ("AIP_STORAGE_URI", "gs://"),
        ("GCE_METADATA_HOST", "http://metadata"),
        ("STORAGE_EMULATOR_HOST", "file:///etc"),
    ],
)
def test_what_a_platform_sets_wrongly_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}={value!r}: "):
        Settings.from_env({variable: value})


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
