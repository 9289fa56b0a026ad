"""The documentation is served from here, works in a browser, and tells the truth."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page

from api.protocols.docs import STATIC, TYPES
from tests.test_rejections import GOOD
from tests.test_serving import BOUND, Server, serving


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("docs"), traced=False, MODEL_PATH=baked_path) as server:
        yield server


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_takes_all_from_here_and_has_no_script_in_it(
    penguins: FlaskClient, path: str
) -> None:
    answer = penguins.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|https?:", answer.text)
    for address in re.findall(r'(?:src|href)="(static/[^"]+)"', answer.text):
        assert penguins.get(f"/{address}").status_code == 200


@pytest.mark.parametrize("name", TYPES)
def test_a_file_comes_compressed_to_those_who_take_it(penguins: FlaskClient, name: str) -> None:
    packed = penguins.get(f"/static/docs/{name}", headers={"Accept-Encoding": "br, gzip"})
    plain = penguins.get(f"/static/docs/{name}")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.data) == plain.data
    for answer in (packed, plain):
        assert answer.mimetype == TYPES[name]
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["Cache-Control"]


def test_the_address_of_a_file_changes_with_what_is_in_it(penguins: FlaskClient) -> None:
    digest = hashlib.sha256((STATIC / "docs.js").read_bytes()).hexdigest()
    assert f"static/docs/docs.js?{digest[:8]}" in penguins.get("/docs").text


@pytest.mark.parametrize("name", ["README.md", "docs.html", "..%2f..%2fsettings.py", "nothing"])
def test_no_other_file_is_served(penguins: FlaskClient, name: str) -> None:
    assert penguins.get(f"/static/docs/{name}").status_code == 404


def test_the_files_are_those_that_their_readme_names() -> None:
    told = dict(re.findall(r"^\| `([\w.-]+)` .*`([0-9a-f]{64})` \|$", _readme(), re.MULTILINE))
    kept = {path.name[:-3]: gzip.decompress(path.read_bytes()) for path in STATIC.glob("*.gz")}
    assert told == {name: hashlib.sha256(body).hexdigest() for name, body in kept.items()}


def _readme() -> str:
    return (STATIC / "README.md").read_text()


class Watched:
    """A page that notes what it asked for, and what its console said."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.addresses: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )

    def strangers(self, server: Server) -> list[str]:
        home = f"http://127.0.0.1:{server.port}/"
        return [a for a in self.addresses if not a.startswith((home, "data:", "blob:"))]


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context()
    context.set_default_timeout(BOUND * 1000)
    yield Watched(context.new_page())
    context.close()


def test_docs_try_it_out_gets_a_prediction(server: Server, watched: Watched) -> None:
    page = watched.page
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    block = page.locator("#operations-Model-predict")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response").first
    answer.wait_for()
    assert answer.locator(".response-col_status").inner_text().startswith("200")
    assert '"Adelie"' in answer.locator(".response-col_description").inner_text()
    assert (watched.strangers(server), watched.complaints) == ([], [])


def test_redoc_shows_the_features(server: Server, watched: Watched) -> None:
    page = watched.page
    page.goto(f"http://127.0.0.1:{server.port}/redoc")
    page.get_by_text("bill_length_mm").first.wait_for()
    text = page.locator("#redoc").inner_text()
    for name in GOOD:
        assert name in text
    page.get_by_role("tab", name="python").first.click()
    page.get_by_text("requests.post").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert (watched.strangers(server), watched.complaints) == ([], [])
