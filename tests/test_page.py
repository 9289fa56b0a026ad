"""The page for people, in a real Chromium against the real server."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, expect
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from models.card import write_card
from tests.conftest import CHROMIUM, Serve
from tests.test_serving import Server, serving

AXE = "axe-core@4.14.1"
CLIENTS = Path(__file__).parents[1] / ".clients"
EXAMPLE_LINE = "Dream,33.1,16.1,178.0,2900.0,female"
NAMES = ("island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex")
HEADER = ",".join(NAMES)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 812}

in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


# What the server says.


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "application/json;q=0.9, text/html"])
def test_who_prefers_html_gets_the_page(penguins: FlaskClient, accept: str) -> None:
    answer = penguins.get("/", headers={"Accept": accept})
    assert answer.mimetype == "text/html"
    assert answer.text.startswith("<!doctype html>")
    assert answer.vary.as_set() == {"accept", "accept-encoding"}


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "application/json, text/html", "text/*;q=0.1, */*"]
)
def test_everyone_else_is_told_that_it_is_alive(penguins: FlaskClient, accept: str | None) -> None:
    answer = penguins.get("/", headers={"Accept": accept} if accept else {})
    assert answer.json["status"] == "alive"
    assert answer.vary.as_set() == {"accept"}


def test_the_page_is_got_only_by_get(penguins: FlaskClient) -> None:
    assert penguins.head("/", headers={"Accept": BROWSER}).mimetype == "text/html"
    assert penguins.post("/", headers={"Accept": BROWSER}).status_code == 405


def test_the_page_is_asked_for_again_and_not_sent_again(penguins: FlaskClient) -> None:
    first = penguins.get("/", headers={"Accept": BROWSER})
    assert first.headers["Cache-Control"] == "no-cache"
    headers = {"Accept": BROWSER, "If-None-Match": first.headers["ETag"]}
    assert penguins.get("/", headers=headers).status_code == 304


def test_the_page_lets_nothing_in_from_elsewhere(penguins: FlaskClient) -> None:
    answer = penguins.get("/", headers={"Accept": BROWSER})
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "style=" not in answer.text
    assert answer.text.count("<script") == 1


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("style.css", "text/css"), ("app.js", "text/javascript"), ("icon.svg", "image/svg+xml")],
)
def test_what_it_is_made_of_is_kept_for_good(
    penguins: FlaskClient, name: str, media_type: str
) -> None:
    text = penguins.get("/", headers={"Accept": BROWSER}).text
    start = text.index("static/page/")
    path = "/" + text[start : text.index("/", start + len("static/page/"))] + "/" + name
    answer = penguins.get(path)
    assert answer.mimetype == media_type
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_it_is_not_made_of_is_not_found(penguins: FlaskClient) -> None:
    text = penguins.get("/", headers={"Accept": BROWSER}).text
    folder = text[text.index("static/page/") :].split("/")[2]
    assert penguins.get(f"/static/page/{folder}/index.html").status_code == 404
    assert penguins.get("/static/page/another/app.js").status_code == 404


def test_the_metadata_has_the_name(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[1.0]], [1.0]), model_name="sales")
    assert client.get("/metadata").json["name"] == "sales"


# What people see.


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("page"), traced=False, MODEL_PATH=baked_path) as server:
        yield server


Visit = Callable[..., Page]
REFUSED = "status of 422"
# Chromium drops what is under way when an interface comes or goes, as those of containers do.
CHANGED = "ERR_NETWORK_CHANGED"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """The real server, with these variables."""
    with contextlib.ExitStack() as stack:
        yield lambda *, traced=False, **variables: stack.enter_context(
            serving(tmp_path, traced=traced, **variables)
        )


@pytest.fixture
def visit(browser: Browser, start: Any) -> Iterator[Visit]:
    """Open the page; at the end, it may have asked nobody else and complained of nothing.

    Chromium notes in its console each answer that is an error: `expected` are pieces of what it may
    say, since the page tells the person of it. An explanation is not always to be had.
    """
    contexts: list[BrowserContext] = []
    hosts: list[tuple[str, str]] = []
    complaints: list[str] = []
    seen: set[str] = set()

    def open_page(
        server: Server,
        *expected: str,
        explanation: Any = None,
        key: str = "",
        **options: Any,
    ) -> Page:
        origin = f"http://127.0.0.1:{server.port}"
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        if key:
            context.add_init_script(f"sessionStorage.setItem('api-key', '{key}')")
        page = context.new_page()

        def note(message: Any) -> None:
            explained = message.location["url"] == f"{origin}/explain"
            known = any(piece in message.text for piece in expected)
            if CHANGED in message.text:
                seen.add(CHANGED)
            elif message.type in ("error", "warning") and not (explained or known):
                complaints.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.append((origin, request.url)))
        if explanation:
            page.route("**/explain", lambda route: route.fulfill(json=explanation))
        with contextlib.suppress(Error):
            page.goto(origin)
            page.locator("main:visible, #problem:visible").first.wait_for()
        if CHANGED in seen:
            page.goto(origin)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for origin, url in hosts if not url.startswith((origin, "blob:" + origin))] == []


@pytest.fixture
def page(visit: Visit, server: Server) -> Page:
    """The page of the penguins, with the answer to the example on it."""
    page = visit(server, REFUSED)
    expect(page.locator("#verdict")).to_have_text("Adelie")
    return page


@pytest.fixture
def serve_file(start: Any, tmp_path: Path) -> Callable[..., Server]:
    """The real server with any estimator, and with a card if there are rows for it."""

    def serve_it(estimator: Any, *, rows: Any = None, target: str = "", **variables: Any) -> Server:
        path = tmp_path / "latest.joblib"
        joblib.dump(estimator, path)
        if rows is not None:
            write_card(path, estimator, rows, target=target, metrics={})
        return cast(Server, start(MODEL_PATH=path, **variables))

    return serve_it


def chances(page: Page) -> dict[str, str]:
    """The classes and what stands beside each."""
    texts = [row.inner_text().split("\n") for row in page.locator(".chance").all()]
    return dict(texts)


def choose_file(page: Page, text: str | bytes, name: str = "some.csv") -> None:
    content = text.encode() if isinstance(text, str) else text
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def downloaded(page: Page) -> list[list[str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download with predictions").click()
    return list(csv.reader(Path(download.value.path()).read_text().splitlines()))


def ask(server: Server, path: str, body: Any) -> Any:
    """The service's own answer, also if it is an error."""
    try:
        return server.post(path, body)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


