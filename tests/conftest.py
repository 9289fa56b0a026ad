"""What the tests share: a service around any estimator, and the rule that nothing is skipped."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import joblib
import msgspec
import pytest
from flask.testing import FlaskClient

from api import create_app
from api.feedback.recorder import Recorder, recorder
from api.settings import Settings
from api.tasks import desk as task_desk
from api.tasks.store import SqliteStore
from models import fitted, releases
from models.training.train import example as train_example
from tests import tracing
from tests.checkout import NAME, checkout, docker, make
from tests.desk import Desk, begin
from tests.google_cloud import tools
from tests.trials import bake, here

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The same examples in every run: what is covered may not depend on chance.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

# Without windows to draw, Chromium takes a third of the CPU time.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")

Serve = Callable[..., FlaskClient]
# Files that wait for containers come first, alternating with files that compute in pytest's own
# process. Files that start measured processes come last, when most of our modules have been executed
# completely and so are traced no more (tests/tracing.py). A file that takes long comes before shorter
# ones, so that no worker is left alone with it. A worker gets a whole file, so that its fixtures are
# made once.
FIRST = (
    "test_ship.py",
    "test_ci_files.py",
    "test_all_estimators.py",
    "test_container.py",
    "test_encoders.py",
    "test_google_cloud_targets.py",
    "test_scalers.py",
    "test_google_cloud_run.py",
    "test_explain.py",
    "test_vertex.py",
    "test_card.py",
    "test_clients_mlflow.py",
)
LAST = (
    "test_fuzz.py",
    "test_libraries.py",
    "test_pandas.py",
    "test_page.py",
    "test_page_of_docs.py",
    "test_served.py",
    "test_versions.py",
    "test_shutdown.py",
    "test_openapi.py",
    "test_follow.py",
    "test_clients_http.py",
    "test_connections.py",
    "test_candidate.py",
    "test_serving.py",
    "test_own_code.py",
    "test_page_versions.py",
    "test_page_learning.py",
    "test_page_choice.py",
    "test_grafana.py",
    "test_server_log.py",
    "test_hostile.py",
    "test_doors_in_a_browser.py",
    "test_server.py",
    "test_telemetry.py",
)

MAX_FILES_SHOWN = 40
TRACING = pytest.StashKey[tracing.Tracing | None]()

# The tests run under make, with whatever .env says; what they start must not.
for field in msgspec.structs.fields(Settings):
    os.environ.pop(field.name.upper(), None)
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
    os.environ.pop(name, None)
# make starts python3 in nearly every recipe. A launcher of it, as pyenv's, takes eight times as long.
os.environ["PATH"] = f"{sys.base_prefix}/bin{os.pathsep}{os.environ['PATH']}"
# A process makes one service and keeps it. Here hundreds are dropped, and their files must be closed.
vars(gc)["freeze"] = lambda: None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failure")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    # The workers of pytest-xdist run the tests, and have the environment of this process.
    has_workers = config.getoption("dist", "no") != "no"
    if has_workers:
        tracing.share()
    config.stash[TRACING] = None if has_workers else tracing.begin()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    traced = item.config.stash[TRACING]
    if traced and (nextitem is None or nextitem.path != item.path):
        traced.drop_complete_files()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of FIRST and LAST where they belong; all others stay in order between them."""
    places = {name: place - len(FIRST) for place, name in enumerate(FIRST)}
    places |= {name: place for place, name in enumerate(LAST, 1)}
    items.sort(key=lambda item: places.get(item.path.name, 0))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print which files took longest, in seconds of one process."""
    seconds: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                file = report.nodeid.partition("::")[0]
                seconds[file] = seconds.get(file, 0) + report.duration
    if len(seconds) < MAX_FILES_SHOWN:
        return
    longest = sorted(seconds.items(), key=lambda item: -item[1])[:MAX_FILES_SHOWN]
    terminalreporter.section("slowest files")
    for file, duration in longest:
        terminalreporter.line(f"{duration:7.1f} s  {file}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the image of this run away, once no process needs it."""
    if "PYTEST_XDIST_WORKER" not in os.environ and shutil.which("docker"):
        docker("rmi", "--force", NAME)


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Save an estimator as a bare joblib file and build the service around it."""

    def build(estimator: Any, card: bytes | None = None, **settings: Any) -> FlaskClient:
        path = tmp_path_factory.mktemp("model") / "latest.joblib"
        joblib.dump(estimator, path)
        if card is not None:
            path.with_suffix(".json").write_bytes(card)
        with pytest.MonkeyPatch.context() as patch:
            # To fork this process, which is large, takes twice as long as what is tried there.
            patch.setattr(fitted, "apart", here)
            return create_app(Settings(model_path=str(path), **settings)).test_client()

    return build


@pytest.fixture
def keeps_feedback(tmp_path: Path) -> Iterator[Recorder]:
    """Services that are made after this one keep their predictions, once the recorder folds."""
    recorder.begin(Settings(data_dir=str(tmp_path / "kept")))
    yield recorder
    recorder.begin(Settings(prediction_log="off"))


@pytest.fixture
def takes_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are accepted, and nobody does them."""
    store = SqliteStore(tmp_path / "tasks", most=1000)
    desk = task_desk.Desk(store, lambda *_: None)
    monkeypatch.setattr(task_desk, "desk", lambda _: desk)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium-headless-shell")
    # Few tests need it, and its import takes long.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Tests run as root in containers, where Chromium has no sandbox of its own.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(folder: Path, make: Callable[[], object]) -> Path:
    """The folder, which only the first process that asks for it makes; the others wait."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".done"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            make()
            done.touch()
    return folder


@pytest.fixture(scope="session")
def example(shared: Path) -> Path:
    """The example model with its card, for reading only; the same in every run but for its code.

    What it is made of says when it was made, and the builder of images has in its cache what is no
    newer than it was the last time.
    """
    path = shared / "example" / "latest.joblib"

    def build() -> None:
        train_example(path)
        card = path.with_suffix(".json")
        created = json.loads(card.read_text())["created"]
        card.write_text(card.read_text().replace(created, "2026-01-01T00:00:00+00:00"))
        for file in (path, card):
            os.utime(file, (1_767_225_600, 1_767_225_600))

    once(path.parent, build)
    return path


@pytest.fixture(scope="session")
def penguins_path(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example model, trained once, with its card."""
    folder = tmp_path_factory.mktemp("models")
    for path in (example, example.with_suffix(".json")):
        shutil.copy2(path, folder)
    return folder / example.name


