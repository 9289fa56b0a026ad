"""What a person reads: lines in a terminal, and a page that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from models.evaluation import html, parts, report, slices, svg, text, words
from models.evaluation.facts import Answers
from models.evaluation.measure import Evaluation, evaluation_of
from models.evaluation.served import Served
from models.evaluation.style import STYLE
from tests.evaluation.samples import answers_of, numbers_of

EVIL = "</td><script>alert('&\"')</script>\n\x1b[31m\u202e" + "x" * 100


def evaluation(answers: Answers, **changes: Any) -> Evaluation:
    """An evaluation of these answers, without a model that gave them."""
    count = len(answers.places)
    frame = pd.DataFrame({"part": np.arange(count) % 3})
    known: dict[str, Any] = {
        "model": "models/m-1.2.0.joblib",
        "name": "m",
        "release": "1.2.0",
        "version": "0a" * 32,
        "estimator": "Pipeline",
        "data": "rows.csv",
        "sha256": "1b" * 32,
        "target": "y",
        "fitted": False,
        "left_out": {},
        "notes": [],
        "gates": [],
        "slices": slices.slices(answers, frame, ["part"]),
    }
    return evaluation_of(answers, **(known | changes))


RIGHT = answers_of(100, ("a", "b"))
RIGHT = msgspec.structs.replace(RIGHT, predictions=RIGHT.truth, probabilities=None)
THREE = evaluation(answers_of(200, ("a", "b", "c")))
NUMBERS = evaluation(numbers_of(200))
GROUPS = evaluation(
    msgspec.structs.replace(
        numbers_of(200), kind="clusterer", truth=None, predictions=np.arange(200) % 60
    )
)
OUTLIERS = evaluation(
    msgspec.structs.replace(
        numbers_of(200),
        kind="outliers",
        truth=None,
        predictions=np.where(np.arange(200) % 10, 1, -1),
        scores=np.arange(200.0),
    )
)
FULL = msgspec.structs.replace(
    THREE,
    notes=["Mind this."],
    left_out={"the target y is missing": 3},
    unmeasured={"brier": "they have no such thing"},
    gates=[
        parts.Gate(condition="accuracy>=0.5", missed=""),
        parts.Gate(condition="log_loss<=0.1", missed="log_loss is 1, and you ask for <= 0.1"),
    ],
    served=Served(
        url="http://127.0.0.1:8080",
        version="2c" * 32,
        is_same_version=False,
        rows=200,
        different=1,
        first=["row 7: the file answers a, and the service b"],
    ),
)
ALL = {"three": THREE, "numbers": NUMBERS, "groups": GROUPS, "outliers": OUTLIERS, "full": FULL}


@pytest.fixture(params=ALL)
def each(request: pytest.FixtureRequest) -> Evaluation:
    return ALL[request.param]


def test_no_line_is_wider_than_a_terminal(each: Evaluation) -> None:
    assert max(map(len, str(each).splitlines())) <= text.WIDTH


def test_the_text_has_all_parts() -> None:
    said = str(FULL)
    for words_of in (
        "m 1.2.0: Pipeline, models/m-1.2.0.joblib",
        "200 rows of rows.csv, target y",
        "3 rows left out: the target y is missing",
        "Note: Mind this.",
        "serves ANOTHER version, 2c2c2c2c2c2c; that of the file is 0a0a0a0a0a0a",
        "  row 7: the file answers a, and the service b",
        "accuracy",
        "no brier: they have no such thing",
        "true \\ predicted",
        "part  rows",
        "holds  accuracy>=0.5",
        "FAILS  log_loss is 1, and you ask for <= 0.1",
    ):
        assert words_of in said


def test_many_classes_are_listed_by_their_mistakes() -> None:
    many = evaluation(answers_of(400, tuple(f"label {i}" for i in range(25))))
    said = str(many)
    assert "The 20 of 25 classes with the lowest F1:" in said
    assert "The most frequent mistakes:" in said
    right = answers_of(400, tuple("abcdefghij"))
    right = msgspec.structs.replace(right, predictions=right.truth)
    assert "mistakes" not in str(evaluation(right))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "1.0000"),
        (0.99999, "0.9999"),
        (1 - 1e-12, "1.0000"),
        (0.5, "0.5000"),
        (12.345, "12.35"),
        (1234.5, "1,234"),
        (1e13, "1e+13"),
        (0.00012345, "0.000123"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_short_and_never_better_than_they_are(value: float, said: str) -> None:
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "100 %"),
        (0.9999, "over 99.9 %"),
        (0.0, "0 %"),
        (0.0001, "under 0.1 %"),
        (0.5, "50.0 %"),
    ],
)
def test_shares_are_all_or_none_only_where_they_are(value: float, said: str) -> None:
    assert words.percent(value) == said


def test_the_first_sentence_says_what_to_expect_unless_the_model_was_fitted_on_these_rows() -> None:
    assert re.search(
        r"^Of 200 rows, \d+ were right\. Of all rows like these, .* % are right",
        words.headline(THREE),
    )
    fitted = msgspec.structs.replace(THREE, fitted=True)
    assert re.search(r"^Of 200 rows, \d+ were right\.$", words.headline(fitted))
    assert words.headline(evaluation(RIGHT)).startswith("All 100 rows were right. Of all rows")
    assert words.headline(NUMBERS).startswith("Predictions of y are off by 2.")
    assert words.headline(GROUPS) == "The model puts 200 rows into 60 clusters."
    assert words.headline(OUTLIERS) == "Of 200 rows, the model says 20 are outliers."


def test_a_model_that_is_no_better_than_one_answer_is_said_to_be_so() -> None:
    labels = np.array(["no"] * 8 + ["yes"] * 2)
    known = msgspec.structs.replace(
        answers_of(10, ("no", "yes")), truth=labels, predictions=np.array(["no"] * 9 + ["yes"])
    )
    assert "is right on" not in words.headline(evaluation(known))
    poor = msgspec.structs.replace(known, predictions=np.array(["no"] * 10))
    said = "Of 10 rows, 8 were right. The answer no for each row is right on 8. Of all rows like"
    assert words.headline(evaluation(poor)).startswith(said)
    numbers = numbers_of(200)
    assert numbers.truth is not None
    mean = np.full(200, numbers.truth.mean())
    same = evaluation(msgspec.structs.replace(numbers, predictions=mean))
    assert "The mean of y for each row is no worse: R² is not above 0." in words.headline(same)
    worse = evaluation(msgspec.structs.replace(numbers, predictions=mean + 9))
    assert words.meaning(worse, "r2") == "The mean of y for each row has smaller squared errors."


def test_the_same_version_is_said_to_be_served() -> None:
    assert FULL.served
    changes: dict[str, Any] = {"version": "0a" * 32, "is_same_version": True, "different": 0}
    served = msgspec.structs.replace(FULL.served, **changes)
    said = words.served(served, FULL.version)
    assert "<li>row 7" not in html.page(
        msgspec.structs.replace(FULL, served=msgspec.structs.replace(served, first=[]))
    )
    assert said == (
        "http://127.0.0.1:8080 serves this model, version 0a0a0a0a0a0a. Its answers to all 200 rows "
        "are those of the file."
    )


def test_the_page_lets_nothing_in_and_runs_nothing(each: Evaluation) -> None:
    page = html.page(each)
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert page.count("<style>") == 1
    for forbidden in ("<script", " style=", " src=", "<link", "@import", "url(", "javascript:"):
        assert forbidden not in page
    assert "http" not in re.sub(r"http://127.0.0.1:8080|http-equiv", "", page)


def test_the_page_is_well_formed_and_every_plot_has_a_label(each: Evaluation) -> None:
    body = html.page(each).split("</head>")[1].removesuffix("</html>\n")
    tree = ET.fromstring(body)
    plots = [svg for svg in tree.iter("svg") if svg.get("role") == "img"]
    assert all(plot.get("aria-label") for plot in plots)
    assert all(svg.get("aria-hidden") or svg.get("role") for svg in tree.iter("svg"))
    for table in tree.iter("table"):
        widths = {len(list(row)) for row in table.iter("tr")}
        assert len(widths) == 1
        assert table.find("caption") is not None
    headings = [heading.tag for heading in tree.iter() if re.fullmatch("h[1-6]", heading.tag)]
    assert headings[0] == "h1"
    assert set(headings[1:]) <= {"h2", "h3"}


def test_all_texts_of_data_are_escaped() -> None:
    labels = (EVIL, "b", "c")
    answers = answers_of(60, labels)
    frame = pd.DataFrame({EVIL: [EVIL] * 30 + ["b"] * 30})
    found = evaluation(
        answers,
        slices=slices.slices(answers, frame, [EVIL]),
        **dict.fromkeys(("name", "release", "data", "target", "estimator", "model"), EVIL),
        notes=[EVIL],
        left_out={EVIL: 1},
        gates=[parts.Gate(condition=EVIL, missed=""), parts.Gate(condition="a", missed=EVIL)],
    )
    binary = evaluation(answers_of(60, ("b", EVIL)))
    numbers = evaluation(numbers_of(60), target=EVIL)
    for page in map(html.page, (found, binary, numbers)):
        assert "<script" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
        ET.fromstring(page.split("</head>")[1].removesuffix("</html>\n"))
    said = str(found)
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= text.WIDTH + len(EVIL)


def test_fifty_classes_and_twenty_slices_fit_into_200_kb() -> None:
    answers = answers_of(5_000, tuple(f"the class number {i}" for i in range(50)))
    frame = pd.DataFrame({"s": np.arange(5_000) % 20, "t": np.arange(5_000) // 250})
    names = [f"a column {i}" for i in range(20)]
    few = slices.slices(answers, frame.rename(columns={"s": names[0], "t": names[1]}), names[:2])
    page = html.page(evaluation(answers, slices=few * 10))
    assert len(page.encode()) < 200_000
    assert "Confusion matrix of 50 classes" in page


def test_the_rarest_shapes_are_said() -> None:
    many = evaluation(answers_of(700, tuple(f"label {i}" for i in range(70))))
    page = html.page(many)
    assert "These 60 of 70 classes have the lowest F1." in page
    assert "The 5 classes with the smallest areas are shown." in page
    assert "These are the largest of 60." in html.page(GROUPS)
    assert "No row was mistaken for another class." in html.page(evaluation(RIGHT))
    ranked = msgspec.structs.replace(RIGHT, scores=np.arange(100.0))
    assert "<h2>Ranking</h2>" in html.page(evaluation(ranked))
    uncurved = html.page(msgspec.structs.replace(many, curves=[]))
    assert "<h2>Probabilities</h2>" in uncurved
    assert "ROC curve:" not in uncurved
    missing = msgspec.structs.replace(many.slices[0], scores={}, value="none of them")
    assert ">none<" in html.page(msgspec.structs.replace(many, slices=[many.slices[1], missing]))
    assert "-" in str(msgspec.structs.replace(many, slices=[many.slices[1], missing]))
    empty = html.page(msgspec.structs.replace(many, slices=[missing]))
    assert "drawn" not in empty
    assert "<h2>Scores</h2>" not in html.page(
        msgspec.structs.replace(GROUPS, scores={}, unmeasured={})
    )


def test_the_kind_of_a_model_is_said() -> None:
    assert "A classifier of y: Pipeline, on 200 rows of rows.csv." in said_of(THREE)
    assert "An outlier detector of y: Pipeline" in said_of(OUTLIERS)


def said_of(each: Evaluation) -> str:
    """The texts of a page, without tags."""
    return re.sub(r"\n?<[^>]*>\n?|\n", "", html.page(each))


def test_a_report_is_two_files(tmp_path: Path) -> None:
    json_path, html_path = report.save(FULL, tmp_path / "reports")
    assert (json_path.name, html_path.name) == ("m-1.2.0.json", "m-1.2.0.html")
    found = json.loads(json_path.read_bytes())
    assert found["scores"]["accuracy"].keys() == {"value", "low", "high"}
    assert found["gates"][1]["missed"]
    assert html_path.read_text() == html.page(FULL)


def test_a_name_that_is_a_path_stays_in_the_folder(tmp_path: Path) -> None:
    odd = msgspec.structs.replace(THREE, name="../../a b\xe9", release="")
    for path in report.save(odd, tmp_path):
        assert path.parent == tmp_path
        assert re.fullmatch(r"[\w.-]+", path.name)


def test_a_notebook_shows_the_page_in_a_frame() -> None:
    shown = THREE._repr_html_()
    assert shown.startswith("<iframe sandbox srcdoc=")
    assert "<script" not in shown
    assert "<style" not in shown


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3, 7, [-2, 0, 2, 4, 6]),
        (0, 1e6, [0, 2e5, 4e5, 6e5, 8e5, 1e6]),
        (0.00031, 0.00032, [0.00031, 0.000312, 0.000314, 0.000316, 0.000318, 0.00032]),
    ],
)
def test_axes_have_round_numbers(low: float, high: float, said: list[float]) -> None:
    assert svg.ticks(low, high) == pytest.approx(said)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (1e-15, "0"), (250000, "250k"), (2.5e6, "2.5M"), (3e9, "3G"), (1e15, "1e+15")],
)
def test_numbers_of_axes_are_short(value: float, said: str) -> None:
    assert svg.short(value) == said


def test_a_plot_of_one_number_has_a_range() -> None:
    plot = str(svg.Plot("label", (5, 5), (0, 0), ("x", "y")))
    assert ">5<" in plot
    assert "nan" not in plot
    assert "nan" not in svg.mark(1, 1, 1, (1, 1))


def test_a_binary_model_is_calibrated_in_words() -> None:
    two = evaluation(answers_of(200, ("no", "yes")))
    said = words.calibration(two)
    assert re.match(
        r"Of the \d+ rows to which the model gave a probability of \d+ to \d+ % for yes, .* were yes\.",
        said,
    )
    assert "predicted probability for yes" in html.page(two)