@in_chromium
def test_it_opens_with_the_answer_to_the_example(page: Page, server: Server) -> None:
    example = server.get("/metadata")["example"]
    answer = server.post("/predict_proba", example)
    shares = dict(zip(answer["classes"], answer["predictions"][0], strict=True))
    expect(page.locator("#verdict")).to_have_text(
        server.post("/predict", example)["predictions"][0]
    )
    shown = chances(page)
    assert list(shown) == list(shares)
    for name, share in shares.items():
        assert f"{100 * share:.1f} %" == shown[name] or shown[name][0] in "<>"
    assert page.get_by_label("bill_length_mm", exact=True).input_value() == str(
        example["bill_length_mm"]
    )


@in_chromium
def test_it_says_what_the_model_is(page: Page, server: Server) -> None:
    metadata = server.get("/metadata")
    expect(page).to_have_title("model: Predict species")
    expect(page.get_by_role("heading", level=1)).to_have_text("Predict species")
    facts = page.locator("#facts").inner_text()
    for fact in (metadata["version"][:12], "Pipeline → LogisticRegression", "Chinstrap", "numpy"):
        assert fact in facts
    expect(page.locator("#scores")).to_contain_text("accuracy")
    row = page.get_by_role("row", name="bill_length_mm")
    expect(row).to_contain_text("33.1 to 59.6")
    expect(page.get_by_role("row", name="island")).to_contain_text("Biscoe, Dream, Torgersen")


@in_chromium
def test_typing_changes_the_answer(page: Page) -> None:
    page.get_by_label("island").select_option("Biscoe")
    page.get_by_label("flipper_length_mm", exact=True).fill("230")
    page.get_by_label("body_mass_g", exact=True).fill("6000")
    page.get_by_label("bill_length_mm", exact=True).fill("50")
    expect(page.locator("#verdict")).to_have_text("Gentoo")
    page.get_by_role("button", name="Back to the example").click()
    expect(page.locator("#verdict")).to_have_text("Adelie")
    expect(page.get_by_label("flipper_length_mm", exact=True)).to_have_value("178")


@in_chromium
def test_a_slider_moves_its_number_by_the_keyboard(page: Page) -> None:
    slider = page.get_by_label("bill_length_mm, slider")
    slider.focus()
    slider.press("End")
    expect(page.get_by_label("bill_length_mm", exact=True)).to_have_value("59.6")
    expect(page.locator("#verdict")).to_have_text("Chinstrap")


@in_chromium
def test_a_wrong_value_gets_the_services_sentence_at_its_field(page: Page) -> None:
    field = page.get_by_label("bill_length_mm", exact=True)
    field.fill("33,1")
    expect(page.locator("#field-1-fault")).to_have_text("expected a number, got a string")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#answer")).to_have_class("answer stale")
    expect(page.locator("#said")).to_contain_text("bill_length_mm expected a number")
    field.fill("33.2")
    expect(page.locator("#field-1-fault")).to_be_empty()
    expect(page.locator("#answer")).to_have_class("answer")


@in_chromium
def test_a_value_outside_of_what_the_model_has_seen_is_warned_of(page: Page) -> None:
    page.get_by_label("bill_length_mm", exact=True).fill("120")
    expect(page.locator("#field-1-note")).to_have_text(
        "Outside what the model has seen: 33.1 to 59.6."
    )
    page.get_by_label("bill_length_mm", exact=True).fill("40")
    expect(page.locator("#field-1-note")).to_be_empty()


