"""Two models are compared on the same rows, and a sentence says whether B is better."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, wilcoxon
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import models
from models import releases
from models.baking import bake
from models.card import write_card
from models.errors import ModelError
from models.evaluation import compare as compare_module
from models.evaluation import compare_text, intervals, paired, speed
from models.evaluation.bootstrap import Difference, differences
from models.evaluation.compare import compare, main
from models.evaluation.comparison import Comparison, Example, Side
from models.evaluation.facts import Unmeasurable
from models.training_rows import DataError
from tests.checkout import ROOT
from tests.evaluation.test_metrics import answers_of
from tests.evaluation.test_page_of_docs import similar

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(RNG.normal(size=(200, 3)), columns=["a", "b", "c"])
ROWS["kind"] = np.where(ROWS["a"] + RNG.normal(scale=0.3, size=200) > 0, "yes", "no")
ROWS["price"] = 100 + 5 * ROWS["a"] + RNG.normal(size=200)
FEATURES = ["a", "b", "c"]


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Any:
    patch = pytest.MonkeyPatch()
    patch.setattr(compare_module, "measured", lambda path, rows: None)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of the rows, good and poor, with their cards and the rows held out."""
    folder = tmp_path_factory.mktemp("models")
    x = ROWS[FEATURES]
    poor = np.where(ROWS["b"] > 0, "yes", "no")
    made: dict[str, tuple[Any, str]] = {
        "model-1.0.0": (LogisticRegression().fit(x[:120], poor[:120]), "kind"),
        "model-1.1.0": (LogisticRegression().fit(x[:120], ROWS["kind"][:120]), "kind"),
        "price-1.0.0": (LinearRegression().fit(x[:120], ROWS["price"][:120]), "price"),
        "price-1.0.1": (LinearRegression().fit(x[:120] * [0, 1, 1], ROWS["price"][:120]), "price"),
        "groups": (KMeans(2, random_state=0).fit(x), ""),
        "pairs": (make_pipeline(StandardScaler(), KMeans(3, random_state=0)).fit(x), ""),
    }
    for name, (estimator, target) in made.items():
        path = folder / f"{name}.joblib"
        joblib.dump(estimator, path)
        parts = name.rpartition("-")
        more = {"name": parts[0], "release": parts[2]} if target else {}
        write_card(path, estimator, x, target=target, metrics={}, more=more)
    ROWS[120:].drop(columns="price").to_csv(folder / "model-1.1.0.held-out.csv", index=False)
    ROWS[110:].drop(columns="kind").to_csv(folder / "price-1.0.0.held-out.csv", index=False)
    ROWS[100:].to_csv(folder / "rows.csv", index=False)
    return folder


def test_the_better_classifier_is_told_on_the_rows_held_out_from_it(folder: Path) -> None:
    found = compare(folder / "model-1.0.0.joblib", folder / "model-1.1.0.joblib")
    assert found.data.endswith("model-1.1.0.held-out.csv")
    assert (found.rows, found.left_out, found.target, found.outcome) == (80, 0, "kind", "better")
    assert found.verdict.startswith("B is better than A: its accuracy is ")
    held = ROWS[120:]
    a, b = (
        models.load(folder / f"model-{v}.joblib").predict(held[FEATURES])
        for v in ("1.0.0", "1.1.0")
    )
    truth = held["kind"].to_numpy()
    only_a, only_b = ((a == truth) & (b != truth)).sum(), ((b == truth) & (a != truth)).sum()
    assert found.test == paired.PairedTest(
        name="McNemar's exact test",
        p_value=binomtest(int(only_a), int(only_a + only_b)).pvalue,
        only_a=only_a,
        only_b=only_b,
    )
    assert found.different == (a != b).sum()
    assert len(found.examples) == 10
    first = int(np.flatnonzero(a != b)[0])
    assert found.examples[0].row == first + 1
    assert (found.examples[0].a, found.examples[0].b) == (a[first], b[first])
    assert found.examples[0].features == held[FEATURES].iloc[first].to_dict()
    text = str(found)
    assert repr(found) == text
    assert "A: model 1.0.0, LogisticRegression" in text
    assert f"The models answer {found.different} rows of 80 differently\nThe first 10:" in text
    assert f"Only A is right on {only_a} row" in text
    assert "not measured" in text
    assert text.replace("\n", " ").endswith(f"{found.verdict}.")


