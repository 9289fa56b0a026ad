"""Settings are read once, and all that is wrong is said at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from api.setting_types import ApiKeys, Secret, Url, WebUrl
from api.settings import Settings, add_file, misspelt
from models.settings import SettingsError


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


def test_a_worker_of_cloud_run_has_no_disk_for_tasks_either() -> None:
    assert Settings.from_env({"CLOUD_RUN_WORKER_POOL": "workers"}).data_folder is None


def test_where_a_platform_puts_a_model_gives_way_to_our_own_path() -> None:
    platform = {"AIP_STORAGE_URI": "gs://bucket/folder", "SM_MODEL_DIR": "/models"}
    settings = Settings.from_env(platform)
    assert (settings.aip_storage_uri, settings.sm_model_dir) == tuple(platform.values())
    settings = Settings.from_env(platform | {"MODEL_PATH": "models/latest.joblib"})
    assert (settings.aip_storage_uri, settings.sm_model_dir) == ("", "")


# What is set wrongly, and what is said to be expected instead: words, and an example.
WRONG = [
    ("PORT", "99999", "a whole number from 1 to 65535, as in PORT=8080"),
    ("PORT", "0", "a whole number from 1 to 65535, as in PORT=8080"),
    ("PORT", "http", "a whole number from 1 to 65535, as in PORT=8080"),
    ("AIP_HTTP_PORT", "http", "a whole number from 1 to 65535, as in AIP_HTTP_PORT=8080"),
    ("SAGEMAKER_BIND_TO_PORT", "0", "a whole number from 1 to 65535"),
    ("HOST", "http://127.0.0.1", "the name or address of a machine, as in HOST=127.0.0.1"),
    ("HOST", "a b", "the name or address of a machine, as in HOST=127.0.0.1"),
    ("PROCESSES", "0", "a whole number from 1 to 1024, as in PROCESSES=2"),
    ("THREADS", "many", "a whole number from 1 to 1024, as in THREADS="),
    ("THREADS", "1e30", "a whole number from 1 to 1024"),
    ("MAX_ROWS", "-1", "a whole number of at least 1, as in MAX_ROWS=10000"),
    ("MAX_BODY_BYTES", "32MB", "a whole number of bytes, without a unit, of at least 1, as in MAX_BODY_BYTES=33554432"),
    ("TIMEOUT", "abc", "a number of seconds above 0, and at most 86400, as in TIMEOUT=60"),
    ("TIMEOUT", "60s", "a number of seconds above 0"),
    ("TIMEOUT", "inf", "a number of seconds above 0"),
    ("TIMEOUT", "nan", "a number of seconds above 0"),
    ("BAKE_SECONDS", "0", "a number of seconds above 0"),
    ("ENGINE", "fast", "auto, plan or sklearn, as in ENGINE=auto"),
    ("MODEL_MIN", "accuracy", "conditions on metrics of the card, as in accuracy>=0.9,log_loss<=0.1"),
    ("MODEL_MIN", "accuracy>0.9", "conditions on metrics"),
    ("MODEL_MIN", "accuracy>=high", "conditions on metrics"),
    ("MODEL_MIN", "accuracy>=0.9;log_loss<=0.1", "conditions on metrics"),
    ("MODEL_ACCEPT", "island;sex", "names, separated by commas"),
    ("EXTRA_FIELDS", "drop", "refuse or ignore, as in EXTRA_FIELDS=refuse"),
    ("LOG_LEVEL", "verbose", "debug, info, warning or error, as in LOG_LEVEL=warning"),
    ("MODEL_NAME", "a b", "letters A to Z and a to z, digits, _, . and -, as in MODEL_NAME=model"),
    ("MODEL_NAME", "a\n", "letters A to Z"),
    ("MODEL_SHA256", "x", "64 hexadecimal digits, as `sha256sum models/latest.joblib` prints them"),
    ("AIP_HEALTH_ROUTE", "health", "a path that begins with /, as /predict"),
    ("AIP_PREDICT_ROUTE", "/<model>", "a path that begins with /, as /predict"),
    ("AIP_STORAGE_URI", "s3://bucket", "a folder, as gs://bucket/path"),
    ("AIP_STORAGE_URI", "gs://", "a folder, as gs://bucket/path"),
    ("GCE_METADATA_HOST", "http://metadata", "the name or address of a machine"),
    ("TLS_CERT", "cert.pem", "no value: uWSGI's wheel has no TLS, so let a proxy in front speak HTTPS"),
    ("STORAGE_EMULATOR_HOST", "file:///etc", "an address of https or http without a path"),
]  # fmt: skip


HASH = "0a" * 32


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("API_KEYS", f"alice:{HASH}"),
        ("API_KEYS", f"alice:{HASH},bob.b-2:{HASH}"),
        ("API_KEYS", f"alice:{HASH}, alice:{HASH}"),
        ("MODEL_MIN", "accuracy>=0.9, log_loss<=1e-1,f1 >= -2"),
        ("MODEL_ACCEPT", "bill length,classes"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example"),
        ("ALLOWED_ORIGINS", "http://localhost:3000,https://a.example, http://[::1]:8080"),
        ("ALLOWED_ORIGINS", "chrome-extension://abcdef"),
    ],
)
def test_a_list_is_taken(variable: str, value: str) -> None:
    assert getattr(Settings.from_env({variable: value}), variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("API_KEYS", "alice"),
        ("API_KEYS", "alice:secret"),
        ("API_KEYS", HASH),
        ("API_KEYS", f"alice:{HASH},"),
        ("API_KEYS", f"alice:{HASH.upper()}"),
        ("API_KEYS", f"al ice:{HASH}"),
        ("API_KEYS", f":{HASH}"),
        ("API_KEYS", f"alice:{HASH}\nbob"),
        ("API_KEYS", f"alice:{HASH};bob:{HASH}"),
        ("ALLOWED_ORIGINS", "a.example"),
        ("ALLOWED_ORIGINS", "https://a.example/"),
        ("ALLOWED_ORIGINS", "https://a.example/app"),
        ("ALLOWED_ORIGINS", "https://*.a.example"),
        ("ALLOWED_ORIGINS", "https://a.example,*"),
        ("ALLOWED_ORIGINS", "https://a.example https://b.example"),
        ("ALLOWED_ORIGINS", "https://a.example,"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "https://user@a.example"),
        ("ACCESS_LOG", "yes"),
        ("LOCK_METRICS", "no"),
    ],
)
def test_a_list_that_is_none_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}="):
        Settings.from_env({variable: value})


@pytest.mark.parametrize(("variable", "value", "words"), WRONG)
def test_a_wrong_value_is_answered_with_what_is_allowed(
    variable: str, value: str, words: str
) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({variable: value})
    assert str(error.value).startswith(f"{variable}={value!r}: expected {words}")


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_what_is_expected_of_a_setting_is_said_in_words(field: msgspec.structs.FieldInfo) -> None:
    if field.type is str:
        return
    with pytest.raises(SettingsError) as error:
        Settings.from_env({field.name.upper(): "{;"})
    said = str(error.value)
    # A value that may be a secret is not shown.
    shown = "…" if field.type in (ApiKeys, Url, WebUrl, Secret) else "'{;'"
    assert said.startswith(f"{field.name.upper()}={shown}: expected ")
    assert not any(word in said for word in ("regex", "`int`", "`str`", "`float`", "Expected", "^"))


def test_every_wrong_value_is_named_at_once() -> None:
    wrong = {"PORT": "70000", "THREADS": "many", "MODEL_SHA256": "abc", "TIMEOUT": "0"}
    with pytest.raises(SettingsError) as error:
        Settings.from_env(wrong)
    lines = str(error.value).splitlines()
    assert sorted(line.partition("=")[0] for line in lines) == sorted(wrong)


def test_a_value_that_is_very_long_is_not_shown_whole() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"PORT": "8" * 10_000})
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("PORT", " 9001 ", 9001),
        ("TIMEOUT", "0.5", 0.5),
        ("LOG_LEVEL", "INFO", "info"),
        ("ENGINE", "Plan ", "plan"),
        ("MODEL_SHA256", "AB" * 32, "ab" * 32),
    ],
)
def test_blanks_and_capitals_that_mean_nothing_are_passed_over(
    variable: str, value: str, setting: object
) -> None:
    assert getattr(Settings.from_env({variable: value}), variable.lower()) == setting


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("PROT=9001", "PORT"),
        ("port=9001", "PORT"),
        ("export THREAD=4", "THREADS"),
        ("MODEL_PAHT=a.joblib", "MODEL_PATH"),
        ("MODELNAME=a", "MODEL_NAME"),
        ("MODEL_SHA=ab", "MODEL_SHA256"),
        ("CLOUDRUN_MEMORY=2Gi", "CLOUD_RUN_MEMORY"),
        ("CLOUD_RUN_CONCURENCY=9", "CLOUD_RUN_CONCURRENCY"),
        ("GCP_PROJECT=mine", "GCP_PROJECT_ID"),
    ],
)
def test_a_misspelt_name_in_env_is_refused_with_the_nearest(
    tmp_path: Path, line: str, meant: str
) -> None:
    shutil.copy("example.env", tmp_path)
    file = tmp_path / ".env"
    file.write_text(f"# mine\n\n{line}\n")
    name = line.removeprefix("export ").partition("=")[0]
    with pytest.raises(SettingsError) as error:
        add_file({}, file)
    assert str(error.value) == (
        f"{file}, line 3: there is no variable {name}: did you mean {meant}? "
        "If it is your own code's, rename it"
    )


def test_names_of_ones_own_in_env_are_let_in(tmp_path: Path) -> None:
    own = {"DATABASE_URL": "x", "MODEL_DIR": "x", "X_PORT": "1", "HOSTNAME": "x", "TOKEN": ""}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in own.items()))
    environ = {"MODEL_DIR": "mine"}
    add_file(environ, tmp_path / ".env")
    assert environ == own | {"MODEL_DIR": "mine"}


def test_a_misspelt_name_in_the_environment_is_named() -> None:
    right = {"PORT": "1", "AIP_HTTP_PORT": "1", "HOME": "/", "PWD": "/", "API_KEY": "a", "PROT": ""}
    said = misspelt({"MODEL_PAHT": "a", **right})
    assert [sentence.partition("?")[0] for sentence in said] == [
        "the environment: there is no variable MODEL_PAHT: did you mean MODEL_PATH"
    ]


def test_example_env_has_a_line_on_every_setting_with_its_default() -> None:
    lines = Path("example.env").read_text().splitlines()
    for field in msgspec.structs.fields(Settings):
        line = f"# {field.name.upper()}={field.default}"
        assert line in lines, line
        assert not lines[lines.index(line) - 1].startswith("# " + field.name.upper())