@in_chromium
def test_a_value_can_be_missing(page: Page, server: Server) -> None:
    example = server.get("/metadata")["example"] | {"bill_length_mm": None, "sex": None}
    with page.expect_request(
        lambda request: request.url.endswith("/predict") and request.post_data_json == example
    ):
        page.get_by_label("missing bill_length_mm").check()
        page.get_by_label("sex").select_option("missing")
    expect(page.get_by_label("bill_length_mm", exact=True)).to_be_disabled()
    expect(page.locator("#curl")).to_contain_text('"bill_length_mm": null')


@in_chromium
def test_an_answer_that_comes_late_is_dropped(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/predict", hold)
    field = page.get_by_label("bill_length_mm", exact=True)
    with page.expect_request("**/predict"):
        field.fill("wrong")
    page.get_by_label("bill_length_mm, slider").focus()
    field.fill("59")
    expect(page.locator("#verdict")).to_have_text("Chinstrap")
    with contextlib.suppress(Exception):  # the page has let go of it
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#field-1-fault")).to_be_empty()


@in_chromium
def test_curves_of_all_features_come_from_one_request(page: Page, server: Server) -> None:
    asked: list[Any] = []
    page.on(
        "request",
        lambda request: (
            asked.append(request.post_data_json) if request.url.endswith("_proba") else None
        ),
    )
    page.get_by_label("bill_length_mm", exact=True).fill("34")
    expect(page.get_by_label("bill_length_mm", exact=True)).to_have_value("34")
    page.wait_for_timeout(600)
    one, many = asked
    assert one["bill_length_mm"] == 34
    assert len(many) == 4 * 33 + 4 + 3  # with "missing" among the categories
    assert page.locator("#form svg").count() == 4
    islands = page.locator(".categories").first.locator("li")
    rows = [one | {"island": island} for island in ("Biscoe", "Dream", "Torgersen", None)]
    shares = [row[0] for row in server.post("/predict_proba", rows)["predictions"]]
    for place, share in enumerate(shares):
        text = islands.nth(place).inner_text().split("\n")[-1]
        assert text == f"{100 * share:.1f} %" or text[0] in "<>"


@in_chromium
def test_curves_can_show_another_class(page: Page) -> None:
    flipper = page.locator("#form svg").nth(2)
    before = flipper.get_attribute("aria-label")
    page.get_by_role("radio", name="Gentoo").check()
    expect(flipper).not_to_have_attribute("aria-label", str(before))
    page.get_by_role("radio", name="Gentoo").press("ArrowUp")
    page.get_by_role("radio", name="Chinstrap").press("ArrowUp")
    expect(flipper).to_have_attribute("aria-label", str(before))


SHARES = {
    "method": "linear",
    "exact": True,
    "output": "decision_function",
    "classes": ["Adelie", "Chinstrap", "Gentoo"],
    "base": [1.0, 2.0, -3.0],
    "explanations": [
        {
            "contributions": {name: [float(i), -2.0, 0.5] for i, name in enumerate(NAMES)},
            "output": [16.0, -10.0, 0.0],
        }
    ],
    "largest_error": 0.0,
}


@in_chromium
def test_contributions_are_bars_and_the_largest_comes_first(visit: Visit, server: Server) -> None:
    page = visit(server, explanation=SHARES)
    shares = page.locator("#shares li")
    expect(shares.first).to_have_text("sex+5.00")
    expect(page.locator("#why-title")).to_have_text("Why Adelie")
    expect(page.locator("#why-note")).to_have_text(
        "From 1.00, the average, to 16.00 (decision_function); linear, exact."
    )
    page.get_by_role("radio", name="Chinstrap").check()
    expect(shares.first).to_have_text("island\N{MINUS SIGN}2.00")
    assert shares.count() == 6


@in_chromium
def test_the_explanation_is_the_services_own(page: Page, server: Server) -> None:
    answer = ask(server, "/explain", server.get("/metadata")["example"])
    note = page.locator("#why-note")
    if "explanations" in answer:
        expect(note).to_contain_text(answer["method"])
        expect(page.locator("#shares li")).to_have_count(6)
    elif answer["status"] == 501:
        expect(note).to_have_text(answer["detail"])
    else:
        expect(note).to_contain_text("This service has no /explain")


@in_chromium
def test_live_figures_count_what_is_asked(page: Page) -> None:
    requests = page.locator("#figures dd").first
    expect(requests).not_to_have_text("\N{EN DASH}")
    before = int(requests.inner_text().replace(",", ""))
    page.get_by_label("bill_length_mm", exact=True).fill("wrong")
    page.wait_for_timeout(4000)
    assert int(requests.inner_text().replace(",", "")) > before
    assert page.locator("#figures dd").nth(2).inner_text().endswith(" ms")
    assert page.locator("#figures dd").nth(4).inner_text() != "0"


@in_chromium
def test_curl_and_python_give_the_answer_on_screen(page: Page) -> None:
    page.get_by_label("bill_length_mm", exact=True).fill("59")
    page.get_by_label("missing bill_depth_mm").check()
    expect(page.locator("#verdict")).to_have_text("Chinstrap")
    curl = page.locator("#curl").inner_text()
    said = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, check=True, timeout=30)
    assert json.loads(said.stdout) == {"predictions": ["Chinstrap"]}
    code = page.locator("#python").inner_text()
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)
    assert said.stdout.decode().strip() == "['Chinstrap']"