def test_the_better_regressor_is_told(folder: Path) -> None:
    # B has no rows held out, so those of A are taken.
    found = compare(folder / "price-1.0.0.joblib", folder / "price-1.0.1.joblib")
    assert found.data.endswith("price-1.0.0.held-out.csv")
    assert (found.rows, found.target, found.outcome) == (90, "price", "worse")
    assert found.verdict.startswith("B is worse than A: its r2 is ")
    assert "Of the other metrics, B is worse by mean_absolute_error" in found.verdict
    held = ROWS[110:]
    a, b = (
        models.load(folder / f"price-{v}.joblib").predict(held[FEATURES])
        for v in ("1.0.0", "1.0.1")
    )
    far = np.abs(a - held["price"]), np.abs(b - held["price"])
    assert found.test is not None
    assert found.test.p_value == pytest.approx(wilcoxon(*far, method="approx").pvalue, rel=1e-6)
    assert found.examples[0].row == np.argmax(np.abs(a - b)) + 1
    assert "The 10 farthest apart:" in str(found)
    assert "Only A is closer on" in str(found)


def test_a_model_is_no_better_than_itself(folder: Path) -> None:
    path = folder / "model-1.1.0.joblib"
    found = compare(path, models.load(path), ROWS[100:])
    assert (found.different, found.outcome, found.data) == (0, "", "a DataFrame")
    assert found.test is not None
    assert found.test.p_value == 1
    assert found.verdict == (
        "It cannot be told whether B is better than A: accuracy is equal on 100 rows"
    )
    assert "The models answer 0 rows of 100 differently" in str(found)


def test_clusterers_are_compared_without_a_truth(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals, "RESAMPLED", 20)
    found = compare(folder / "groups.joblib", folder / "pairs.joblib", folder / "rows.csv")
    assert found.differences.keys() == {"silhouette", "calinski_harabasz", "davies_bouldin"}
    assert (found.test, found.different, found.target) == (None, 0, "")
    assert "differently" not in str(found)
    assert "A: groups.joblib, KMeans" in str(found)


def test_a_few_rows_tell_nothing(folder: Path) -> None:
    found = compare(folder / "model-1.0.0.joblib", folder / "model-1.1.0.joblib", ROWS[100:109])
    assert found.outcome == ""
    assert found.verdict.endswith("on 9 rows; it takes 10 rows or more to tell anything")


def test_a_metric_that_is_not_to_be_had_says_why(folder: Path) -> None:
    rows = ROWS.assign(kind=np.where(ROWS.index % 9, ROWS["kind"], "perhaps"))
    found = compare(folder / "model-1.0.0.joblib", folder / "model-1.1.0.joblib", rows)
    assert found.unmeasured.keys() == {"log_loss", "roc_auc", "brier"}
    assert "no log_loss: 23 rows have labels outside the model's classes, perhaps" in str(found)


def test_rows_that_a_model_refuses_are_counted(folder: Path) -> None:
    rows = ROWS[100:].reset_index(drop=True)
    rows.loc[4, "a"] = np.nan
    found = compare(folder / "model-1.0.0.joblib", folder / "model-1.1.0.joblib", rows)
    assert (found.rows, found.left_out) == (99, 1)
    said = "1 row left out: the target is missing, or a model refuses them"
    assert said in str(found)


def test_rows_that_a_model_was_fitted_on_are_told(folder: Path, tmp_path: Path) -> None:
    data = folder / "rows.csv"
    sha256 = hashlib.sha256(data.read_bytes()).hexdigest()
    a, b = (models.load(folder / f"model-{v}.joblib") for v in ("1.0.0", "1.1.0"))
    one = {"sha256": sha256, "seed": 1, "held_out": 0.2}
    a = msgspec.structs.replace(a, card=a.card | {"training": one})
    b = msgspec.structs.replace(b, card=b.card | {"training": one | {"seed": 2}})
    notes = compare(a, b, data).notes
    assert [note[:35] for note in notes] == [
        "A was fitted on rows of " + str(data)[:11],
        "B was fitted on rows of " + str(data)[:11],
        "A and B were trained on two splits ",
    ]
    c = msgspec.structs.replace(b, card=b.card | {"training": {"sha256": "0"}})
    assert compare(c, c, data).notes == []
    assert "Note: A was fitted on" in str(compare(a, b, data))


