"""The page while the model is replaced, in a real Chromium against the real server."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from playwright.sync_api import Page, Route, expect
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.card import write_card
from models.pipeline import DATA
from models.versions import Store
from tests.conftest import CHROMIUM
from tests.test_page import EXAMPLE_LINE, HEADER, PHONE, choose_file, start, visit
from tests.test_serving import Server, serving

__all__ = ["start", "visit"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

KEY, ADMIN = "a-readers-key", "an-administrators-key"
FEATURES = ["island", "bill_length_mm", "body_mass_g", "year"]


def listed(name: str, key: str) -> str:
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


def save_newer(path: Path) -> None:
    """Fit another model of penguins: with the year, with fewer features, and on two islands."""
    rows = pd.read_csv(DATA).dropna()
    rows = rows[rows["island"] != "Torgersen"]
    columns = make_column_transformer(
        (OneHotEncoder(), ["island"]), (StandardScaler(), FEATURES[1:])
    )
    estimator = make_pipeline(columns, LogisticRegression(max_iter=1000))
    estimator.fit(rows[FEATURES], rows["species"])
    joblib.dump(estimator, path)
    write_card(path, estimator, rows[FEATURES], target="species", metrics={"accuracy": 0.9})


class Service:
    """A locked service with two versions: `old`, the example model, and `new`."""

    def __init__(self, server: Server, old: str, new: str) -> None:
        self.server = server
        self.old = old
        self.new = new

    def activate(self, version: str) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.port}/model/activate",
            json.dumps({"version": version}).encode(),
            {"Content-Type": "application/json", "X-Api-Key": ADMIN},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200


@pytest.fixture(scope="module")
def both(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("page")
    for path in (baked_path, baked_path.with_suffix(".json")):
        shutil.copy(path, folder)
    newer = tmp_path_factory.mktemp("newer") / "newer.joblib"
    save_newer(newer)
    old, new = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (baked_path, newer))
    settings = {"ADMIN_KEYS": listed("admin", ADMIN), "API_KEYS": listed("reader", KEY)}
    with serving(folder, traced=False, MODEL_PATH=folder / baked_path.name, **settings) as server:
        Store(folder, "model").add(new, newer, origin="gs://models/newer.joblib")
        yield Service(server, old, new)


@pytest.fixture
def service(both: Service) -> Service:
    """The service, which answers by the old version."""
    both.activate(both.old)
    return both


Unlock = Callable[..., Page]


def notice(page: Page) -> None:
    """Have the page ask for its live figures now, as it does every three seconds."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.fixture
def unlock(visit: Any, service: Service) -> Unlock:
    """Open the page in a tab that has the key."""

    def open_page(*expected: str, **options: Any) -> Page:
        page: Page = visit(service.server, "status of 422", *expected, key=KEY, **options)
        expect(page.locator("#verdict")).to_have_text("Adelie")
        return page

    return open_page


def test_the_page_says_which_version_serves_and_which_did_before(
    unlock: Unlock, service: Service
) -> None:
    service.activate(service.new)
    service.activate(service.old)
    page = unlock()
    added = r"added \d+ \w+ 20\d\d at \d\d:\d\d UTC"
    old, new = service.old[:12], service.new[:12]
    pattern = re.compile(rf"^Version {old}, {added}\. Before it: {new}, {added}\.$")
    expect(page.locator("#version")).to_have_text(pattern)
    expect(page.locator("#notice")).to_be_hidden()


def test_a_swap_is_said_and_what_was_entered_stays(unlock: Unlock, service: Service) -> None:
    page = unlock()
    field = page.get_by_label("bill_length_mm", exact=True)
    page.get_by_label("island").select_option("Biscoe")
    field.fill("48.5")
    field.evaluate("field => field.setSelectionRange(1, 3)")
    service.activate(service.new)
    notice(page)
    expect(page.locator("#notice-title")).to_have_text(
        f"The model was replaced by version {service.new[:12]} while this page was open."
    )
    expect(page.locator("#notice-text")).to_have_text(
        "New: year. Gone: bill_depth_mm, flipper_length_mm, sex. What you entered is still there."
    )
    assert [each.inner_text() for each in page.locator(".field .top label").all()] == FEATURES
    expect(field).to_have_value("48.5")
    expect(field).to_be_focused()
    assert field.evaluate("field => [field.selectionStart, field.selectionEnd]") == [1, 3]
    expect(page.get_by_label("island")).to_have_value("Biscoe")
    expect(page.get_by_label("year", exact=True)).to_have_value("2007")
    expect(page.locator("#curl")).to_contain_text('"bill_length_mm": 48.5')
    expect(page.locator("#curl")).to_contain_text('"year": 2007')
    expect(page.locator("#footer")).to_have_text(f"model {service.new[:12]}")
    expect(page.locator("#version")).to_contain_text(f"Before it: {service.old[:12]}")
    row = {"island": "Biscoe", "bill_length_mm": 48.5, "year": 2007}
    mass = float(page.get_by_label("body_mass_g", exact=True).input_value())
    answer = ask(service, row | {"body_mass_g": mass})
    expect(page.locator("#verdict")).to_have_text(answer)
    # The form goes on with the new version.
    page.get_by_role("button", name="Close this note").click()
    expect(page.locator("#notice")).to_be_hidden()
    page.get_by_role("button", name="Back to the example").click()
    expect(field).not_to_have_value("48.5")


