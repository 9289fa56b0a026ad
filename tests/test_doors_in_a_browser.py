"""A locked service, and pages of other origins, in a real Chromium against the real server."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.conftest import CHROMIUM
from tests.test_keys import API_KEYS, BOB
from tests.test_rejections import GOOD
from tests.test_serving import BOUND, Server, serving

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

ASK = """async ([url, key, row]) => {
  const headers = { "content-type": "application/json", "x-request-id": "r1" };
  if (key) headers.authorization = `Bearer ${key}`;
  try {
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(row) });
    const read = (name) => answer.headers.get(name);
    return [answer.status, await answer.json(), read("x-request-id"), read("x-ignored-columns")];
  } catch (error) {
    return [0, error.name];
  }
}"""


class Other(http.server.BaseHTTPRequestHandler):
    """Another site, whose pages are empty."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><link rel=icon href=data:,>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site.server_port
        site.shutdown()


@pytest.fixture(scope="module")
def server(
    baked_path: Path, tmp_path_factory: pytest.TempPathFactory, elsewhere: int
) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("locked"),
        traced=False,
        MODEL_PATH=baked_path,
        PROCESSES=1,
        API_KEYS=API_KEYS,
        ALLOWED_ORIGINS=f"https://a.example,http://localhost:{elsewhere}",
    ) as server:
        yield server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.set_default_timeout(BOUND * 1000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def ask(page: Page, server: Server, key: str = "", row: Any = GOOD, query: str = "") -> Any:
    url = f"http://127.0.0.1:{server.port}/predict{query}"
    return page.evaluate(ASK, [url, key, row])


def test_a_page_of_an_allowed_origin_sends_its_key_and_reads_the_answer(
    server: Server, page: Page, elsewhere: int
) -> None:
    page.goto(f"http://localhost:{elsewhere}/")
    answer = ask(page, server, BOB, {**GOOD, "id": 7}, "?extra=ignore")
    assert answer == [200, {"predictions": ["Gentoo"]}, "r1", "id"]


def test_it_reads_why_it_is_refused(server: Server, page: Page, elsewhere: int) -> None:
    page.goto(f"http://localhost:{elsewhere}/")
    status, problem, *_ = ask(page, server)
    assert (status, problem["detail"][:32]) == (401, "This service asks for a key: sen")
    status, problem, *_ = ask(page, server, BOB, {})
    assert (status, problem["title"]) == (422, "Unprocessable Entity")


def test_a_page_of_any_other_origin_reads_nothing(
    server: Server, page: Page, elsewhere: int
) -> None:
    page.goto(f"http://127.0.0.1:{elsewhere}/")
    assert ask(page, server, BOB) == [0, "TypeError"]


def enter(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Unlock").click()


def test_the_page_asks_for_the_key_until_it_is_right(
    server: Server, page: Page, context: BrowserContext
) -> None:
    asked: set[str] = set()

    def note(request: Request) -> None:
        if request.headers.get("x-api-key") == BOB:
            asked.add(request.url.rpartition("/")[2])

    page.on("request", note)
    page.goto(f"http://127.0.0.1:{server.port}/")
    enter(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("The service does not know this key.")
    enter(page, "two words")
    expect(page.get_by_role("alert")).to_have_text(
        "A key has letters, digits and signs, and no blanks."
    )
    enter(page, f" {BOB} ")
    expect(page.locator("#verdict")).to_have_text("Adelie")
    expect(page.locator("#figures dd").first).to_have_text(re.compile("[0-9]"))
    expect(page.locator("#curl")).to_contain_text('-H "authorization: Bearer $API_KEY"')
    expect(page.locator("#python")).to_contain_text("os.environ['API_KEY']")
    assert asked >= {"metadata", "predict", "predict_proba", "metrics"}
    # The tab keeps it, and no other tab has it.
    page.reload()
    expect(page.locator("#verdict")).to_have_text("Adelie")
    other = context.new_page()
    other.goto(f"http://127.0.0.1:{server.port}/")
    expect(other.get_by_role("dialog")).to_be_visible()


def test_who_enters_no_key_is_told_why_there_is_nothing(server: Server, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#problem")).to_contain_text("This service asks for a key")


def test_swagger_ui_asks_for_the_key_and_sends_it(server: Server, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    enter(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("The service does not know this key.")
    enter(page, BOB)
    block = page.locator("#operations-Model-predict")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response").first
    answer.wait_for()
    assert answer.locator(".response-col_status").inner_text().startswith("200")


def test_redoc_asks_for_the_key_and_shows_how_it_is_sent(server: Server, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/redoc")
    enter(page, BOB)
    page.get_by_text("bill_length_mm").first.wait_for()
    page.get_by_role("button", name="X-Api-Key").or_(page.get_by_text("X-Api-Key")).first.wait_for()


def test_the_storage_of_the_tab_may_be_refused(server: Server, page: Page) -> None:
    page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('refused'); } })"
    )
    page.goto(f"http://127.0.0.1:{server.port}/")
    enter(page, BOB)
    expect(page.locator("#verdict")).to_have_text("Adelie")
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    enter(page, BOB)
    page.locator("#operations-Model-predict").wait_for()