def test_a_release_version_names_a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr("models.releases.FOLDER", folder)
    monkeypatch.setattr("models.releases.path_of.__defaults__", (folder,))
    found = compare("1.0.0", "1.1.0")
    assert (found.a.title, found.b.title) == ("model 1.0.0", "model 1.1.0")
    assert compare("1.0.0", "1.0.1", name="price").target == "price"
    with pytest.raises(ModelError, match="has the release versions 1.0.0, 1.1.0 of model"):
        compare("1.0.0", "2.0.0")


def wrong(folder: Path) -> list[tuple[tuple[Any, ...], type[Exception], str]]:
    good, price = folder / "model-1.1.0.joblib", folder / "price-1.0.0.joblib"
    scaler = folder / "scaler.joblib"
    joblib.dump(StandardScaler().fit(ROWS[FEATURES]), scaler)
    return [
        ((good, folder / "no.joblib"), ModelError, "there is no model .*no.joblib"),
        ((good, good, folder / "no.csv"), DataError, "there is no file .*no.csv"),
        ((good, good, folder / "rows.csv", "colour"), DataError, "has no column colour"),
        ((price, good, ROWS, "price"), Unmeasurable, "no known answer is a class of the model"),
        ((price, price, ROWS[:0]), DataError, "has no rows"),
        ((price, good, ROWS[["b", "c"]]), DataError, "a DataFrame lacks a, of B's columns"),
        ((price, price, ROWS.assign(price=1.0)), DataError, "nothing can be told from one value"),
        ((scaler, scaler, ROWS), ModelError, "a StandardScaler has no predict, so"),
    ]


@pytest.mark.parametrize("case", range(8))
def test_what_cannot_be_compared_is_told(folder: Path, case: int) -> None:
    given, kind, sentence = wrong(folder)[case]
    with pytest.raises(kind, match=sentence):
        compare(*given)


def test_models_of_other_classes_are_not_compared(folder: Path, tmp_path: Path) -> None:
    codes = LogisticRegression().fit(ROWS[FEATURES], ROWS["kind"] == "yes")
    joblib.dump(codes, tmp_path / "codes.joblib")
    sentence = r"A has the classes False, True, and B no, yes: models of other classes cannot be"
    with pytest.raises(Unmeasurable, match=sentence):
        compare(tmp_path / "codes.joblib", folder / "model-1.1.0.joblib")


def test_models_of_two_kinds_are_not_compared(folder: Path) -> None:
    rows = ROWS.assign(number=(ROWS["kind"] == "yes").astype(int))[[*FEATURES, "number"]]
    path = folder / "number.joblib"
    joblib.dump(LogisticRegression().fit(rows[FEATURES], rows["number"]), path)
    expected = "A is a classifier and B a regressor: compare models of one kind"
    with pytest.raises(Unmeasurable, match=expected):
        compare(path, folder / "price-1.0.0.joblib", rows, "number")


def difference(
    value: float, low: float | None, high: float | None, verdict: Any = ""
) -> Difference:
    return Difference(a=0.5, b=0.5 + value, difference=value, low=low, high=high, verdict=verdict)