@in_chromium
def test_the_request_can_be_of_another_method(page: Page) -> None:
    page.get_by_label("Method").select_option("predict_proba")
    curl = page.locator("#curl").inner_text()
    said = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, check=True, timeout=30)
    assert json.loads(said.stdout)["classes"] == ["Adelie", "Chinstrap", "Gentoo"]


@in_chromium
def test_the_request_can_be_copied(visit: Visit, server: Server) -> None:
    page = visit(server, permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator("#verdict")).to_have_text("Adelie")
    page.get_by_role("button", name="Copy the curl command").click()
    expect(page.locator("#copied")).to_have_text("Copied curl.")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#curl").inner_text()


@in_chromium
def test_the_request_can_be_copied_where_the_page_has_no_clipboard(
    visit: Visit, server: Server
) -> None:
    page = visit(server, permissions=["clipboard-read"])
    expect(page.locator("#verdict")).to_have_text("Adelie")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy the Python code").click()
    expect(page.locator("#copied")).to_have_text("Copied python.")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").inner_text()


BROKEN = f"""species,{HEADER}
Adelie,{EXAMPLE_LINE}
Adelie,Texel,33.1,16.1,178,2900,female

Gentoo,Biscoe,50.0,15.2,230,5800,male
Adelie,Dream,"33,1",16.1,178,2900,female
Adelie,Dream,33.1,16.1,178,2900
Chinstrap,"Dream",,16.1,178,2900,""
"""


@in_chromium
def test_a_file_with_broken_rows_is_predicted_and_they_are_named(page: Page) -> None:
    choose_file(page, BROKEN)
    expect(page.locator("#progress-text")).to_have_text(
        "All 6 rows read: 3 predicted, 3 failed.", timeout=20_000
    )
    expect(page.locator("#file-columns")).to_have_text("Not used: species")
    failures = [row.inner_text().split("\t") for row in page.locator("#failures tr").all()]
    assert failures == [
        ["3", 'island: expected one of "Biscoe", "Dream", "Torgersen" (“Texel”)'],
        ["6", "bill_length_mm: expected a number, got a string (“33,1”)"],
        ["7", "expected 7 fields, got 6"],
    ]
    expect(page.locator("#agreement")).to_have_text(
        "3 of 3 (100 %) are what the column “species” says."
    )
    header, *rows = downloaded(page)
    assert header[-5:] == [
        "prediction",
        "probability_Adelie",
        "probability_Chinstrap",
        "probability_Gentoo",
        "error",
    ]
    assert [row[7] for row in rows] == ["Adelie", "", "Gentoo", "", "", "Chinstrap"]
    assert [row[0] for row in rows] == [
        "Adelie",
        "Adelie",
        "Gentoo",
        "Adelie",
        "Adelie",
        "Chinstrap",
    ]
    assert sum(map(float, rows[0][8:11])) == pytest.approx(1)
    assert rows[1][-1] == failures[0][1]


@in_chromium
def test_more_broken_rows_than_the_service_names_at_once_are_all_named(page: Page) -> None:
    lines = [EXAMPLE_LINE if i % 3 else "Texel,a,b,c,d,e" for i in range(300)]
    choose_file(page, "\n".join([HEADER, *lines]))
    expect(page.locator("#progress-text")).to_have_text(
        "All 300 rows read: 200 predicted, 100 failed.", timeout=20_000
    )
    expect(page.locator("#failures tr")).to_have_count(100)
    assert [row[-1] != "" for row in downloaded(page)[1:]] == [i % 3 == 0 for i in range(300)]


@in_chromium
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "The first line must name the columns; it lacks: island, bill"),
        ("island,sex\nDream,male\n", "it lacks: bill_length_mm, bill_depth_mm, flipper"),
        (HEADER + "\n", "The file has a header and no rows."),
        (f"sex,{HEADER}\n", "The column “sex” stands twice in the header."),
        (f'{HEADER}\n"Dream,1\n', "Line 2: a quote is opened here and never closed."),
        (b"\xff\xfb\x00", "The file is not UTF-8: save it as “CSV UTF-8”."),
    ],
    ids=["empty", "lacking", "no rows", "twice", "quote", "bytes"],
)
def test_what_is_no_table_gets_a_sentence(page: Page, content: str | bytes, sentence: str) -> None:
    choose_file(page, content)
    expect(page.locator("#file-problem")).to_contain_text(sentence)
    expect(page.locator("#outcome")).to_be_hidden()