def ask(service: Service, row: dict[str, Any]) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.server.port}/predict",
        json.dumps(row).encode(),
        {"Content-Type": "application/json", "X-Api-Key": KEY},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["predictions"][0])


def test_a_form_that_nobody_touched_shows_the_example_of_the_new_version(
    unlock: Unlock, service: Service
) -> None:
    page = unlock()
    service.activate(service.new)
    notice(page)
    expect(page.locator("#notice-title")).to_contain_text("The model was replaced by version")
    expect(page.locator("#notice-text")).not_to_contain_text("What you entered")
    page.get_by_label("year", exact=True).fill("2007")
    # And back, with an island that only the old one has.
    service.activate(service.old)
    notice(page)
    expect(page.locator("#notice-text")).to_contain_text("Gone: year.")
    page.get_by_label("island").select_option("Torgersen")
    service.activate(service.new)
    notice(page)
    expect(page.locator("#notice-text")).to_contain_text(
        "island is Biscoe now: this version does not know Torgersen. "
        "What else you entered is still there."
    )
    expect(page.get_by_label("island")).to_have_value("Biscoe")


def test_two_versions_do_not_share_the_rows_of_a_file(unlock: Unlock, service: Service) -> None:
    page = unlock()
    held: list[Route] = []
    page.route(
        "**/predict",
        lambda route: (
            held.append(route)
            if route.request.headers["content-type"] == "text/csv" and not held
            else route.continue_()
        ),
    )
    choose_file(page, "\n".join([HEADER, *[EXAMPLE_LINE] * 5]))
    expect(page.locator("#progress-text")).to_contain_text("0 of 5 rows")
    service.activate(service.new)
    held[0].continue_()
    expect(page.locator("#file-problem")).to_have_text(
        "The model was replaced meanwhile: choose the file again, and one version answers all of "
        "its rows."
    )
    expect(page.locator("#notice")).to_be_visible()
    choose_file(page, "island,bill_length_mm,body_mass_g,year\nDream,40,3000,2008\n")
    expect(page.locator("#progress-text")).to_have_text("All 1 row read: 1 predicted, 0 failed.")
    service.activate(service.old)
    notice(page)
    expect(page.locator("#progress-text")).to_have_text(
        f"All 1 row read: 1 predicted, 0 failed. The version {service.new[:12]} has answered."
    )


def test_instances_that_differ_for_a_while_do_not_drive_the_page_round(
    unlock: Unlock, service: Service
) -> None:
    page = unlock()
    asked: list[str] = []

    def answer_as_another_instance(route: Route) -> None:
        asked.append(route.request.url)
        answer = route.fetch()
        route.fulfill(response=answer, headers=answer.headers | {"x-model-version": service.new})

    page.route("**/predict", answer_as_another_instance)
    page.get_by_label("bill_length_mm", exact=True).fill("48.5")
    expect(page.locator("#notice-title")).to_have_text(
        f"The version {service.new[:12]} of the model answers, too: two versions serve for a while."
    )
    expect(page.locator("#verdict")).not_to_have_text("Adelie")
    page.wait_for_timeout(300)
    assert len(asked) <= 3


def test_a_service_that_goes_away_with_its_version_is_asked_again(
    unlock: Unlock, service: Service
) -> None:
    page = unlock("ERR_FAILED")
    page.route("**/metadata", lambda route: route.abort())
    service.activate(service.new)
    page.get_by_label("bill_length_mm", exact=True).fill("48.5")
    expect(page.locator("#faults")).to_contain_text("is required")
    expect(page.locator("#notice")).to_be_hidden()
    page.unroute("**/metadata")
    expect(page.locator("#notice-title")).to_contain_text("The model was replaced by version")


def test_on_a_phone_the_note_is_as_wide_as_the_page(unlock: Unlock, service: Service) -> None:
    page = unlock(viewport=PHONE)
    service.activate(service.new)
    notice(page)
    expect(page.locator("#notice")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.evaluate("scrollTo(0, 2000)")
    expect(page.locator("#notice")).to_be_in_viewport()