@pytest.fixture(scope="session")
def baked_path(shared: Path, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example model with its card and a plan, by which a service starts without scikit-learn.

    The plan is proved with few rows: tests/test_choice.py proves it with all.
    """
    made = shared / "baked"

    def build() -> None:
        for path in (example, example.with_suffix(".json")):
            shutil.copy2(path, made)
        bake(made / example.name)

    folder = tmp_path_factory.mktemp("baked")
    for path in releases.files_of(once(made, build) / example.name):
        if path.exists():
            shutil.copy2(path, folder)
    return folder / example.name


@pytest.fixture(scope="session")
def penguins(penguins_path: Path) -> FlaskClient:
    """The service around the example model."""
    return create_app(Settings(model_path=str(penguins_path))).test_client()


@pytest.fixture(scope="session")
def built(shared: Path, example: Path) -> Path:
    """A checkout whose image is built, once a run; what builds the like finds it in the cache."""
    if docker("ps", "--quiet").returncode != 0:
        pytest.skip("docker does not answer")
    folder = shared / "built"
    once(folder, lambda: make(checkout(folder, example), "build-image"))
    return folder


@pytest.fixture(scope="module")
def desk(built: Path, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A person who has just begun, on a small Google Cloud of their own."""
    if why := tools.missing():
        pytest.skip(why)
    with begin(tmp_path_factory.mktemp("desk"), example, NAME) as desk:
        yield desk
