"""The truth of an answer, as a person tells it on the page, in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Request, Response, expect
from sklearn.linear_model import LinearRegression, LogisticRegression

from api.feedback.facts import Selection
from api.feedback.store import FeedbackStore
from tests.conftest import CHROMIUM
from tests.kept import recent_in
from tests.test_page import PHONE, serve_file, start, visit
from tests.test_serving import Server, serving

__all__ = ["serve_file", "start", "visit"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

SAID = "#choice-said"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def server(
    baked_path: Path, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, traced=False, MODEL_PATH=baked_path, DATA_DIR=data) as server:
        yield server


@pytest.fixture
def page(visit: Any, server: Server) -> Page:
    page: Page = visit(server, "status of 410", "status of 422", "status of 503")
    expect(page.locator("#verdict")).to_have_text("Adelie")
    return page


def kept(data: Path, most: int = 1) -> list[Selection]:
    """The newest selections that the service has kept, the newest first."""
    return recent_in(FeedbackStore(data / "feedback"), most)


def enter(page: Page, length: str) -> None:
    """Enter another length, and wait for its answer, which is explained once it is shown."""

    def explains(response: Response) -> bool:
        asked = response.request.post_data or ""
        return response.url.endswith("/explain") and f'"bill_length_mm":{length},' in asked

    with page.expect_response(explains):
        page.get_by_label("bill_length_mm", exact=True).fill(length)


def choose(page: Page, name: str) -> None:
    page.locator("#choice-classes").get_by_role("button", name=name).click()


def test_the_classes_are_offered_the_predicted_one_first(page: Page) -> None:
    page.get_by_label("bill_length_mm", exact=True).fill("59")
    expect(page.locator("#verdict")).to_have_text("Chinstrap")
    expect(page.locator("#choice-title")).to_have_text("Right? Choose the true class")
    buttons = page.locator("#choice-classes button")
    expect(buttons.first).to_have_text("Chinstrap")
    expect(buttons.last).to_have_text("None of these")
    assert buttons.count() == 4


def test_what_is_chosen_is_kept_and_the_last_choice_counts(page: Page, data: Path) -> None:
    choose(page, "Adelie")
    expect(page.locator(SAID)).to_have_text("Kept: Adelie, as the model said.")
    choose(page, "Gentoo")
    expect(page.locator(SAID)).to_have_text("Kept: Gentoo. The model said Adelie.")
    pressed = page.locator('#choice-classes [aria-pressed="true"]')
    expect(pressed).to_have_text("Gentoo")
    choose(page, "None of these")
    expect(page.locator(SAID)).to_have_text("Kept: none of the classes. The model said Adelie.")
    expect(pressed).to_have_text("None of these")
    none, second, first = kept(data, 3)
    assert [none.label, second.label, first.label] == [None, "Gentoo", "Adelie"]
    assert first.predicted == "Adelie"
    # The row was sent once: all three are about one prediction.
    assert {none.id, second.id} == {first.id}


def test_another_row_is_another_prediction(page: Page, data: Path) -> None:
    choose(page, "Adelie")
    expect(page.locator(SAID)).to_contain_text("Kept: Adelie")
    enter(page, "34")
    expect(page.locator(SAID)).to_be_empty()
    expect(page.locator('#choice-classes [aria-pressed="true"]')).to_have_count(0)
    choose(page, "Adelie")
    expect(page.locator(SAID)).to_contain_text("Kept: Adelie")
    second, first = kept(data, 2)
    assert second.id != first.id


def test_only_a_choice_is_counted_among_the_predictions(page: Page) -> None:
    asked: list[tuple[str, str]] = []

    def note(request: Request) -> None:
        if request.method in ("POST", "PUT"):
            path = request.url.rpartition("/")[2]
            asked.append((path, request.headers.get("x-prediction-log", "on")))

    page.on("request", note)
    page.get_by_label("bill_length_mm", exact=True).fill("34")
    expect(page.locator("#why")).not_to_have_class("stale")
    page.wait_for_timeout(600)
    assert {path for path, _ in asked} >= {"predict", "predict_proba", "explain"}
    assert {log for _, log in asked} == {"off"}
    asked.clear()
    choose(page, "Adelie")
    expect(page.locator(SAID)).to_contain_text("Kept: Adelie")
    assert asked == [("predict", "on"), ("select", "on")]


def test_a_row_that_cannot_be_answered_has_no_truth(page: Page) -> None:
    expect(page.locator("#choice")).to_be_visible()
    page.get_by_label("bill_length_mm", exact=True).fill("wrong")
    expect(page.locator("#choice")).to_be_hidden()
    page.get_by_label("bill_length_mm", exact=True).fill("34")
    expect(page.locator("#choice")).to_be_visible()


REFUSALS = (
    ("inference/select", 410, "It is too old.", "Choose again, and the row is sent anew."),
    ("inference/select", 422, "It is no class.", "It is no class."),
    ("inference/select", 503, "The disk is full.", "Choose again in a while."),
    ("predict", 503, "Too many wait.", "Choose again in a while."),
)


def refuse(page: Page, path: str, status: int, detail: str) -> None:
    problem = json.dumps({"detail": detail})
    page.route(f"**/{path}", lambda route: route.fulfill(status=status, body=problem))


def test_a_choice_that_is_not_kept_is_said_with_what_helps(page: Page) -> None:
    for i, (path, status, detail, sentence) in enumerate(REFUSALS, 1):
        enter(page, f"34.{i}")
        expect(page.locator(SAID)).to_be_empty()
        refuse(page, path, status, detail)
        choose(page, "Adelie")
        expect(page.locator(SAID)).to_contain_text(f"Not kept: {detail}")
        expect(page.locator(SAID)).to_contain_text(sentence)
        expect(page.locator('#choice-classes [aria-pressed="true"]')).to_have_count(0)
        page.unroute(f"**/{path}")
        choose(page, "Adelie")
        expect(page.locator(SAID)).to_have_text("Kept: Adelie, as the model said.")


def test_a_choice_is_made_by_the_keyboard_on_a_phone(visit: Any, server: Server) -> None:
    page = visit(server, viewport=PHONE)
    expect(page.locator("#verdict")).to_have_text("Adelie")
    gentoo = page.locator("#choice-classes").get_by_role("button", name="Gentoo")
    gentoo.focus()
    gentoo.press("Enter")
    expect(page.locator(SAID)).to_have_text("Kept: Gentoo. The model said Adelie.")
    expect(gentoo).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_true_value_of_a_number_is_entered(
    visit: Any, serve_file: Callable[..., Server], data: Path
) -> None:
    X = np.arange(10.0).reshape(-1, 1)
    page = visit(serve_file(LinearRegression().fit(X, X[:, 0] * 2), DATA_DIR=data))
    page.get_by_label("x0", exact=True).fill("3")
    expect(page.locator("#verdict")).to_have_text("6")
    field = page.get_by_role("textbox", name="The true value")
    field.fill("7,5")
    field.press("Enter")
    expect(page.locator(SAID)).to_have_text("Enter a number, such as 12.5.")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("7.5")
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator(SAID)).to_have_text("Kept: 7.5. The model was 1.5 below.")
    assert kept(data)[0].label == 7.5
    field.fill("6")
    field.press("Enter")
    expect(page.locator(SAID)).to_have_text("Kept: 6, as the model said.")


def test_of_many_classes_the_likeliest_have_buttons_and_the_rest_a_list(
    visit: Any, serve_file: Callable[..., Server], data: Path
) -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    estimator = LogisticRegression().fit(X, np.arange(60) % 12)
    page = visit(serve_file(estimator, DATA_DIR=data))
    buttons = page.locator("#choice-classes button")
    expect(buttons).to_have_count(7)
    shown = {int(text) for text in buttons.all_inner_texts()[:-1]}
    others = sorted(set(range(12)) - shown)
    page.get_by_label("Another class").select_option(str(others[0]))
    expect(page.locator(SAID)).to_contain_text(f"Kept: {others[0]}. The model said ")
    assert kept(data)[0].label == others[0]


def test_a_service_that_keeps_no_predictions_says_so(
    visit: Any, start: Any, baked_path: Path
) -> None:
    page = visit(start(MODEL_PATH=baked_path, PREDICTION_LOG="statistics"))
    choose(page, "Adelie")
    expect(page.locator(SAID)).to_have_text(
        "Not kept: only counts are kept of predictions (PREDICTION_LOG=statistics): set "
        "PREDICTION_LOG=all."
    )
