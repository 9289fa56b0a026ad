"""Tasks on the page, in a real Chromium against the real server."""

from __future__ import annotations

import contextlib
import csv
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import CHROMIUM
from tests.test_page import BROWSER, EXAMPLE_LINE, HEADER, PHONE, axe, choose_file, start, visit
from tests.test_serving import Server, serving

__all__ = ["start", "visit"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

ROWS = 1000
LARGE = "\n".join([HEADER, *[EXAMPLE_LINE] * ROWS, ""])
# Its first rows are right, and those are checked before it is accepted.
WRONG_LATER = LARGE + f"{EXAMPLE_LINE}\n" * 8 * ROWS + EXAMPLE_LINE.replace("33.1", "long") + "\n"
WRONG = "\n".join([HEADER, EXAMPLE_LINE.replace("33.1", "long"), *[EXAMPLE_LINE] * ROWS, ""])
ROW = '{"island":"Dream","bill_length_mm":33.1,"bill_depth_mm":16.1,"flipper_length_mm":178,"body_mass_g":2900,"sex":"female"}'
KEY = "a-readers-key"
LIMITS = {"MAX_BODY_BYTES": 20_000, "MAX_ROWS": 100, "THREADS": 10, "PROCESSES": 1}


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tasks")
    with serving(
        folder, traced=False, MODEL_PATH=baked_path, DATA_DIR=folder / "data", **LIMITS
    ) as server:
        yield server


@pytest.fixture
def page(visit: Any, server: Server) -> Page:
    page: Page = visit(server, "status of 4", "status of 503")
    expect(page.locator("#verdict")).to_have_text("Adelie")
    return page


def send(page: Page, text: str, name: str = "large.csv") -> Locator:
    """Send a file as a task; its place in the list."""
    choose_file(page, text, name)
    page.get_by_role("button", name="Send it as a task").click()
    return page.locator("#tasks-list > li").filter(has_text=name)


def hold(page: Page, **state: Any) -> None:
    """Let tasks be as far as this, until `page.unroute` is called."""
    started = {"status": "STARTED", "rows": None, "rows_done": 500, "progress": 0.25, "error": None}
    figures = {"rows_per_second": 1234.5, "seconds_left": 90}
    page.route(
        "**/inference/status/*",
        lambda route: route.fulfill(json=started | figures | state, headers={"Retry-After": "0.1"}),
    )


def test_a_file_over_the_limit_of_a_request_is_offered_as_a_task(page: Page) -> None:
    choose_file(page, LARGE, "large.csv")
    expect(page.locator("#offer-text")).to_have_text(
        "large.csv has 36.1 kB, and this page answers up to 20 kB itself. The service can answer "
        "it as a task, which goes on after this page is closed."
    )
    expect(page.locator("#file-problem")).to_be_hidden()
    expect(page.locator("#tasks")).to_be_hidden()


def test_a_file_of_more_rows_than_a_request_may_have_is_offered_while_it_is_asked_for(
    page: Page,
) -> None:
    page.route("**/predict", lambda _: None)
    choose_file(page, "\n".join([HEADER, *[EXAMPLE_LINE] * 101]), "many.csv")
    expect(page.locator("#offer-text")).to_contain_text("more rows than one request may (100)")
    page.get_by_role("button", name="Send it as a task").click()
    expect(page.locator("#run")).to_be_hidden()
    expect(page.locator("#tasks-list")).to_contain_text("101 rows answered")


def test_a_file_that_the_page_answers_itself_is_not_offered(page: Page) -> None:
    choose_file(page, f"{HEADER}\n{EXAMPLE_LINE}\n")
    expect(page.locator("#progress-text")).to_have_text("All 1 row read: 1 predicted, 0 failed.")
    expect(page.locator("#offer")).to_be_hidden()


def test_a_task_is_followed_to_its_end(page: Page) -> None:
    hold(page)
    task = send(page, LARGE)
    expect(task).to_contain_text("500 rows done (25.0 %), 1,235 rows a second, 2 minutes left.")
    expect(task.get_by_role("progressbar", name="Progress of large.csv")).to_have_js_property(
        "value", 0.25
    )
    page.unroute("**/inference/status/*")
    expect(task).to_contain_text("1,000 rows answered in")
    expect(task.get_by_role("progressbar")).to_be_hidden()
    expect(page.locator("#tasks-said")).to_contain_text("large.csv: Done. 1,000 rows answered in")


def test_only_changes_of_the_state_are_said(page: Page) -> None:
    hold(page)
    send(page, LARGE)
    said = page.locator("#tasks-said")
    expect(said).to_have_text("large.csv: Running.")
    hold(page, rows_done=700)
    expect(page.locator("#tasks-list")).to_contain_text("700 rows done")
    expect(said).to_have_text("large.csv: Running.")


def test_a_hidden_tab_asks_seldom(page: Page) -> None:
    hold(page)
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    send(page, LARGE)
    expect(page.locator("#tasks-list")).to_contain_text("Running")
    page.evaluate(hide, arg=True)
    page.wait_for_timeout(200)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(500)
    assert not [url for url in asked if "/inference/" in url]
    with page.expect_request("**/inference/status/*"):
        page.evaluate(hide, arg=False)


def test_the_first_rows_are_shown(page: Page, server: Server) -> None:
    task = send(page, LARGE)
    rows = task.locator("tbody tr")
    expect(rows).to_have_count(20)
    assert rows.first.inner_text().split("\t") == [
        "1",
        "Adelie",
        "Adelie 99.7 %, Chinstrap 0.3 %, Gentoo < 0.1 %",
    ]


@pytest.mark.parametrize("form", ["CSV", "NDJSON"])
def test_results_are_downloaded_by_a_link(page: Page, server: Server, form: str) -> None:
    task = send(page, LARGE)
    link = task.get_by_role("link", name=f"Download {form} of large.csv")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == f"large-predictions.{form.lower()}"
    assert "/inference/results/" in download.value.url
    text = Path(download.value.path()).read_text()
    if form == "CSV":
        header, first, *more = csv.reader(text.splitlines())
        assert header == ["prediction", "Adelie", "Chinstrap", "Gentoo"]
        assert first[0] == "Adelie"
        assert len(more) == ROWS - 1
    else:
        lines = [json.loads(line)["prediction"] for line in text.splitlines()]
        assert lines == ["Adelie"] * ROWS


def test_a_task_can_be_cancelled(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    large.write_text("\n".join([HEADER, *[EXAMPLE_LINE] * 400_000]))
    page.locator("#file").set_input_files(large)
    page.get_by_role("button", name="Send it as a task").click()
    task = page.locator("#tasks-list > li")
    expect(task).to_contain_text("Running")
    task.get_by_role("button", name="Cancel large.csv").click()
    expect(task).to_contain_text("Cancelled")
    expect(task).to_contain_text("it has no results.")
    expect(task.locator("strong")).to_be_focused()


def test_a_file_can_be_cancelled_while_it_is_sent(page: Page) -> None:
    page.route("**/inference/start*", lambda _: None)
    task = send(page, LARGE)
    expect(task).to_contain_text("Sending")
    task.get_by_role("button", name="Cancel large.csv").click()
    expect(page.locator("#tasks")).to_be_hidden()
    expect(page.locator("#file")).to_be_focused()


def test_a_wrong_row_at_the_start_is_told_and_nothing_is_accepted(page: Page) -> None:
    task = send(page, WRONG)
    expect(task).to_contain_text("Not sent")
    expect(task.locator(".faults li")).to_have_text(
        ["row 1, bill_length_mm: expected a number, got a string"]
    )
    expect(task.get_by_role("button", name="Try again")).to_be_hidden()
    assert page.evaluate("localStorage.length") == 0


def test_a_task_that_fails_tells_where(page: Page) -> None:
    task = send(page, WRONG_LATER)
    expect(task).to_contain_text("Failed")
    expect(task.locator(".faults li")).to_have_text(
        ["row 9,001, bill_length_mm: expected a number, got a string"]
    )
    expect(task.get_by_role("link")).to_have_count(0)


def test_a_file_of_ndjson_is_sent_as_such(page: Page) -> None:
    with page.expect_request("**/inference/start*") as request:
        task = send(page, f"{ROW}\n" * 3, "three.jsonl")
    assert request.value.headers["content-type"] == "application/x-ndjson"
    expect(task).to_contain_text("3 rows answered")


def test_tasks_are_remembered_without_their_rows(page: Page) -> None:
    hold(page)
    send(page, LARGE)
    expect(page.locator("#tasks-list")).to_contain_text("Running")
    (kept,) = json.loads(page.evaluate("localStorage.getItem('tasks /')"))
    assert set(kept) == {"id", "name", "time"}
    page.reload()
    task = page.locator("#tasks-list > li")
    expect(task).to_contain_text("500 rows done")
    page.unroute("**/inference/status/*")
    expect(task).to_contain_text("1,000 rows answered")
    expect(task.locator("tbody")).to_have_count(0)
    task.get_by_text("The first rows").click()
    expect(task.locator("tbody tr")).to_have_count(20)
    task.get_by_role("button", name="Remove large.csv").click()
    expect(page.locator("#tasks")).to_be_hidden()
    assert page.evaluate("localStorage.getItem('tasks /')") == "[]"


def remember(page: Page, *ids: str) -> None:
    kept = [{"id": each, "name": f"{each}.csv", "time": 0} for each in ids]
    page.evaluate("(kept) => localStorage.setItem('tasks /', JSON.stringify(kept))", kept)
    page.reload()


def test_a_task_that_the_service_does_not_keep_is_expired(page: Page) -> None:
    remember(page, "gone")
    task = page.locator("#tasks-list > li")
    expect(task).to_contain_text("Expired")
    expect(task).to_contain_text("There is no task with this id here.")
    task.get_by_role("button", name="Remove gone.csv").click()
    expect(page.locator("#tasks")).to_be_hidden()


@pytest.mark.parametrize("kept", ["{", "7", '[{"id": "../x"}, null]', '[{"id": 3, "name": 1}]'])
def test_what_else_is_stored_is_passed_over(page: Page, kept: str) -> None:
    page.evaluate("(kept) => localStorage.setItem('tasks /', kept)", kept)
    page.reload()
    expect(page.locator("#verdict")).to_have_text("Adelie")
    expect(page.locator("#tasks")).to_be_hidden()


def test_nothing_is_asked_of_tasks_where_there_are_none(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("#verdict")).to_have_text("Adelie")
    assert not [url for url in asked if "/inference/" in url]


def test_a_service_without_tasks_says_why_and_is_tried_again(page: Page) -> None:
    detail = "This service takes no tasks: set DATA_DIR."
    page.route(
        "**/inference/start*", lambda route: route.fulfill(status=503, json={"detail": detail})
    )
    task = send(page, LARGE)
    expect(task).to_contain_text(detail)
    page.unroute("**/inference/start*")
    task.get_by_role("button", name="Try again large.csv").click()
    expect(task).to_contain_text("1,000 rows answered")


def test_a_second_tab_shows_the_task_too(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    send(page, LARGE)
    expect(other.locator("#tasks-list")).to_contain_text("1,000 rows answered")
    page.get_by_role("button", name="Remove large.csv").click()
    expect(other.locator("#tasks")).to_be_hidden()


def test_the_page_knows_the_limits_of_its_service(server: Server) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/", headers={"Accept": BROWSER}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    assert '<meta name="max-body-bytes" content="20000">' in text
    assert '<meta name="max-rows" content="100">' in text


def test_results_with_a_key_are_downloaded_with_it(visit: Any, server: Server) -> None:
    page = visit(server, "status of 413", key=KEY)
    task = send(page, LARGE)
    with (
        page.expect_request("**/inference/results/*format=csv") as request,
        page.expect_download() as download,
    ):
        task.get_by_role("link", name="Download CSV").click()
    assert request.value.headers["x-api-key"] == KEY
    assert download.value.url.startswith("blob:")
    assert download.value.suggested_filename == "large-predictions.csv"
    assert len(Path(download.value.path()).read_text().splitlines()) == ROWS + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tasks_keep_nobody_out_and_fit_a_phone(visit: Any, server: Server, scheme: str) -> None:
    page = visit(server, "status of 4", color_scheme=scheme, viewport=PHONE)
    send(page, WRONG, f"{'long-' * 12}name.csv")
    done = send(page, LARGE)
    expect(done.locator("tbody tr")).to_have_count(20)
    hold(page)
    send(page, LARGE, "running.csv")
    expect(page.locator("#tasks-list")).to_contain_text("Running")
    choose_file(page, LARGE, "offered.csv")
    expect(page.locator("#offer")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    with contextlib.suppress(TypeError):
        page.evaluate(axe())
    found = page.evaluate("axe.run('#offer, #tasks')")
    broken = [
        (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]
    ]
    assert broken == []


def test_a_task_is_sent_and_opened_by_the_keyboard(page: Page) -> None:
    choose_file(page, LARGE, "large.csv")
    page.locator("#template").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Send it as a task")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#tasks-list strong")).to_be_focused()
    expect(page.locator("#tasks-list tbody tr")).to_have_count(20)
    names = []
    for _ in range(4):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.innerText.split('\\n')[0].trim()"))
    assert names == ["Remove", "Download CSV", "Download NDJSON", "The first rows"]