# The differences by metric, the outcome, and the sentence.
BETTER = "B is better than A: its accuracy is 0.1000 higher (0.0500 to 0.1500) on 100 rows"
LOWER = "its accuracy is 0.0200 lower (-0.0600 to 0.0200) on 100 rows"
TINY = "its accuracy is 1e-09 higher (-0.0200 to 0.0200) on 100 rows"
START = "It cannot be told whether B is better than A"
VERDICTS: list[tuple[dict[str, Difference], str, str]] = [
    (
        {"accuracy": difference(0.1, 0.05, 0.15, "better"), "brier": difference(1, 1, 1, "worse")},
        "better",
        f"{BETTER}. Of the other metrics, B is worse by brier",
    ),
    (
        {"accuracy": difference(-0.02, -0.06, 0.02)},
        "",
        f"{START}: {LOWER}; if the true difference is as large, about 820 rows will probably tell it",
    ),
    (
        {"accuracy": difference(1e-9, -0.02, 0.02)},
        "",
        f"{START}: {TINY}; no number of rows at hand would tell so small a difference",
    ),
    (
        {"accuracy": difference(0.1, None, None)},
        "",
        f"{START}: its accuracy is 0.1000 higher (no interval) on 100 rows",
    ),
    (
        {"f1_macro": difference(0.0, -0.1, 0.1), "brier": difference(-1, -1, -1, "better")},
        "",
        f"{START}: f1_macro is equal on 100 rows. Of the other metrics, B is better by brier",
    ),
    ({}, "", "It cannot be told whether B is better: these rows have no metric of both models"),
]


@pytest.mark.parametrize(("found", "outcome", "sentence"), VERDICTS, ids=[v[2] for v in VERDICTS])
def test_the_verdict_is_a_sentence(
    found: dict[str, Difference], outcome: str, sentence: str
) -> None:
    assert paired.verdict("classifier", found, 100) == (outcome, sentence)


def test_as_many_rows_as_the_verdict_advises_tell_the_difference() -> None:
    rng = np.random.default_rng(0)

    def drawn(count: int) -> tuple[str, str]:
        truth = rng.integers(0, 2, count)
        both = [np.where(rng.random(count) < right, truth, 1 - truth) for right in (0.8, 0.84)]
        a, b = (answers_of("classifier", truth, found, classes=(0, 1)) for found in both)
        return paired.verdict("classifier", differences(a, b, ["accuracy"]), count)

    # The true difference, and its interval on 100 rows.
    reach = 1.96 * np.sqrt((0.8 * 0.16 + 0.2 * 0.84 - 0.04**2) / 100)
    known = {"accuracy": difference(0.04, 0.04 - reach, 0.04 + reach)}
    advised = re.findall(r"about ([\d,]+) rows", paired.verdict("classifier", known, 100)[1])[0]
    told = [drawn(int(advised.replace(",", "")))[0] == "better" for _ in range(100)]
    assert 0.7 < np.mean(told) < 0.9


def test_the_speed_is_measured_in_a_process_of_its_own(folder: Path) -> None:
    path = folder / "fast.joblib"
    joblib.dump(models.load(folder / "price-1.0.0.joblib").estimator, path)
    bake(path)
    found = speed.measured(str(path), [{"a": 1.0, "b": 2.0, "c": 3.0}])
    assert found is not None
    assert 1e-7 < found.one_row_seconds < 0.1
    assert found.rows_per_second > 1_000
    # With a plan, scikit-learn stays out of it.
    assert 5e6 < found.memory_bytes < 90e6
    shown = compare_text._sides(side_of(path, found))
    assert [line.split()[0] for line in shown] == [
        "A",
        "run",
        "file",
        "plan",
        "one",
        "rows",
        "memory",
    ]


def side_of(path: Path, found: speed.Speed) -> Any:
    made = compare(path, path, ROWS, "price")
    one, other = (
        msgspec.structs.replace(side, speed=found, bytes=n)
        for side, n in ((made.a, 5), (made.b, 5_000_000))
    )
    return msgspec.structs.replace(made, a=one, b=other)


def test_what_cannot_be_measured_has_no_speed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(folder / "price-1.0.0.joblib")
    assert speed.measured(path, []) is None
    monkeypatch.setattr(speed, "TIMEOUT_SECONDS", 0.01)
    assert speed.measured(path, [{}]) is None


def test_the_child_writes_its_speed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "argv", ["speed", str(folder / "price-1.0.0.joblib")])
    monkeypatch.setattr(speed, "MAX_SECONDS", 0.02)
    monkeypatch.setattr(Path, "read_text", missing)
    sent = folder / "sent.json"
    sent.write_bytes(json.dumps([{"a": 1, "b": 2, "c": 3}]).encode())
    with sent.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        speed.main()
    found = msgspec.json.decode(capsysbinary.readouterr().out, type=speed.Speed)
    assert found.memory_bytes > 0