@in_chromium
@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"\ufeff{HEADER};x\r\n{EXAMPLE_LINE};1\r\n".replace(",", ";"), "semicolons.csv"),
        (f"{HEADER}\n{EXAMPLE_LINE}\n".replace(",", "\t").encode("utf-16"), "spreadsheet.txt"),
        (
            f"{HEADER}\n{EXAMPLE_LINE}".replace(",", ";").replace(".", ","),
            "decimal-commas.csv",
        ),
        (f"{HEADER}\n{EXAMPLE_LINE}\n".replace(",", ", ").replace("33.1", "NA"), "blanks.csv"),
    ],
    ids=["semicolons", "utf-16", "decimal commas", "blanks and NA"],
)
def test_files_of_spreadsheets_are_read(page: Page, content: str | bytes, name: str) -> None:
    choose_file(page, content, name)
    expect(page.locator("#progress-text")).to_have_text("All 1 row read: 1 predicted, 0 failed.")


@in_chromium
def test_columns_that_are_not_used_are_named(page: Page) -> None:
    choose_file(page, f",{HEADER},id\n0,{EXAMPLE_LINE},7\n")
    expect(page.locator("#progress-text")).to_have_text("All 1 row read: 1 predicted, 0 failed.")
    expect(page.locator("#file-columns")).to_have_text("Not used: column 1, id")


CASES: list[tuple[str, str, list[list[str]]]] = [
    ("", ",", []),
    ("a,b\n1,2", ",", [["a", "b"], ["1", "2"]]),
    ("a,b\r\n1,2\r\n", ",", [["a", "b"], ["1", "2"]]),
    ("a\r1\r", ",", [["a"], ["1"]]),
    ('"a,b",c\n', ",", [["a,b", "c"]]),
    ('"a\r\nb"\nc', ",", [["a\r\nb"], ["c"]]),
    ('"say ""yes""",""\n', ",", [['say "yes"', ""]]),
    ('""""""\n', ",", [['""']]),
    ("a,\n,\n", ",", [["a", ""], ["", ""]]),
    ("a,b,", ",", [["a", "b", ""]]),
    ("\n\na", ",", [[""], [""], ["a"]]),
    (' "a" ,5\' 10"\n', ",", [[' "a" ', "5' 10\""]]),
    ("1,5;2\n", ";", [["1,5", "2"]]),
    ("a\tb|c\n", "\t", [["a", "b|c"]]),
    ("a|b\n", "|", [["a", "b"]]),
]


@in_chromium
def test_csv_is_read_as_it_is_meant(page: Page, server: Server) -> None:
    read = f"""async ([text, delimiter]) => {{
        const {{ records }} = await import({module(page, "csv.js")});
        return [...records(text, delimiter)].map(({{ cells }}) => cells);
    }}"""
    for text, delimiter, expected in CASES:
        assert page.evaluate(read, [text, delimiter]) == expected, text


@in_chromium
def test_csv_that_is_written_reads_the_same_here_and_in_python(page: Page) -> None:
    chance = random.Random(7)
    rows = [
        ["".join(chance.choices('ab",;\n\r é', k=chance.randrange(6))) for _ in range(3)]
        for _ in range(200)
    ]
    both = f"""async (rows) => {{
        const {{ records, write }} = await import({module(page, "csv.js")});
        const text = rows.map((row) => write(row)).join("");
        return [text, [...records(text)].map(({{ cells }}) => cells)];
    }}"""
    text, again = page.evaluate(both, rows)
    assert again == rows
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


@in_chromium
def test_quantiles_are_estimated_as_prometheus_does(page: Page) -> None:
    quantile = f"""async ([share, buckets]) => {{
        const {{ quantile }} = await import({module(page, "live.js")});
        return quantile(share, new Map(buckets.map(([le, n]) => [le ?? Infinity, n])));
    }}"""
    buckets = [[0.1, 0], [0.2, 50], [0.4, 100], [None, 100]]
    assert page.evaluate(quantile, [0.5, buckets]) == pytest.approx(0.2)
    assert page.evaluate(quantile, [0.75, buckets]) == pytest.approx(0.3)
    assert page.evaluate(quantile, [0.5, [[0.1, 1], [None, 10]]]) == pytest.approx(0.1)


@in_chromium
def test_a_model_that_cannot_be_explained_is_no_failure_of_the_service(page: Page) -> None:
    count = f"""async (text) => {{
        const {{ figures, samples }} = await import({module(page, "live.js")});
        return figures(samples(text)).failed;
    }}"""
    text = "".join(
        f'http_requests_total{{method="POST",route="/explain",status="{status}"}} {times}\n'
        for status, times in ((200, 8), (500, 1), (501, 4), (503, 2))
    )
    assert page.evaluate(count, text) == 3


def module(page: Page, name: str) -> str:
    """The address of a module of the page, as JavaScript."""
    source = page.locator("script").get_attribute("src")
    return json.dumps("/" + str(source).replace("app.js", name))


