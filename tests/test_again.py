"""A version that was made of a table, without a function, learns from selections as it was made."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from models import load
from models.candidate.facts import Served
from models.settings import ModelSettings
from models.training import __main__ as training
from models.training import again, cards, feedback, function, train
from models.training.facts import Feedback, Job, Labelled
from models.training.function import Result
from tests.test_train import HOUSES

DEAR = dict(zip(HOUSES["id"], HOUSES["price"] * 2, strict=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of house prices, and its data beside it."""
    folder = tmp_path_factory.mktemp("made")
    HOUSES.to_csv(folder / "houses.csv", index=False)
    grid = {"regress__alpha": [3.0]}
    options: dict[str, Any] = {"drop": ["id", "kind"], "search": grid, "folds": 2, "bake": False}
    return train.train(data=folder / "houses.csv", target="price", folder=folder, **options).path


def job_of(path: Path, folder: Path, count: int = 120, trained: str = "") -> Job:
    """A job to learn from `count` houses, each of which was told to cost twice as much."""
    model = load(path)
    served = Served.of(model)
    houses = itertools.islice(
        itertools.cycle(HOUSES.replace({np.nan: None}).to_dict("records")), count
    )
    names = [column.name for column in served.columns]
    rows = [
        Labelled(at=float(at), label=DEAR[house["id"]], inputs=[house[name] for name in names])
        for at, house in enumerate(houses, 1)
    ]
    told = folder / "selections.ndjson"
    told.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return Job(
        function=trained, beside=str(path.parent), folder=str(folder), seconds=60, parent=0,
        store=str(folder), name="model", served=served, settings=ModelSettings(), card=model.card,
        feedback=Feedback(path=str(told), until=0),
    )  # fmt: skip


def learnt(job: Job) -> Result:
    return again.learn_again(job, feedback.learning(job))


def test_it_learns_with_the_data_and_the_options_of_its_card(made: Path, tmp_path: Path) -> None:
    job = job_of(made, tmp_path)
    assert job.card["training"]["data"] == "houses.csv"
    found = learnt(job)
    facts = found.facts["training"]
    assert facts["feedback"]["without_data"] == ""
    assert (facts["data"], facts["rows"]) == ("houses.csv", 120)
    assert list(found.facts["rows"]) == [column.name for column in job.served.columns]
    assert found.estimator.get_params()["regress__alpha"] == 3.0
    assert (
        "the data and all selections" in facts["feedback"]["scores"]
        or facts["feedback"]["data_rows"]
    )


@pytest.mark.parametrize("left", [None, "area,town\n1,Ayr\n"], ids=["gone", "another table"])
def test_it_learns_from_selections_alone_where_its_data_are_not_there(
    made: Path, tmp_path: Path, left: str | None
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if left:
        (elsewhere / "houses.csv").write_text(left)
    job = msgspec.structs.replace(job_of(made, tmp_path, 240), beside=str(elsewhere))
    found = learnt(job)
    facts = found.facts["training"]["feedback"]
    assert facts["without_data"] == (
        "houses.csv, of which the active version was made, is not there any more, or has changed"
    )
    assert (facts["data_rows"], facts["chosen"]) == (0, "all selections")
    assert list(facts["scores"]) == ["all selections", "the newest 80 selections"]
    assert found.estimator.score(found.facts["test_rows"], found.facts["test_answers"]) > 0.8


def test_no_row_of_a_user_goes_into_the_card_and_it_learns_again(
    made: Path, tmp_path: Path
) -> None:
    job = msgspec.structs.replace(job_of(made, tmp_path), beside=str(tmp_path))
    path = tmp_path / "model.joblib"
    found = learnt(job)
    function.dump(found.estimator, path)
    cards.save_card(path, found)
    second = load(path)
    shown = [*map(tuple, job.card["background"])]
    assert {*map(tuple, second.card["background"])} == {*shown}
    assert again.is_table(second.card)
    assert second.card["training"]["searched"] == {"regress__alpha": 3.0}
    # It was fitted on the same types: the contract is the same.
    assert Served.of(second).columns == job.served.columns
    third = learnt(msgspec.structs.replace(job, card=second.card, served=Served.of(second)))
    assert third.estimator.get_params()["regress__alpha"] == 3.0


def test_few_answers_stay_quantities_and_texts_of_many_values_stay_features(
    tmp_path: Path,
) -> None:
    frame = pd.DataFrame(
        {"size": np.arange(150.0), "street": [f"street {i % 70}" for i in range(150)]}
    )
    frame["stars"] = frame["size"] % 30
    frame.to_csv(tmp_path / "stars.csv", index=False)
    path = train.train(
        data=tmp_path / "stars.csv", target="stars", folder=tmp_path, folds=0, bake=False
    ).path
    job = job_of(path, tmp_path, 0)
    rows = [
        Labelled(at=float(i), label=float(i % 2), inputs=[float(i), f"street {i}"])
        for i in range(1, 70)
    ]
    told = tmp_path / "selections.ndjson"
    told.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    (tmp_path / "stars.csv").unlink()
    found = learnt(job)
    assert list(found.estimator.named_steps) == ["columns", "regress"]
    assert [name for name, *_ in found.estimator[0].transformers] == ["numbers", "categories"]


@pytest.mark.parametrize(
    ("training_facts", "expected"),
    [
        ({"function": "models.training.table:build"}, True),
        ({"function": "models.houses:build"}, False),
        (None, False),
    ],
)
def test_no_function_is_taken_from_a_card(training_facts: Any, *, expected: bool) -> None:
    assert again.is_table({"training": training_facts, "background": [[1]]}) is expected


@pytest.mark.parametrize(
    ("trained", "is_table"), [("", True), ("own_houses:build", False)], ids=["not set", "set"]
)
def test_the_table_is_learnt_unless_train_is_set(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: str, *, is_table: bool
) -> None:
    job = job_of(made, tmp_path, trained=trained)
    module = (
        "DATA, TARGET = 'houses.csv', 'price'\nFEATURES = ['town', 'garden', 'built', 'area']\n"
    )
    (made.parent / "own_houses.py").write_text(
        f"from sklearn.dummy import DummyRegressor\n{module}build = lambda x, y: DummyRegressor()"
    )
    monkeypatch.syspath_prepend(str(made.parent))
    training._train(job, lambda _: None)
    kept = function.kept(tmp_path / training.MODEL, tmp_path / training.FACTS, made.parent)
    assert (kept.facts["training"]["function"] == "models.training.table:build") is is_table
    # Its own columns come in the order of the active version's.
    assert list(kept.facts["rows"]) == [column.name for column in job.served.columns]
