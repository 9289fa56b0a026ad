"""A training gives the same file each time, a card that tells how, and sentences for bad data."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from models import ModelError, load, pipeline, releases
from models.training import data as training_data
from models.training import function, learn, options, search, split, table, texts, train
from models.training.data import take
from models.training.facts import Unusable
from models.training.recipe import TABLE, Recipe, read_grid
from tests.checkout import ROOT
from tests.conftest import Serve
from tests.test_model import FITTED

RNG = np.random.default_rng(1)
N = 120
HOUSES = pd.DataFrame(
    {
        "id": np.arange(N) + 1000,
        "area": RNG.integers(40, 240, N),
        "town": RNG.choice(["Ayr", "Bath", "Cork"], N),
        "garden": RNG.random(N) < 0.5,
        "built": np.where(np.arange(N) % 17, RNG.integers(1900, 2024, N).astype(float), np.nan),
        "agent": [f"agent {i}" for i in range(N)],
        "sold_on": pd.date_range("2024-01-01", periods=N).astype(str),
    }
)
HOUSES["price"] = (HOUSES["area"] * 2500 + RNG.normal(0, 20000, N)).round()
HOUSES["kind"] = np.where(HOUSES["price"] > HOUSES["price"].median(), "dear", "cheap")
PRICE = Recipe(function=TABLE, target="price", drop=("id", "kind"), folds=0)

Train = Callable[..., train.Trained]


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    path = tmp_path / "houses.csv"
    HOUSES.to_csv(path, index=False)
    return path


@pytest.fixture
def trained(tmp_path: Path, houses: Path) -> Train:
    def call(*build: Any, **options: Any) -> train.Trained:
        given: dict[str, Any] = {
            "data": houses,
            "target": "price",
            "drop": ("id", "kind"),
            "folds": 0,
        }
        merged: Any = {"name": "houses", "folder": tmp_path, "bake": False} | given | options
        return train.train(*build, **merged)

    return call


def card_of(path: Path) -> Any:
    return json.loads(path.with_suffix(".json").read_text())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_data_and_seed_give_the_same_file_in_another_process(
    penguins_path: Path, tmp_path: Path
) -> None:
    again = tmp_path / "latest.joblib"
    command = [sys.executable, "-m", "models.training.train", "--to", str(again)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=100
    )
    assert digest(again) == digest(penguins_path)
    said = rf"{again}: accuracy 1 \(0\.9473 to 1\), f1 macro 1 \(.*, on 69 rows held out\n"
    assert re.fullmatch(said, done.stdout)


def forest(rows: Any, answers: Any) -> Any:
    return RandomForestClassifier(5)


def test_a_random_estimator_is_seeded(trained: Train) -> None:
    paths = [
        trained(
            forest, target="kind", drop=("town", "agent", "sold_on"), version=version, seed=seed
        ).path
        for version, seed in (("1.0.0", 1), ("1.0.1", 1), ("1.0.2", 2))
    ]
    first, same, other = map(digest, paths)
    assert first == same != other


def test_it_is_good_at_penguins_it_has_not_seen(penguins_path: Path) -> None:
    metrics = card_of(penguins_path)["metrics"]
    assert metrics["accuracy"] > 0.95
    assert metrics["rows_fitted"] + metrics["rows_held_out"] == len(pd.read_csv(pipeline.DATA))


def test_the_card_holds_what_cannot_be_read_off_the_estimator(penguins_path: Path) -> None:
    facts = card_of(penguins_path)
    assert facts["target"] == "species"
    assert facts["classes"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert set(facts["example"]) == set(facts["features"]) == set(pipeline.FEATURES)
    assert facts["features"]["island"]["counts"].keys() == {"Biscoe", "Dream", "Torgersen"}
    assert facts["features"]["sex"]["missing"] > 0
    mass = facts["features"]["body_mass_g"]
    assert mass["min"] < mass["quartile_1"] < mass["median"] < mass["quartile_3"] < mass["max"]
    assert set(facts["versions"]) == {"python", "scikit-learn", "numpy"}


def test_the_card_says_how_the_model_was_trained(penguins_path: Path) -> None:
    facts = card_of(penguins_path)
    assert (facts["name"], facts["release"]) == ("model", "0.1.0")
    training = facts["training"]
    assert training["function"] == "models.pipeline:build"
    assert training["data"] == "penguins.csv"
    assert training["sha256"] == digest(pipeline.DATA)
    assert (training["rows"], training["held_out"], training["seed"]) == (344, 0.2, 42)
    assert training["parameters"]["classify__max_iter"] == 1000
    assert training["parameters"]["columns__numbers__impute__strategy"] == "median"
    assert training["libraries"]["pandas"] == pd.__version__
    assert re.fullmatch(r"([0-9a-f]{40}\+?)?", training["revision"])
    scores = training["cross_validation"]["scores"]
    assert len(scores) == 5
    assert training["cross_validation"]["mean"] == pytest.approx(np.mean(scores))


def test_a_training_writes_the_rows_that_were_held_out(trained: Train) -> None:
    done = trained(version="1.2.0")
    held = pd.read_csv(releases.held_out_path(done.path))
    assert len(held) == done.metrics["rows_held_out"] == 24
    assert list(held)[:5] == ["area", "town", "garden", "built", "price"]
    # Those that the model does not get, for slices.
    assert list(held)[5:] == ["id", "kind", "agent", "sold_on"]
    # The model was fitted on none of them.
    assert done.metrics["rows_fitted"] == N - 24
    assert load(done.path).predict(held.iloc[:, :4]).shape == (24,)


def test_a_plan_is_made_beside_the_model(trained: Train) -> None:
    done = trained(bake=True)
    assert [path.exists() for path in releases.files_of(done.path)] == [True] * 4
    assert load(done.path, engine="plan").card["release"] == "0.1.0"


def test_a_release_takes_the_next_patch(trained: Train, tmp_path: Path) -> None:
    assert [trained().path.name for _ in range(2)] == ["houses-0.1.0.joblib", "houses-0.1.1.joblib"]
    trained(version="v0.3.0")
    assert releases.next_release("houses", tmp_path) == "0.3.1"
    assert releases.releases("houses", tmp_path) == ["0.1.0", "0.1.1", "0.3.0"]


@pytest.mark.parametrize(
    ("card", "expected"),
    [({"release": "1.9.9"}, "1.9.10"), ({"release": "2"}, "0.1.0"), ({}, "0.1.0")],
)
def test_the_next_release_follows_the_model_in_use(
    tmp_path: Path, card: dict[str, str], expected: str
) -> None:
    latest = tmp_path / "latest.joblib"
    latest.write_bytes(b"a model")
    latest.with_suffix(".json").write_text(json.dumps(card))
    assert releases.next_release("houses", tmp_path) == expected


def test_another_name_begins_with_its_own_versions(tmp_path: Path) -> None:
    latest = tmp_path / "latest.joblib"
    latest.write_bytes(b"a model")
    latest.with_suffix(".json").write_text('{"name": "boats", "release": "1.9.9"}')
    assert releases.next_release("houses", tmp_path) == "0.1.0"
    assert releases.next_release("boats", tmp_path) == "1.9.10"


def test_a_release_is_named_by_its_version_or_its_path(trained: Train, tmp_path: Path) -> None:
    path = trained(version="1.2.0").path
    assert releases.path_of("1.2.0", "houses", tmp_path) == path
    assert releases.path_of("v1.2.0", "houses", tmp_path) == path
    assert releases.path_of(str(path), "houses", tmp_path) == path


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ("1.3.0", "houses", "there is no {}/houses-1.3.0.joblib: {} has the release versions 1.2.0 of houses"),
        ("a.joblib", "houses", "there is no model a.joblib: {} has the release versions 1.2.0 of houses, or"),
        ("1.3.0", "boats", "{} has no release version of boats yet, and make train makes one"),
        ("1.3.0", "../x", "NAME=../x: expected letters and digits"),
    ],
)  # fmt: skip
def test_a_release_that_is_not_there_is_one_sentence(
    tmp_path: Path, given: str, name: str, words: str
) -> None:
    (tmp_path / "houses-1.2.0.joblib").touch()
    with pytest.raises(ModelError, match=re.escape(words.replace("{}", str(tmp_path)))):
        releases.path_of(given, name, tmp_path)


def test_a_release_that_is_used_is_the_latest_model_with_all_its_files(
    trained: Train, tmp_path: Path
) -> None:
    first, second = trained(bake=True).path, trained(seed=7).path
    latest = releases.use(first, tmp_path)
    for ours, other in zip(releases.files_of(latest), releases.files_of(first), strict=True):
        assert ours.read_bytes() == other.read_bytes()
    assert load(latest, engine="plan").version == digest(first)
    assert releases.active_release("houses", tmp_path) == "0.1.0"
    releases.use(second, tmp_path)
    # The plan of the model before does not stay.
    assert [path.exists() for path in releases.files_of(latest)] == [True, True, False, True]
    with pytest.raises(ModelError, match="cannot be copied"):
        releases.use(first, first)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.0.0", "models/latest.joblib is models/houses-1.0.0.joblib from now on\n"),
        ("1.0.1", "error: there is no models/houses-1.0.1.joblib: models has the release versions"),
        ("", "error: VERSION is not set: models has the release versions 1.0.0 of houses"),
    ],
)
def test_the_command_uses_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    version: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("models/houses-1.0.0.joblib").write_bytes(b"a model")
    monkeypatch.setattr(sys, "argv", ["releases", version, "--name", "houses"])
    if words.startswith("error"):
        with pytest.raises(SystemExit, match=words):
            runpy.run_path(releases.__file__, run_name="__main__")
    else:
        releases.main()
        assert capsys.readouterr().out == words


def test_the_name_of_a_model_is_given_or_that_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert releases.name_of() == "model"
    monkeypatch.setenv("MODEL_NAME", "boats")
    assert [releases.name_of(given) for given in ("", "houses")] == ["boats", "houses"]


def constant(rows: Any, answers: Any) -> Any:
    return 5


def boom(rows: Any, answers: Any) -> Any:
    return rows["nothing"]


def one(rows: Any) -> Any:
    return LinearRegression()


def own(start: int = 0) -> Any:
    return LinearRegression().fit([[start], [1]], [0, 1])


def unfit(rows: Any, answers: Any) -> Any:
    return LinearRegression()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a version of two numbers": ({"version": "1.2"}, "VERSION=1.2: expected three whole numbers, as in"),
    "a name that is none": ({"name": "a b"}, "NAME=a b: expected letters and digits"),
    "no target": ({"target": ""}, "TARGET is not set: name the column of the known answers"),
    "a target in other letters": ({"target": "Price"}, "has no column Price: it has id, area, town"),
    "an unknown group": ({"group": "city"}, "GROUP: "),
    "two ways to split": ({"group": "town", "time": "sold_on"}, "GROUP and TIME split the rows in two"),
    "a seed below 0": ({"seed": -1}, "SEED=-1: expected a whole number of 0 to 4294967295"),
    "an empty search": ({"search": {}}, "SEARCH has no parameter: expected an object with a list"),
    "a target that is dropped": ({"drop": "price"}, "DROP has price, which is the TARGET"),
    "two targets": ({"target": "price,area"}, "TARGET is one column; a function that takes nothing"),
    "an option that there is not": (
        {"grid": {}}, "train has no option grid; it has features, drop, held_out, seed, group, time"),
    "a share of three": ({"held_out": 3.0}, "HELD_OUT=3: expected a share of the rows above 0 and below 1"),
    "a tiny share": ({"held_out": 0.001}, "HELD_OUT=0.001 of 120 rows leaves none"),
    "one fold": ({"folds": 1}, "FOLDS=1: expected 2 or more, or 0 for no cross-validation"),
    "a search without folds": ({"search": {"regress__alpha": [1]}}, "SEARCH chooses by cross-validation"),
    "no parameter": (
        {"search": {"alpha": [1]}, "folds": 2},
        "SEARCH names alpha: expected parameters as regress__alpha, regress__copy_X",
    ),
    "no value": ({"search": {"regress__alpha": []}, "folds": 2}, "SEARCH has no value for regress__alpha"),
    "a value that does not fit": (
        {"search": {"regress__alpha": ["x"]}, "folds": 2},
        "a fold of the cross-validation cannot be had (InvalidParameterError",
    ),
    "a parameter of nothing": (
        {"search": {"regress": [None], "regress__alpha": [1]}, "folds": 2}, "cannot be set (",
    ),
    "no file": ({"data": "nix.csv"}, "there is no file nix.csv"),
    "an address of no rows": ({"data": "wandb://a/b/c:d"}, "DATA has the scheme wandb://, which holds"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_training_that_cannot_be_had_is_one_sentence(
    trained: Train, tmp_path: Path, name: str
) -> None:
    options, words = REFUSED[name]
    with pytest.raises((Unusable, ModelError), match=re.escape(words)) as error:
        trained(**options)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["houses.csv"]


BUILDS: dict[Callable[..., Any], str] = {
    constant: "gave int: expected an estimator of scikit-learn that is not fitted",
    boom: "raised KeyError: 'nothing' (",
    one: "takes rows: expected a function of (rows, answers) that gives an estimator, or one that",
    own: "takes nothing, and reads its own rows: leave DATA and SEARCH out, or",
    unfit: "the model cannot be fitted: ValueError: could not convert string to float: ",
}


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_a_function_that_builds_no_model_is_one_sentence(
    trained: Train, build: Callable[..., Any]
) -> None:
    with pytest.raises(Unusable) as error:
        trained(build)
    assert str(error.value).startswith((f"TRAIN={__name__}:{build.__name__} ", "the model cannot"))
    assert BUILDS[build] in str(error.value)


def test_a_function_that_takes_nothing_reads_its_own_rows(trained: Train) -> None:
    done = trained(own, data="", target="")
    assert not releases.held_out_path(done.path).exists()
    assert str(done) == f"{done.path}: not measured"
    assert card_of(done.path)["training"].keys() == {"parameters", "libraries", "revision"}


def two(start: int = 0) -> Any:
    rows = HOUSES[["area"]]
    answers = HOUSES[["price", "area"]].to_numpy()
    facts = {"test_rows": rows, "test_answers": answers, "metrics": {"profit": 12_345.6}}
    return LinearRegression().fit(rows, answers), facts


def test_several_targets_have_no_file_of_held_out_rows(trained: Train) -> None:
    done = trained(two, data="", target="")
    assert not releases.held_out_path(done.path).exists()
    assert "profit 12,346" in str(done)


def held(start: int = 0) -> Any:
    rows, answers = HOUSES[["area"]], HOUSES["price"]
    return LinearRegression().fit(rows, answers), {"test_rows": rows, "test_answers": answers}


def test_the_held_out_rows_of_a_function_have_the_name_of_its_answers(trained: Train) -> None:
    done = trained(held, data="", target="")
    assert list(pd.read_csv(releases.held_out_path(done.path))) == ["area", "price"]


def test_a_model_whose_plan_cannot_be_tried_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="the model cannot be served, for the reason above"):
        train._bake(tmp_path / "nothing.joblib")


def test_features_that_are_given_count_before_those_of_the_module() -> None:
    recipe = Recipe(features=("area",), target="price")
    assert recipe.of_module(pipeline).features == ("area",)
    assert recipe.of_module(pipeline).target == "price"


def test_a_release_is_never_written_twice(trained: Train) -> None:
    before = digest(trained(version="1.0.0").path)
    with pytest.raises(
        ModelError, match=r"never changes: train the next one, VERSION=1\.0\.1, or"
    ) as e:
        trained(version="1.0.0", seed=7)
    path = Path(str(e.value).partition(" ")[0])
    assert digest(path) == before


def test_a_model_that_cannot_be_served_is_not_written(trained: Train, tmp_path: Path) -> None:
    def build(rows: Any, answers: Any) -> Any:
        return type("Local", (LinearRegression,), {})()

    with pytest.raises((Unusable, ModelError)):
        trained(build, drop=("id", "kind", "town", "agent", "sold_on", "built"))
    assert [path.name for path in tmp_path.iterdir()] == ["houses.csv"]


FAULTS: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "no answer at all": (
        HOUSES.assign(price=np.nan), {}, "the target price of t.csv has no value in any row"),
    "a target of several kinds": (
        HOUSES.assign(price=["a", True] * 60), {}, "the target price of t.csv has values of several"),
    "a quantity as text": (
        HOUSES.assign(price=HOUSES["price"].map("${:,.2f}".format)), {},
        "the target price of t.csv is text, as '$"),
    "a constant target": (
        HOUSES.assign(price=5), {}, "the target price is 5 in every row of t.csv: there is nothing to"),
    "an infinite target": (
        HOUSES.assign(price=HOUSES["price"].where(HOUSES.index != 3, np.inf)), {},
        "the target price is infinite in row 4 of t.csv"),
    "an empty column": (
        HOUSES.assign(a=np.nan), {}, "the column a has no value in any row: leave it out with DROP=a"),
    "an infinite value": (
        HOUSES.assign(a=HOUSES["built"].where(HOUSES.index != 4, -np.inf)), {},
        "the column a is infinite in row 5: replace it, or leave it out with DROP=a"),
    "a leak": (
        HOUSES.assign(a=HOUSES["price"]), {},
        "the column a is equal to the target price in every row, and no new row will have it: leave"),
    "a leak of texts": (
        HOUSES.assign(a=HOUSES["kind"]), {"target": "kind", "drop": ("price",)},
        "the column a is equal to the target kind"),
    "no column": (HOUSES[["id", "price"]], {"drop": ("id",)}, "t.csv has no column but the target price"),
    "a column twice": (
        HOUSES.set_axis([*HOUSES.columns[:-2], "area", "price"], axis=1), {"drop": ()},
        "t.csv has the column area twice"),
    "words in a target of numbers": (
        HOUSES.assign(price=HOUSES["price"].astype(str).where(HOUSES.index % 50 != 7, "?")), {},
        "the target price of t.csv has 3 values beside numbers, as '?' in row 8: leave such a cell empty"),
    "a word in a target of numbers": (
        HOUSES.assign(price=HOUSES["price"].astype(str).where(HOUSES.index != 7, "sold")), {},
        "the target price of t.csv has 1 value beside numbers, as 'sold' in row 8"),
    "a total": (
        pd.concat([HOUSES, HOUSES[["price"]].sum().to_frame().T]), {"features": ("area",)},
        "the price of the last row of t.csv is the sum of all others: remove this row, which is a total"),
    "a total of rounded numbers": (
        pd.concat([HOUSES, pd.DataFrame({"price": [round(HOUSES["price"].sum(), -3)]})]),
        {"features": ("area",)}, "the price of the last row of t.csv is the sum of all others"),
    "a target of texts": (
        HOUSES.assign(price=HOUSES["agent"]), {"drop": ("agent",)},
        "the target price of t.csv has 120 different values in 120 rows, as 'agent 0': expected numbers, or"),
    "a target of times": (
        HOUSES.assign(price=pd.to_datetime(HOUSES["sold_on"])), {},
        "the target price of t.csv has 120 different values in 120 rows, as '2024-01-01 00:00:00'"),
    "words in a target with decimal commas": (
        HOUSES.assign(price=[f"{i},5" for i in range(N - 1)] + ["n/v"]), {},
        "the target price of t.csv has 1 value beside numbers, as 'n/v' in row 120"),
    "an infinite answer behind a gap": (
        HOUSES.assign(price=HOUSES["price"].mask(HOUSES.index == 3, np.inf).mask(HOUSES.index == 1)), {},
        "the target price is infinite in row 4 of t.csv"),
    "a name with blanks around": (
        HOUSES.rename(columns={"price": " price"}), {},
        'TARGET: t.csv has no column price: it has id, area, town, garden, built, agent, sold_on, " price", kind'),
    "one group": (HOUSES.assign(town="Ayr"), {"group": "town"}, "GROUP=town: all rows have one value"),
    "no times": (
        HOUSES, {"time": "agent"},
        "TIME=agent: row 1 has 'agent 0': expected numbers, or times in ISO 8601, as 2026-11-29"),
    "a row without a time": (HOUSES, {"time": "built"}, "TIME=built: row 1 has none: each row must"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_table_that_spoils_a_model_is_refused(name: str) -> None:
    frame, options, words = FAULTS[name]
    fields = {each: getattr(PRICE, each) for each in PRICE.__struct_fields__} | options
    with pytest.raises(Unusable, match=re.escape(words)):
        take(Recipe(**fields), frame, "t.csv")


def test_words_that_pandas_reads_as_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "coded.csv"
    frame = HOUSES.assign(kind=["NA", "EU", "AS"] * 40).drop(columns=["id", "price"])
    frame.loc[[1, 4], "kind"] = ""
    frame.to_csv(path, index=False)
    done = train.train(data=path, target="kind", folder=tmp_path, bake=False, folds=0)
    said = "42 rows have no kind, and are left out: 'NA' in 40 is read as missing; if it is a class"
    assert said in str(done)
    frame[frame["kind"] != "AS"].to_csv(path, index=False)
    with pytest.raises(Unusable, match=r"is 'EU' in every row of .*'NA' in 40 is read as missing"):
        train.train(data=path, target="kind", folder=tmp_path, bake=False)


def test_truth_values_with_gaps_are_classes(trained: Train, houses: Path) -> None:
    frame = HOUSES.assign(garden=HOUSES["garden"].astype(object).where(HOUSES.index != 5))
    frame.to_csv(houses, index=False)
    done = trained(target="garden", drop=("id", "agent", "sold_on"), folds=2)
    assert card_of(done.path)["classes"] == [False, True]
    assert "note: 1 row has no garden, and is left out" in str(done)


def test_a_dataframe_is_trained_on(trained: Train) -> None:
    frame = HOUSES.rename(columns={"price": 7})
    done = trained(data=frame, target="7", drop="id")
    training = card_of(done.path)["training"]
    assert (training["data"], training["sha256"], training["rows"]) == ("a DataFrame", "", N)


def test_times_of_several_zones_are_in_order() -> None:
    times = [f"2024-01-0{1 + i % 9}T00:00+0{i % 3}:00" for i in range(N)]
    data = take(Recipe(target="price", time="sold_on"), HOUSES.assign(sold_on=times), "t.csv")
    assert data.order is not None
    assert data.order.notna().all()


ODD_NAMES = ("row number", "a, b", ' a "b"', "a,", "it's")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_advice_on_a_column_is_followed_to_the_letter(
    trained: Train, houses: Path, name: str
) -> None:
    HOUSES.assign(**{name: range(N)}).to_csv(houses, index=False)
    (said,) = [each for each in trained().said if "counts the rows" in each]
    advice = shlex.split(said.partition("leave it out with ")[2])
    assert len(advice) == 1
    drop = options.names(advice[0].removeprefix("DROP=") + ",id, kind ")
    assert drop == (name, "id", "kind")
    assert not [each for each in trained(drop=drop).said if "counts the rows" in each]


def test_a_name_with_a_dollar_is_left_out_without_make(trained: Train, houses: Path) -> None:
    HOUSES.assign(**{"$": range(N)}).to_csv(houses, index=False)
    assert "the column $ counts the rows: if it is an id, remove it from the rows" in str(trained())


def test_a_column_without_a_name_is_left_out_unless_it_is_asked_for(
    trained: Train, houses: Path
) -> None:
    # The index that pandas writes, and a comma at the end of each line.
    houses.write_text(re.sub("$", ",", HOUSES.to_csv(), flags=re.MULTILINE).removesuffix(","))
    done = trained()
    assert "note: the model does not get Unnamed: 0, Unnamed: 10, which has no name in" in str(done)
    assert "Unnamed: 0" not in card_of(done.path)["features"]
    frame = pd.read_csv(houses)
    recipe = Recipe(target="price", features=("area", "Unnamed: 0"))
    assert list(take(recipe, frame, "t.csv").rows) == ["area", "Unnamed: 0"]


def test_fewer_folds_than_asked_are_said(trained: Train) -> None:
    done = trained(target="kind", drop=("id", "price"), folds=100)
    assert "there are 48 folds of the 100 in FOLDS: a class, or the groups, have no" in str(done)


def test_rows_that_cannot_be_parted_into_folds_are_told() -> None:
    # No class has rows for five folds, and the groups keep them together.
    frame = HOUSES[:12].assign(kind=[f"k{i // 2}" for i in range(12)])
    recipe = Recipe(target="kind", group="agent")
    data = take(recipe, frame, "t.csv")
    with pytest.raises(Unusable, match="the rows cannot be cross-validated"):
        split.folds(data, np.arange(12), recipe, classes=True)


def test_a_quantity_that_is_text_is_said_of_a_feature(trained: Train, houses: Path) -> None:
    HOUSES.assign(area=[f"{1_412_345 + 1000 * i:,}".replace(",", ".") for i in range(N)]).to_csv(
        houses, index=False, sep=";"
    )
    said = "the column area is text, as '1.412.345': write plain numbers if it is a quantity"
    assert said in str(trained(drop=("id", "kind")))


SUSPICIONS: dict[str, tuple[pd.DataFrame, str]] = {
    "a multiple": (HOUSES.assign(a=HOUSES["price"] / 100), "the column a says the target price in other words"),
    "a counter": (HOUSES.assign(a=range(N)), "the column a counts the rows: if it is an id, leave it out with DROP=a"),
    "a word among numbers": (
        HOUSES.assign(area=HOUSES["area"].astype(str).where(HOUSES.index != 5, "Total")),
        "the column area is text, since it has 1 value beside numbers, as 'Total' in row 6: leave such a"),
    "two spellings": (
        HOUSES.assign(town=HOUSES["town"].mask(HOUSES.index == 5, "ayr ")),
        "some values of town differ only in blanks or capitals, and are told apart: 'Ayr', 'ayr '"),
    "no answer": (
        HOUSES.assign(price=HOUSES["price"].where(HOUSES.index > 1)), "2 rows have no price, and are left out"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUSPICIONS)
def test_what_looks_wrong_is_said(name: str) -> None:
    frame, words = SUSPICIONS[name]
    (said,) = take(PRICE, frame, "t.csv").said
    assert said.startswith(words)


TEXTS: dict[str, tuple[list[str], bool]] = {
    "dollars": (["$1,098", "$2,000.50", "-$3"], True),
    "euros": (["1.098,50 €", "2.000 €", "3 €"], True),
    "a currency's name": (["EUR 1098", "EUR 2 000", "EUR 3"], True),
    "percent": (["10 %", "20%", "3.5%"], True),
    "narrow spaces": (["1\u202f098,5", "2\u202f000", "3"], True),
    "lakh": (["1,00,000", "2,50,000", "3"], True),
    "decimal commas": (["1,5", "2,25", "3"], True),
    "codes": (["A10", "A20", "A3"], False),
    "codes with a dash": (["A-00010", "B-00020", "C-3"], False),
    "postcodes": (["01234", "12345", "99999"], False),
    "dates": (["01.02.2024", "11.02.2024", "21.03.2024"], False),
    "house numbers": (["10a", "11b", "12c", "13d"], False),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_quantity_is_told_from_a_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_CLASSES", 2)
    values, is_quantity = TEXTS[name]
    assert texts.quantity_as_text(pd.Series(values)) == (values[0] if is_quantity else "")


def test_a_word_that_is_read_as_missing_in_many_rows_is_said(trained: Train, houses: Path) -> None:
    HOUSES.assign(town=["None", "Ayr", "Cork"] * 40, garden=["NA"] * 5 + ["a"] * 115).to_csv(
        houses, index=False
    )
    said = [each for each in trained().said if "read as missing" in each]
    assert said == [
        "town: 'None' in 40 is read as missing; if it is a category, give it another name"
    ]


def test_points_that_may_separate_thousands_are_said(trained: Train, houses: Path) -> None:
    area = [f"{900 + 5 * i:,}".replace(",", ".") for i in range(N)]
    HOUSES.assign(area=area).to_csv(houses, sep=";", index=False)
    said = "note: area: 1.000 is read with a decimal point; if it separates thousands, write 1000"
    assert said in str(trained())
    assert "decimal point" not in str(trained(drop=("area", "id", "kind")))


def test_whole_numbers_beside_gaps_are_whole_classes(trained: Train, houses: Path) -> None:
    kinds = HOUSES["kind"].map({"dear": 1, "cheap": 0})
    HOUSES.assign(kind=kinds.where(HOUSES.index > 1)).to_csv(houses, index=False)
    classes = card_of(trained(target="kind", drop=("id", "price")).path)["classes"]
    assert json.dumps(classes) == "[0, 1]"


def test_numbers_beyond_those_that_floats_have_stay_floats() -> None:
    frame = pd.DataFrame({"a": range(4), "b": [1e19, 2e19, 3e19, np.nan]})
    assert take(Recipe(target="b"), frame, "t.csv").answers.tolist() == [1e19, 2e19, 3e19]


def test_a_quantity_with_a_value_of_one_row_has_its_own_advice(
    trained: Train, houses: Path
) -> None:
    HOUSES.assign(kind=[9, *([1, 2] * (N // 2))[1:]]).to_csv(houses, index=False)
    said = "has one row.*; if these are quantities, name a function in TRAIN that builds a regress"
    with pytest.raises(Unusable, match=said):
        trained(target="kind", drop=("id", "price"))


def test_a_model_that_is_no_better_than_one_answer_is_said_to_be_so(
    trained: Train, houses: Path
) -> None:
    chance = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"x": chance.normal(size=N), "k": chance.random(N) < 0.1, "y": np.arange(N)}
    )
    frame["t"] = frame["y"] / 2
    frame.to_csv(houses, index=False)
    said = "the answer False for each row held out is right on 22 of 24: the model is no better"
    assert said in trained(target="k", drop=("t", "y")).said
    said = (
        "the mean of y for each row held out has no larger squared errors: the model is no better"
    )
    assert said in trained(target="y", drop="k", time="t").said
    assert "no better" not in str(trained(data=HOUSES))


def test_rows_that_stand_twice_are_said(trained: Train, houses: Path) -> None:
    pd.concat([HOUSES, HOUSES]).to_csv(houses, index=False)
    done = trained()
    held = pd.read_csv(releases.held_out_path(done.path))["agent"]
    share = 1 - held.duplicated(keep=False).mean()
    said = (
        f"{100 * share:.1f} % of the rows held out are equal to rows that are fitted on: if rows "
        "stand twice in the data, the scores of new rows are lower"
    )
    assert said in done.said
    assert "are equal to rows" not in str(trained(data=HOUSES))


def test_rows_that_cannot_be_told_apart_are_not_compared() -> None:
    lists: Any = [[i] for i in range(N)]
    frame = HOUSES.assign(agent=lists)
    recipe = Recipe(function="a:b", target="price", drop=("id", "kind"), folds=0)
    result = learn.learn(table.build, take(recipe, frame, "t.csv"), recipe, str)
    assert not [each for each in result.facts["said"] if "are equal to rows" in each]


def test_whole_numbers_that_are_taken_as_classes_are_said(trained: Train, houses: Path) -> None:
    HOUSES.assign(kind=HOUSES.index % 3).to_csv(houses, index=False)
    said = (
        "the 3 different whole numbers of kind are taken as classes: if they are quantities, name"
    )
    assert said in str(trained(target="kind", drop=("id", "price")))


@pytest.mark.parametrize("rest", [[], [None, None]], ids=["whole", "with gaps"])
def test_a_code_with_a_zero_in_front_stays_text(tmp_path: Path, rest: list[None]) -> None:
    path = tmp_path / "codes.csv"
    codes = HOUSES.assign(kind=np.where(HOUSES["kind"] == "dear", "01", "02"), zip="00501")
    codes.loc[0, "zip"] = "10001"
    codes.loc[len(codes) - len(rest) :, "zip"] = None
    codes.loc[len(codes) - len(rest) :, "kind"] = None
    codes.to_csv(path, sep=";", index=False)
    drop = ("id", "agent", "sold_on", "built", "price")
    done = train.train(data=path, target="kind", drop=drop, folder=tmp_path, bake=False, folds=0)
    assert card_of(done.path)["classes"] == ["01", "02"]
    assert card_of(done.path)["features"]["zip"]["distinct"] == 2


def test_lines_of_json_are_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "houses.ndjson"
    HOUSES.to_json(path, orient="records", lines=True)
    options: Any = {"drop": ("kind", "agent", "sold_on"), "folds": 0, "bake": False}
    done = train.train(data=path, target="price", folder=tmp_path, **options)
    assert card_of(done.path)["training"]["data"] == "houses.ndjson"


def test_truth_values_of_which_some_are_missing_are_categories(trained: Train) -> None:
    frame = HOUSES.assign(a=HOUSES["garden"].astype(object).where(HOUSES.index % 5 > 0))
    recipe = Recipe(function=TABLE, target="kind", drop=("id", "price"), folds=0)
    result = learn.learn(table.build, take(recipe, frame, "t.csv"), recipe, str)
    assert "a" in result.facts["rows"]


def test_a_class_in_other_words_is_said() -> None:
    recipe = Recipe(function=TABLE, target="kind", drop=("id", "price"))
    codes = HOUSES.assign(code=HOUSES["kind"].map({"dear": 1, "cheap": 2}))
    (said,) = take(recipe, codes, "t.csv").said
    assert said.startswith("the column code says the target kind in other words")
    assert not take(recipe, HOUSES, "t.csv").said
    assert not take(recipe, codes[:10], "t.csv").said


def test_more_rows_than_are_read_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_data, "MAX_ROWS", N)
    (said,) = take(PRICE, HOUSES, "t.csv").said
    assert said == "t.csv has more rows: the first 120 are read"


def parts(**options: Any) -> tuple[Any, Any, Any]:
    recipe = Recipe(**{"function": TABLE, "target": "kind", "drop": ("id", "price")} | options)
    data = take(recipe, HOUSES, "t.csv")
    return data, *split.hold_out(data, recipe, classes=True)


@pytest.mark.parametrize("options", [{}, {"group": "town"}, {"time": "sold_on"}, {"held_out": 0.5}])
def test_each_row_is_either_fitted_on_or_held_out(options: dict[str, Any]) -> None:
    _, fit, held = parts(**options)
    assert sorted([*fit, *held]) == list(range(N))


def test_advice_on_the_rows_to_hold_out_is_followed_to_the_letter() -> None:
    frame = HOUSES[:5].assign(kind=["a", "b", "a", "b", "b"])
    recipe = Recipe(function=TABLE, target="kind")
    data = take(recipe, frame, "t.csv")
    with pytest.raises(Unusable, match=r": set HELD_OUT=0\.4, or add rows$"):
        split.hold_out(data, recipe, classes=True)
    again = Recipe(function=TABLE, target="kind", held_out=0.4)
    fit, held = split.hold_out(data, again, classes=True)
    assert set(data.answers[fit]) == set(data.answers[held]) == {"a", "b"}


def test_classes_keep_their_shares() -> None:
    data, _, held = parts()
    assert data.answers.iloc[held].value_counts().tolist() == [12, 12]


def test_a_group_is_never_on_both_sides() -> None:
    data, fit, held = parts(group="town")
    towns = HOUSES["town"]
    assert not set(towns[fit]) & set(towns[held])
    assert "town" not in data.rows
    for a, b in split.folds(data, fit, Recipe(group="town", folds=9), classes=True):
        assert not set(towns[a]) & set(towns[b])


def test_the_last_rows_by_time_are_held_out_and_those_of_one_time_stay_together() -> None:
    frame = HOUSES.assign(year=[2020] * 60 + [2022] * 40 + [2021] * 20)
    recipe = Recipe(target="price", time="year", held_out=0.1)
    data = take(recipe, frame, "t.csv")
    fit, held = split.hold_out(data, recipe, classes=False)
    assert set(frame["year"][held]) == {2022}
    for a, b in split.folds(data, fit, recipe, classes=False):
        assert frame["year"][a].max() <= frame["year"][b].min()
    first = Recipe(target="price", time="year", held_out=0.9)
    with pytest.raises(Unusable, match="TIME=year: too many rows have the first time"):
        split.hold_out(data, first, classes=False)


@pytest.mark.parametrize(
    ("kinds", "held_out", "words"),
    [
        (["a"] * 119 + ["b"], 0.2, "the class 'b' of kind has one row, which cannot be both fitted on"),
        ([*"abcdefghij" * 12], 0.05, "HELD_OUT=0.05 of 120 rows cannot have each class of kind"),
    ],
)  # fmt: skip
def test_classes_that_cannot_be_split_are_told(
    kinds: list[str], held_out: float, words: str
) -> None:
    recipe = Recipe(target="kind", held_out=held_out)
    data = take(recipe, HOUSES.assign(kind=kinds), "t.csv")
    with pytest.raises(Unusable, match=re.escape(words)):
        split.hold_out(data, recipe, classes=True)


def test_rows_by_time_with_one_class_are_told() -> None:
    recipe = Recipe(target="kind", time="sold_on")
    data = take(recipe, HOUSES.assign(kind=["a"] * 110 + ["b"] * 10), "t.csv")
    with pytest.raises(Unusable, match="the rows that are not held out have one value of kind"):
        split.hold_out(data, recipe, classes=True)


def test_a_search_chooses_the_best_and_the_card_says_what_was_tried(trained: Train) -> None:
    done = trained(search={"regress__alpha": [1e6, 1.0]}, folds=3)
    training = card_of(done.path)["training"]
    tried = [each["parameters"] for each in training["search"]]
    assert tried == [{"regress__alpha": 1e6}, {"regress__alpha": 1.0}]
    assert training["cross_validation"]["parameters"] == {"regress__alpha": 1.0}
    assert joblib.load(done.path)[-1].alpha == 1.0


def test_a_search_needs_rows_for_its_folds() -> None:
    recipe = Recipe(
        function=TABLE, target="price", drop=("id", "kind"), search={"regress__alpha": [1]}
    )
    data = take(recipe, HOUSES[:4], "t.csv")
    with pytest.raises(Unusable, match="SEARCH chooses by cross-validation, and there are too few"):
        learn.learn(table.build, data, recipe, str)


def test_too_few_rows_are_not_cross_validated() -> None:
    recipe = Recipe(function=TABLE, target="price", drop=("id", "kind"))
    result = learn.learn(table.build, take(recipe, HOUSES[:4], "t.csv"), recipe, str)
    assert "cross_validation" not in result.facts["training"]


def test_a_score_that_is_no_number_is_told() -> None:
    # R² of one row is none.
    one_row = [(np.arange(9), np.array([9]))]
    data = take(PRICE, HOUSES, "t.csv")
    model = table.build(data.rows, data.answers)
    with pytest.raises(
        Unusable, match="the r2 of a fold is no number: set FOLDS to fewer, or to 0"
    ):
        search.validate(model, data, one_row, "r2", str)


def test_a_fold_without_a_class_has_its_log_loss() -> None:
    dear = np.flatnonzero(HOUSES["kind"] == "dear")
    folds = [(np.arange(len(HOUSES)), dear)]
    recipe = Recipe(function=TABLE, target="kind", drop=("id", "price"))
    data = take(recipe, HOUSES, "t.csv")
    model = table.build(data.rows, data.answers)
    found = search.validate(model, data, folds, "neg_log_loss", str)
    chances = model.fit(data.rows, data.answers).predict_proba(data.rows.iloc[dear])[:, 1]
    assert found.mean == pytest.approx(np.log(chances).mean())


def test_progress_is_said() -> None:
    said: list[str] = []
    recipe = Recipe(function=TABLE, target="price", drop=("id", "kind"), folds=2)
    learn.learn(table.build, take(recipe, HOUSES, "t.csv"), recipe, said.append)
    assert said == [
        "cross-validation: fit 1 of 2", "cross-validation: fit 2 of 2", "fitting 96 rows",
    ]  # fmt: skip


def numbered(rows: Any, answers: Any) -> Any:
    return LogisticRegression(max_iter=1000)


def test_numbers_that_a_classifier_takes_as_classes_are_split_as_classes() -> None:
    frame = pd.DataFrame({"a": np.arange(120.0), "kind": np.repeat(np.arange(40), 3) * 1.0})
    recipe = Recipe(target="kind", held_out=0.4, folds=0)
    result = learn.learn(numbered, take(recipe, frame, "t.csv"), recipe, str)
    assert set(result.facts["answers"]) == set(range(40))


def noisy(rows: Any, answers: Any) -> Any:
    return LogisticRegression(max_iter=1)


def test_a_function_needs_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        Unusable, match="TRAIN=models.pipeline names no function: expected TRAIN=mod"
    ):
        train.fit(Recipe(function="models.pipeline"), tmp_path, str)


def test_a_model_that_cannot_be_written_is_no_fault_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        function.dump(1, tmp_path / "nowhere" / "model.joblib")


def test_what_the_fit_warns_of_is_said(trained: Train) -> None:
    drop = ("id", "price", "town", "agent", "sold_on", "built")
    done = trained(noisy, target="kind", drop=drop)
    assert str(done).startswith("note: the fit warns: lbfgs failed to converge")


def test_the_default_model_of_a_table_takes_what_it_can_learn_from(trained: Train) -> None:
    done = trained(drop=("id", "kind"))
    assert "note: the model passes over agent, sold_on: dates, or texts of many values" in str(done)
    assert list(card_of(done.path)["features"]) == ["area", "town", "garden", "built"]
    with pytest.raises(Unusable, match="no column can be learnt from by itself: numbers, true and"):
        trained(drop=("id", "kind", "area", "town", "garden", "built"))


def test_the_default_model_takes_categories_of_pandas() -> None:
    frame = HOUSES[["town", "kind"]].astype("category")
    recipe = Recipe(function=TABLE, target="kind", folds=0)
    result = learn.learn(table.build, take(recipe, frame, "t.csv"), recipe, str)
    assert set(result.estimator.classes_) == {"cheap", "dear"}


def test_the_module_of_the_function_says_what_is_not_given(
    tmp_path: Path, houses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "estates.py").write_text(
        "from sklearn.linear_model import LinearRegression\n"
        "DATA, TARGET, FEATURES, METRIC = 'houses.csv', 'price', ['area'], 'neg_mean_absolute_error'\n"
        "def build(rows, answers):\n    return LinearRegression()\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = train.fit(Recipe(function="estates:build", folds=2), tmp_path, str)
    assert list(found.facts["rows"]) == ["area"]
    assert found.facts["metric"] == "neg_mean_absolute_error"
    sys.modules.pop("estates")
    (tmp_path / "estates.py").write_text("def build(rows, answers):\n    pass\n")
    with pytest.raises(
        Unusable, match="DATA is not set: name the file of the rows, or write it into"
    ):
        train.fit(Recipe(function="estates:build"), tmp_path, str)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "expected an object with a list of values for each parameter, as in"),
        ('{"a": 1}', "expected an object with a list of values"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_grid_that_is_none_is_one_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "grid.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Unusable, match=re.escape(words)):
        read_grid(path)


def test_the_command_takes_each_option(
    houses: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "_bake", lambda path: None)
    (tmp_path / "grid.json").write_text('{"regress__alpha": [1, 10]}')
    words = (
        f"train 1.0.0 --name houses --data {houses} --target price --drop id,kind --time sold_on"
    )
    more = "--held-out 0.5 --seed 3 --folds 2 --search grid.json"
    monkeypatch.setattr(sys, "argv", f"{words} {more}".split())
    train.main()
    assert "models/houses-1.0.0.joblib: r2 0." in capsys.readouterr().out
    training = card_of(tmp_path / "models/houses-1.0.0.joblib")["training"]
    assert (training["held_out"], training["seed"], training["time"]) == (0.5, 3, "sold_on")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed=x"], "error: SEED=x: expected a number, as in SEED=42"),
        (["--target=x"], "error: TARGET: "),
        (["--data=x.csv", "--target=a"], "error: there is no file x.csv"),
    ],
)
def test_the_command_ends_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", *options])
    with pytest.raises(SystemExit, match=re.escape(words)):
        train.main()


def test_a_reader_that_has_enough_is_no_error() -> None:
    code = "from models.printing import say; say('a' * 1_000_000); say('b')"
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{code}" | head -c 2'],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("aa", "")


def test_a_folder_that_cannot_be_written_is_one_sentence(trained: Train, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written"):
        trained(folder=tmp_path / "file" / "models", version="1.0.0")


def test_code_outside_of_git_has_no_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import cards

    monkeypatch.setenv("PATH", "")
    assert cards._revision() == ""


def test_a_boolean_feature_of_the_card_is_known_as_one(serve: Serve) -> None:
    client = serve(
        FITTED, card=b'{"features": {"old": {"dtype": "bool"}, "size": {"dtype": "float64"}}}'
    )
    assert [f["type"] for f in client.get("/metadata").json["features"]] == ["boolean", "number"]
    assert client.post("/predict", json={"old": True, "size": 1}).status_code == 200
    assert client.post("/predict", json={"old": 1, "size": 1}).status_code == 422
