"""The tab of learning, in a real Chromium against the real server with two weeks of feedback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, Route, expect
from sklearn.linear_model import LinearRegression

import models
from api.feedback.facts import Hour, Prediction, Selection, new_id
from api.feedback.store import FeedbackStore
from models.drift import Layout
from models.pipeline import DATA
from tests.conftest import CHROMIUM
from tests.test_page import DESKTOP, PHONE, axe, serve_file, start, visit
from tests.test_serving import Server, serving

__all__ = ["serve_file", "start", "visit"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

DAY = 86_400
OLD = "0d" * 32
# Of each day: rows answered, and how many of their truths were told.
ROWS, TOLD = 120, 40


def fill(store: FeedbackStore, path: Path, days: int, swapped: int) -> None:
    """Days of feedback: an old version gets worse until it is swapped for the model `swapped` ago.

    Bills become longer by 0.4 mm a day.
    """
    model = models.load(str(path))
    layout = Layout.of(model)
    data = pd.read_csv(DATA).dropna()
    random = np.random.default_rng(0)
    features = [feature.name for feature in model.signature.features]
    for ago in range(days, -1, -1):
        at = time.time() - ago * DAY
        rows = data.sample(ROWS, random_state=ago, replace=True)
        rows["bill_length_mm"] += 0.4 * (days - ago)
        inputs = rows[features].astype(object).to_numpy().tolist()
        # The truth moves away from the old version.
        old = ago > swapped
        wrong = random.random(ROWS) < (0.03 * (days - ago) if old else 0.03)
        labels = rows["species"].to_numpy()
        answers = np.where(wrong, random.permutation(labels), labels).tolist()
        version = OLD if old else model.version
        counts = layout.count("predict", list(map(tuple, inputs)), answers)
        hour = int(at // 3600)
        store.add_counts(
            [Hour(hour=hour, version=version, layout=layout.name, answers=ROWS, counts=counts)]
        )
        prediction_id = new_id(at)
        of_answer: dict[str, Any] = {"id": prediction_id, "at": at, "version": version}
        store.add(
            Prediction(row=i, owner="", method="predict", inputs=[], label=answers[i], **of_answer)
            for i in range(TOLD)
        )
        store.select(
            Selection(id=prediction_id, row=i, at=at + 1, label=str(labels[i])) for i in range(TOLD)
        )


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("data")
    fill(FeedbackStore(data / "feedback"), baked_path, days=14, swapped=4)
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, traced=False, MODEL_PATH=baked_path, DATA_DIR=data) as server:
        yield server


@pytest.fixture
def page(visit: Any, server: Server) -> Page:
    """The tab, opened by its address, with its figures on it."""
    page: Page = visit(server)
    page.goto(f"http://127.0.0.1:{server.port}/#learning")
    expect(page.locator("#learning .figures").first).to_be_visible()
    return page


def part(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def test_nothing_is_loaded_before_the_tab_is_opened(visit: Any, server: Server) -> None:
    page = visit(server)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(300)
    assert not any("/content/" in url for url in asked)
    tab = page.get_by_role("tab", name="Learning")
    page.get_by_role("tab", name="Use it").press("ArrowRight")
    expect(tab).to_be_focused()
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(part(page, "How right it is")).to_be_visible()
    expect(page.locator("#try")).to_be_hidden()
    assert page.url.endswith("#learning")
    tab.press("Home")
    expect(page.locator("#try")).to_be_visible()
    expect(page.locator("#learning")).to_be_hidden()
    page.get_by_role("tab", name="Use it").press("ArrowLeft")
    expect(tab).to_be_focused()
    # What is not shown needs not be passed: one of the tabs can be reached.
    assert page.locator('[role="tab"][tabindex="0"]').count() == 1
    page.get_by_role("link", name="Skip to the form").press("Enter")
    expect(page.locator("#try")).to_be_visible()


def test_the_accuracy_is_that_of_the_service_beside_its_card(page: Page, server: Server) -> None:
    found = server.get("/content/accuracy?hours=720&by=day")
    serving, old = found["versions"]
    region = part(page, "How right it is")
    expect(region).to_contain_text("No difference from its card beyond chance.")
    texts = region.locator(".figures dd").all_inner_texts()
    assert texts[0] == f"{100 * serving['accuracy']:.1f} %"
    assert texts[1].split()[0] == f"{100 * serving['low']:.1f}"
    assert texts[3] == f"{serving['selected']} of {serving['answers']}"
    rows = region.get_by_role("region", name="Accuracy by version").locator("tbody tr")
    expect(rows.nth(1)).to_contain_text(old["version"][:12])
    chart = region.get_by_role("img")
    expect(chart).to_have_attribute(
        "aria-label", "Accuracy over time: 100 % at first, 97.5 % at last."
    )
    assert chart.locator(".point").count() == len(found["days"]) == 15
    assert chart.locator(".whisker").count() == 15
    expect(chart).to_contain_text(f"card {100 * found['card']['accuracy']:.0f} %")
    # The moments at which versions began to serve.
    assert chart.locator(".mark").count() == 2


def test_a_version_that_nobody_has_told_about_leaves_the_figures_to_the_one_before(
    page: Page,
) -> None:
    def tell_nothing(route: Route) -> None:
        found = route.fetch().json()
        found["versions"][0]["selected"] = 0
        route.fulfill(json=found)

    page.route("**/content/accuracy?*", tell_nothing)
    page.get_by_label("Window").select_option("Last 7 days")
    region = part(page, "How right it is")
    expect(region).to_contain_text(
        "Nobody has told the truth of a prediction of the version that serves yet. These are of "
        f"{OLD[:12]}:"
    )
    # The card is that of the version that serves.
    expect(region.locator(".figures")).not_to_contain_text("card")


def test_the_figures_of_a_chart_can_be_read_as_a_table(page: Page) -> None:
    summary = page.get_by_text("The figures of the chart of accuracy")
    summary.press("Enter")
    rows = page.get_by_role("region", name="The figures of the chart of accuracy")
    expect(rows.locator("tbody tr")).to_have_count(15)
    expect(rows.locator("tbody tr").last).to_contain_text("97.5 %")


def test_the_matrix_has_what_was_told_for_each_prediction(page: Page, server: Server) -> None:
    confusion = server.get("/content/accuracy?hours=720")["confusion"]
    cells = page.locator(".matrix tbody tr").first.locator("td").all_inner_texts()
    assert [int(cell or 0) for cell in cells] == confusion["counts"][0]
    expect(page.locator(".matrix thead")).to_contain_text("none of them")


def test_features_come_from_the_most_surprising_on_with_the_verdict_in_words(
    page: Page, server: Server
) -> None:
    inputs = server.get("/content/inputs?hours=720")
    region = part(page, "What it gets")
    expect(region).to_contain_text("1 of 6 features drifted: bill_length_mm.")
    first = region.locator(".drifts li").first
    expect(first).to_contain_text("bill_length_mm")
    expect(first).to_contain_text("drifted much")
    bill = next(each for each in inputs["features"] if each["name"] == "bill_length_mm")
    expect(first).to_contain_text(f"PSI {bill['psi']:.3f}, critical value {bill['critical']:.3f}")
    bars = first.get_by_role("img")
    assert bars.locator("rect").count() == len(bill["bins"])
    share = bill["bins"][-1]["count"] / sum(each["count"] for each in bill["bins"])
    said = f"{bill['bins'][-1]['label']} {100 * share:.1f} %, in training 0 %"
    assert str(bars.get_attribute("aria-label")).endswith(said)
    page.get_by_text("The figures of all features").press("Enter")
    expect(
        page.get_by_role("region", name="The figures of all features").locator("tr")
    ).to_have_count(7)


def test_answers_versions_latency_and_tasks_are_told(page: Page, server: Server) -> None:
    answers = part(page, "What it answers")
    expect(answers.locator(".drifts")).to_contain_text("species")
    expect(answers.locator(".ends").first).to_have_text("AdelieChinstrapGentoo")
    assert answers.locator(".chart .point").count() == 15
    service = part(page, "What the service did")
    versions = service.get_by_role("region", name="Versions of the model").locator("tbody tr")
    expect(versions.first).to_contain_text("serves")
    expect(versions.nth(1)).to_contain_text("removed")
    server.post("/predict", server.get("/metadata")["example"])
    page.get_by_label("Window").select_option("Last 24 hours")
    expect(service.get_by_role("region", name="Latency by route")).to_contain_text("/predict")
    expect(service.locator(".figures")).to_contain_text("Waiting")


def test_the_window_and_a_new_choice_change_the_figures(page: Page, server: Server) -> None:
    told = part(page, "How right it is").locator(".figures dd").nth(3)
    before = told.inner_text()
    page.get_by_label("Window").select_option("Last 24 hours")
    expect(told).not_to_have_text(before)
    selected = int(told.inner_text().split()[0])
    page.get_by_role("tab", name="Use it").click()
    page.locator("#choice-classes").get_by_role("button", name="Adelie").click()
    expect(page.locator("#choice-said")).to_contain_text("Kept")
    page.get_by_role("tab", name="Learning").click()
    expect(told).to_contain_text(f"{selected + 1} of ")


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [("light", DESKTOP), ("dark", PHONE)],
    ids=["light", "dark phone"],
)
def test_the_tab_keeps_nobody_out(
    visit: Any, server: Server, scheme: str, viewport: dict[str, int]
) -> None:
    page = visit(server, color_scheme=scheme, viewport=viewport)
    page.locator("#choice-classes").get_by_role("button", name="Adelie").click()
    expect(page.locator("#choice-said")).to_contain_text("Kept")
    source = axe()
    for tab in ("Use it", "Learning"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        for summary in page.locator("#learning summary").all():
            summary.press("Enter")
        page.evaluate(source)
        found = page.evaluate("axe.run()")
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


def test_a_new_service_says_what_to_do(
    visit: Any, serve_file: Callable[..., Server], tmp_path: Path
) -> None:
    X = np.arange(10.0).reshape(-1, 1)
    server = serve_file(LinearRegression().fit(X, X[:, 0] * 2), DATA_DIR=tmp_path)
    page = visit(server)
    page.get_by_role("tab", name="Learning").click()
    expect(part(page, "How right it is")).to_contain_text(
        "Nobody has told the truth of a prediction yet: choose under an answer, or send many with "
        "POST /feedback."
    )
    expect(part(page, "What it gets")).to_contain_text("No row was answered in this time")
    page.get_by_role("tab", name="Use it").click()
    field = page.get_by_role("textbox", name="The true value")
    field.fill("7.5")
    field.press("Enter")
    expect(page.locator("#choice-said")).to_contain_text("Kept")
    # Counts are written once a second.
    page.wait_for_timeout(1300)
    page.get_by_role("tab", name="Learning").click()
    expect(part(page, "How right it is")).to_contain_text("Mean absolute error in use")
    expect(part(page, "What it gets")).to_contain_text("x0", timeout=15_000)


def test_a_service_that_counts_nothing_says_why(visit: Any, start: Any, baked_path: Path) -> None:
    page = visit(start(traced=True, MODEL_PATH=baked_path, PREDICTION_LOG="off"), "status of 503")
    page.get_by_role("tab", name="Learning").click()
    expect(part(page, "How right it is")).to_contain_text("PREDICTION_LOG=off")
    expect(part(page, "What the service did")).to_contain_text("serves")