def many(count: int) -> str:
    chance = random.Random(1)
    lines = [
        f"{chance.choice(['Biscoe', 'Dream'])},{chance.uniform(32, 60):.1f},{chance.uniform(13, 21):.1f}"
        f",{chance.randrange(172, 232)},{chance.randrange(2700, 6300)},{chance.choice(['male', ''])}"
        for _ in range(count)
    ]
    return "\n".join([HEADER, *lines, ""])


@in_chromium
def test_100_000_rows_are_predicted(page: Page, server: Server) -> None:
    text = many(100_000)
    choose_file(page, text)
    expect(page.locator("#progress-text")).to_have_text(
        "All 100,000 rows read: 100,000 predicted, 0 failed.", timeout=120_000
    )
    header, *rows = downloaded(page)
    assert len(rows) == 100_000
    assert ",".join(header[:6]) == HEADER
    asked = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/predict",
        "\n".join([HEADER, *text.splitlines()[99_001:]]).encode(),
        {"Content-Type": "text/csv"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert [row[6] for row in rows[-1000:]] == json.load(answer)["predictions"]
    bars = page.locator("#distribution li")
    assert bars.count() == 3
    counts = [
        int(bar.inner_text().split("\n")[1].split(" ")[0].replace(",", "")) for bar in bars.all()
    ]
    assert sum(counts) == 100_000


@in_chromium
def test_a_run_can_be_cancelled_and_keeps_what_it_has(page: Page) -> None:
    choose_file(page, many(100_000))
    expect(page.locator("#progress-text")).to_contain_text(",000 of 100,000", timeout=30_000)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#progress-text")).to_contain_text("Stopped after")
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    _, *rows = downloaded(page)
    done = [row[6] != "" for row in rows]
    assert 0 < sum(done) < 100_000
    assert done == sorted(done, reverse=True)


@in_chromium
def test_a_second_file_takes_the_place_of_the_first(page: Page) -> None:
    choose_file(page, many(50_000), "first.csv")
    expect(page.locator("#progress-text")).to_contain_text("of 50,000")
    choose_file(page, f"{HEADER}\n{EXAMPLE_LINE}\n", "second.csv")
    expect(page.locator("#progress-text")).to_have_text("All 1 row read: 1 predicted, 0 failed.")
    page.wait_for_timeout(500)
    expect(page.locator("#file-name")).to_have_text("second.csv")
    expect(page.locator("#progress-text")).to_have_text("All 1 row read: 1 predicted, 0 failed.")


@in_chromium
def test_a_file_can_be_dropped(page: Page) -> None:
    page.evaluate(
        """(text) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "dropped.csv"));
            const drop = document.getElementById("drop");
            drop.dispatchEvent(new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true }));
            drop.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        f"{HEADER}\n{EXAMPLE_LINE}\n",
    )
    expect(page.locator("#file-name")).to_have_text("dropped.csv")
    expect(page.locator("#progress-text")).to_contain_text("1 predicted")


@in_chromium
def test_the_template_is_a_file_that_works(page: Page) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="A template").click()
    choose_file(page, Path(download.value.path()).read_bytes())
    expect(page.locator("#progress-text")).to_have_text("All 1 row read: 1 predicted, 0 failed.")


@in_chromium
def test_a_service_that_takes_fewer_rows_at_once_gets_fewer(
    visit: Visit, start: Any, baked_path: Path
) -> None:
    page = visit(start(MODEL_PATH=baked_path, MAX_ROWS=150), "status of 413")
    choose_file(page, many(1000))
    expect(page.locator("#progress-text")).to_have_text(
        "All 1,000 rows read: 1,000 predicted, 0 failed.", timeout=20_000
    )


@in_chromium
def test_a_service_that_is_gone_is_told(visit: Visit, start: Any, baked_path: Path) -> None:
    server = start(MODEL_PATH=baked_path)
    page = visit(server, "ERR_CONNECTION_")
    expect(page.locator("#verdict")).to_have_text("Adelie")
    server.stop()
    page.get_by_label("bill_length_mm", exact=True).fill("34")
    expect(page.locator("#faults")).to_have_text("The service cannot be reached.")
    expect(page.locator("#figures dd").first).to_have_text("\N{EN DASH}")
    choose_file(page, f"{HEADER}\n{EXAMPLE_LINE}\n")
    expect(page.locator("#file-problem")).to_have_text("The service cannot be reached.")


# Other models.


@in_chromium
def test_names_that_are_html_stay_text(visit: Visit, serve_file: Callable[..., Server]) -> None:
    evil = "<img src=x onerror=alert(1)>"
    names = [evil, "__proto__", '"><script>alert(2)</script>', "constructor", "a/b~c"]
    rows = pd.DataFrame(np.arange(40.0).reshape(8, 5) % 7, columns=names)
    rows["</td><svg onload=alert(3)>"] = [evil, "{{7*7}}"] * 4
    estimator = make_pipeline(
        make_column_transformer((OneHotEncoder(), [rows.columns[-1]]), remainder="passthrough"),
        LogisticRegression(),
    ).fit(rows, [evil, "javascript:alert(4)"] * 4)
    server = serve_file(estimator, rows=rows, target="<b>target</b>", MODEL_NAME="model")
    page = visit(server, REFUSED)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    expect(page.locator("#verdict")).to_have_text(evil)
    expect(page.get_by_role("heading", level=1)).to_have_text("Predict <b>target</b>")
    page.get_by_label("__proto__", exact=True).fill("wrong")
    expect(page.locator("#field-1-fault")).to_have_text("expected a number, got a string")
    page.get_by_label("__proto__", exact=True).fill("2")
    page.get_by_label("a/b~c", exact=True).fill("wrong")
    expect(page.locator("#field-4-fault")).to_have_text("expected a number, got a string")
    expect(page.locator("#field-1-fault")).to_be_empty()
    page.get_by_role("button", name="Back").click()
    expect(page.locator("#answer")).to_have_class("answer")
    with page.expect_download() as download:
        page.get_by_role("link", name="A template").click()
    bad = Path(download.value.path()).read_text() + "1,2,3,4,<img src=y>,z\n"
    choose_file(page, bad)
    expect(page.locator("#progress-text")).to_contain_text("1 predicted, 1 failed.")
    expect(page.locator("#distribution")).to_contain_text(evil)
    assert page.locator("img, main svg[onload], main script").count() == 0
    curl = page.locator("#curl").inner_text()
    said = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, check=True, timeout=30)
    assert json.loads(said.stdout) == {"predictions": [evil]}


@in_chromium
def test_a_regressor_has_a_number_and_a_histogram(
    visit: Visit, serve_file: Callable[..., Server]
) -> None:
    rows, truth = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    estimator = make_pipeline(StandardScaler(), LinearRegression()).fit(rows, truth)
    server = serve_file(estimator, rows=rows, target="progression")
    page = visit(server, REFUSED)
    example = server.get("/metadata")["example"]
    number = server.post("/predict", example)["predictions"][0]
    expect(page.locator("#verdict")).to_have_text(f"{number:.5g}")
    expect(page.locator("#classes")).to_be_hidden()
    assert page.locator("#form svg").count() == 10
    page.get_by_label("bmi", exact=True).fill("")
    expect(page.locator("#field-2-fault")).to_contain_text("takes no missing value here")
    choose_file(page, rows.assign(progression=truth).to_csv(index=False))
    expect(page.locator(".histogram rect")).to_have_count(24)
    error = np.abs(estimator.predict(rows) - truth).mean()
    expect(page.locator("#agreement")).to_have_text(
        f"On average {error:.5g} away from the column “progression”."
    )
    header, first, *_ = downloaded(page)
    assert header[-1] == "prediction"
    assert float(first[-1]) == pytest.approx(estimator.predict(rows)[0])


@in_chromium
def test_a_model_without_a_card_has_plain_numbers(
    visit: Visit, serve_file: Callable[..., Server]
) -> None:
    X = np.arange(12.0).reshape(6, 2)
    server = serve_file(LinearRegression().fit(X, X @ [1.0, 2.0]))
    page = visit(server, REFUSED)
    expect(page.get_by_role("heading", level=1)).to_have_text("model")
    page.get_by_label("x0").fill("3")
    page.get_by_label("x1").fill("4")
    expect(page.locator("#verdict")).to_have_text("11")
    assert page.locator("#form [type=range]").count() == 0
    expect(page.locator("#form .ends").first).to_have_text("")
    expect(page.locator("#curves")).to_be_hidden()
    expect(page.locator("#advice")).to_contain_text("make card DATA=train.csv")
    choose_file(page, "x1,x0\n4,3\n,1\n5,5\n")
    expect(page.locator("#failures")).to_contain_text("x1: expected a number")


@in_chromium
def test_a_model_of_texts_has_a_large_field(
    visit: Visit, serve_file: Callable[..., Server]
) -> None:
    texts = ["good and fine", "fine, fine", "bad and ugly", "ugly"]
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression())
    server = serve_file(estimator.fit(texts, ["nice", "nice", "not", "not"]))
    page = visit(server)
    expect(page.locator("#lede")).to_contain_text("with 1 feature.")
    expect(page.locator("#curves")).to_be_hidden()
    page.get_by_role("textbox", name="text").fill('what an "ugly" day\n<b>')
    expect(page.locator("#verdict")).to_have_text("not")
    curl = page.locator("#curl").inner_text()
    said = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, check=True, timeout=30)
    assert json.loads(said.stdout) == {"predictions": ["not"]}
    choose_file(page, 'text,n\n"good,\nfine",1\n')
    expect(page.locator("#distribution")).to_contain_text("nice")


@in_chromium
def test_a_model_of_mappings_takes_json(visit: Visit, serve_file: Callable[..., Server]) -> None:
    estimator = make_pipeline(DictVectorizer(), LinearRegression())
    server = serve_file(estimator.fit([{"a": 1}, {"a": 2}, {"b": 1}], [1, 2, 5]))
    page = visit(server, REFUSED)
    field = page.get_by_role("textbox", name="An object, as JSON")
    field.fill('{"b": 1}')
    expect(page.locator("#verdict")).to_have_text("5")
    field.fill('{"b": [1]}')
    expect(page.locator("#field-0-fault")).to_contain_text("b: expected a number, a string")
    field.fill('{"b": ')
    expect(page.locator("#field-0-fault")).to_contain_text("This is not JSON")
    choose_file(page, "a,b\n,1\n2,\n")
    expect(page.locator("#progress-text")).to_have_text("All 2 rows read: 2 predicted, 0 failed.")


@in_chromium
def test_a_model_of_labels_has_a_list(visit: Visit, serve_file: Callable[..., Server]) -> None:
    page = visit(serve_file(LabelEncoder().fit(["a", "b", "c"])))
    page.get_by_label("label", exact=True).select_option("c")
    expect(page.locator("#verdict")).to_have_text("2")


@in_chromium
def test_scores_stand_in_for_probabilities(visit: Visit, serve_file: Callable[..., Server]) -> None:
    X = np.array([[0.0, 0.0], [0.0, 3.0], [3.0, 0.0]] * 3)
    page = visit(serve_file(LinearSVC().fit(X, ["a", "b", "c"] * 3)))
    page.get_by_label("x1").fill("3")
    expect(page.locator("#verdict")).to_have_text("b")
    assert list(chances(page)) == ["a", "b", "c"]


@in_chromium
def test_several_outputs_are_all_shown(visit: Visit, serve_file: Callable[..., Server]) -> None:
    X = np.arange(20.0).reshape(10, 2)
    labels = np.array([["a", "x"], ["b", "y"]] * 5)
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(X, labels)
    page = visit(serve_file(forest))
    expect(page.locator("#verdict")).to_have_text('["a","x"]')
    assert list(chances(page)) == ["1: a", "1: b", "2: x", "2: y"]
    choose_file(page, "x0,x1\n1,2\n")
    expect(page.locator("#distribution")).to_contain_text("a")


@in_chromium
def test_of_many_features_some_are_shown_first(
    visit: Visit, serve_file: Callable[..., Server]
) -> None:
    X = np.random.default_rng(0).normal(size=(30, 64))
    rows = pd.DataFrame(X, columns=[f"x{i}" for i in range(64)])
    page = visit(serve_file(LogisticRegression().fit(X, np.arange(30) % 15), rows=rows))
    expect(page.locator("#form .field")).to_have_count(40)
    expect(page.locator(".chance")).to_have_count(15)
    page.get_by_role("button", name="Show all 64 features").click()
    expect(page.locator("#form .field")).to_have_count(64)
    expect(page.locator("#field-40")).to_be_focused()
    expect(page.locator("#form svg")).to_have_count(64)


# For everyone.


def axe() -> str:
    """The source of axe-core, fetched by npm at the first use."""
    place = CLIENTS / AXE
    if not place.exists():
        CLIENTS.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="axe-", dir=CLIENTS))
        try:
            subprocess.run(
                ["npm", "install", "--silent", "--ignore-scripts", "--prefix", made, AXE],
                check=True,
                timeout=300,
            )
            with contextlib.suppress(OSError):
                made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return (place / "node_modules" / "axe-core" / "axe.min.js").read_text()


@in_chromium
@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)],
    ids=["light", "dark", "phone", "dark phone"],
)
def test_nothing_keeps_anyone_out(
    visit: Visit, server: Server, scheme: str, viewport: dict[str, int]
) -> None:
    page = visit(server, REFUSED, color_scheme=scheme, viewport=viewport)
    expect(page.locator("#verdict")).to_have_text("Adelie")
    page.get_by_label("flipper_length_mm", exact=True).fill("400")
    page.get_by_label("missing body_mass_g").check()
    choose_file(page, BROKEN)
    expect(page.locator("#outcome")).to_be_visible()
    source = axe()
    for value in ("44", "wrong"):
        page.get_by_label("bill_length_mm", exact=True).fill(value)
        page.wait_for_timeout(600)
        page.evaluate(source)
        found = page.evaluate(
            "axe.run({ rules: { 'color-contrast-enhanced': { enabled: false } } })"
        )
        broken = [
            (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]
        ]
        assert broken == []


@in_chromium
def test_it_fits_a_phone(visit: Visit, server: Server) -> None:
    page = visit(server, REFUSED, viewport=PHONE)
    expect(page.locator("#verdict")).to_have_text("Adelie")
    choose_file(page, BROKEN)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    expect(page.locator("#echo")).to_have_text("Adelie  99.7 %")
    page.locator("#verdict").scroll_into_view_if_needed()
    expect(page.locator("#echo")).to_be_hidden()


@in_chromium
def test_everything_can_be_reached_by_the_keyboard(page: Page) -> None:
    reached = set()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the form")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert {*(f"field-{i}" for i in range(6)), "file", "template", "method", "reset"} <= reached