def missing(*_: object) -> str:
    raise OSError


def test_texts_are_sent_as_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pd.DataFrame(
        {"text": ["good film", "bad film", "good", "bad"] * 5, "is_good": [1, 0, 1, 0] * 5}
    )
    path = tmp_path / "model.joblib"
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression())
    joblib.dump(estimator.fit(texts["text"], texts["is_good"]), path)
    sent = []
    monkeypatch.setattr(compare_module, "measured", lambda path, rows: sent.append(rows))
    found = compare(path, path, texts, "is_good")
    assert found.rows == 20
    assert sent[0][:2] == ["good film", "bad film"]


EMPTY = Comparison(
    a=cast("Side", None),
    b=cast("Side", None),
    kind="classifier",
    data="",
    sha256="",
    target="",
    rows=1,
    left_out=0,
    notes=[],
    differences={},
    unmeasured={},
    test=None,
    different=1,
    examples=[],
    outcome="",
    verdict="",
)


def test_a_row_with_many_features_is_cut() -> None:
    features = {"f0": "x" * 100} | {f"f{i}": float(i) for i in range(1, 12)}
    row = Example(row=1, features=features, a=1, b=2, truth=None)
    shown = " ".join(compare_text._examples(msgspec.structs.replace(EMPTY, examples=[row])))
    assert shown.endswith("f7=7, and 4 more")
    assert "x" * 61 not in shown
    assert "truth" not in shown


def test_models_without_a_metric_in_common_have_no_table() -> None:
    assert list(compare_text._metrics(EMPTY)) == []


def test_the_command_prints_and_writes_a_comparison(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(folder / f"model-{v}.joblib") for v in ("1.0.0", "1.1.0")]
    monkeypatch.setattr(sys, "argv", ["compare", *given])
    main()
    said = capsys.readouterr().out
    assert said.endswith("\n\nreports/model-1.0.0-model-1.1.0.json is written\n")
    assert "B is better than A: its accuracy" in said
    written = json.loads((tmp_path / "reports/model-1.0.0-model-1.1.0.json").read_bytes())
    assert written["outcome"] == "better"
    assert len(written["examples"]) == 10


def test_the_command_ends_with_a_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(folder / "model-1.1.0.joblib")
    monkeypatch.setattr(sys, "argv", ["compare", path, "no.joblib"])
    with pytest.raises(SystemExit, match=r"^error: there is no model no.joblib"):
        runpy.run_path(str(compare_module.__file__), run_name="__main__")
    (tmp_path / "reports").touch()
    monkeypatch.setattr(sys, "argv", ["compare", path, path])
    with pytest.raises(SystemExit, match=r"^error: reports cannot be written \(File exists\)"):
        main()


def test_the_docs_show_what_a_comparison_prints(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    model = folder / "model-1.2.0.joblib"
    for file, new in zip(releases.files_of(example), releases.files_of(model), strict=True):
        if file.exists():
            shutil.copy2(file, new)
    card = model.with_suffix(".json")
    card.write_text(card.read_text().replace('"release": "0.1.0"', '"release": "1.2.0"'))
    models.train(
        version="1.3.0",
        data=ROOT / "models" / "penguins.csv",
        target="species",
        drop=("bill_length_mm", "year"),
        folder=folder,
        bake=False,
    )
    monkeypatch.chdir(tmp_path)
    got = f"{compare('1.2.0', '1.3.0')}\n\nreports/model-1.2.0-model-1.3.0.json is written\n"
    document = ROOT / "docs" / "evaluation.md"
    start = "$ make compare A=1.2.0 B=1.3.0\n"
    before, _, rest = document.read_text().partition(start)
    output, _, after = rest.partition("```")
    # Sizes and speeds are those of one machine.
    (sides,) = (part for part in output.split("\n\n") if "run by" in part)
    got = "\n\n".join(sides if "run by" in part else part for part in got.split("\n\n"))
    if os.environ.get("UPDATE_DOCS"):
        document.write_text(f"{before}{start}{got}```{after}")
    else:
        assert similar(got, output), f"UPDATE_DOCS=1 writes it anew: {got}"
