"""Rows with known answers: which are read, in which types, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import joblib
import msgspec
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder

import models
from models.evaluation import data
from models.evaluation.data import read_known
from models.model import Model
from models.training_rows import DataError

PENGUINS = Path("models/penguins.csv")
X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})


def loaded(estimator: object, folder: Path) -> Model:
    joblib.dump(estimator, folder / "model.joblib")
    return models.load(folder / "model.joblib")


def with_card(model: Model, **facts: object) -> Model:
    return msgspec.structs.replace(model, card=model.card | facts)


def test_a_file_gives_features_all_columns_and_the_target(penguin_model: Model) -> None:
    known = read_known(penguin_model, PENGUINS)
    assert list(known.rows) == [feature.name for feature in penguin_model.signature.features]
    assert list(known.frame) == list(pd.read_csv(PENGUINS))
    assert known.target == "species"
    assert known.truth is not None
    assert known.truth.tolist() == pd.read_csv(PENGUINS)["species"].tolist()
    assert known.sha256 == hashlib.sha256(PENGUINS.read_bytes()).hexdigest()
    assert known.name == str(PENGUINS)


def test_the_target_is_found_by_its_values_where_no_card_names_it(penguin_model: Model) -> None:
    assert read_known(with_card(penguin_model, target=""), PENGUINS).target == "species"


def test_a_dataframe_is_taken_as_it_is(house_model: Model, houses: pd.DataFrame) -> None:
    known = read_known(house_model, houses)
    assert known.truth is not None
    assert known.truth.tolist() == houses["price"].tolist()
    assert (known.name, known.sha256) == ("a DataFrame", "")


def test_the_held_out_rows_are_the_default(penguins_path: Path, tmp_path: Path) -> None:
    shutil.copy2(penguins_path, tmp_path / "p-1.2.0.joblib")
    model = models.load(tmp_path / "p-1.2.0.joblib")
    frame = pd.read_csv(PENGUINS).head(200)
    frame.to_csv(tmp_path / "p-1.2.0.held-out.csv", index=False)
    known = read_known(model, None, "species")
    assert known.name == str(tmp_path / "p-1.2.0.held-out.csv")
    assert (len(known.rows), known.notes, known.fitted) == (200, (), False)
    plan = msgspec.structs.replace(model, path=str(tmp_path / "p-1.2.0.plan.npz"))
    assert read_known(plan, None, "species").name == known.name


def test_the_example_says_that_it_was_fitted_on_its_rows(penguin_model: Model) -> None:
    known = read_known(penguin_model, "")
    assert known.name == "models/penguins.csv"
    assert known.fitted
    assert known.notes[0].startswith("The model was fitted on most rows of models/penguins.csv")


def test_rows_of_the_training_are_told_by_their_hash(penguin_model: Model, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(PENGUINS.read_bytes()).hexdigest()
    path = tmp_path / "m.joblib"
    model = with_card(penguin_model, training={"sha256": sha256})
    known = read_known(msgspec.structs.replace(model, path=str(path)), PENGUINS)
    assert "name rows that it was not fitted on, as in DATA=new.csv" in known.notes[0]
    path.with_suffix(".held-out.csv").touch()
    known = read_known(msgspec.structs.replace(model, path=str(path)), PENGUINS)
    assert f"leave DATA out to take the held-out rows, {tmp_path}/m.held-out" in known.notes[0]


def test_a_cut_file_is_told(
    house_model: Model, houses: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MAX_ROWS", 400)
    houses.to_csv(tmp_path / "h.csv", index=False)
    known = read_known(house_model, tmp_path / "h.csv")
    assert known.notes == (f"Only the first 400 rows of {tmp_path}/h.csv were read.",)


def test_texts_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model = loaded(texts.fit(["good", "bad", "fine"], ["01", "02", "01"]), tmp_path)
    (tmp_path / "t.csv").write_text("text,label\ngood,01\nbad,02\n")
    known = read_known(model, tmp_path / "t.csv", "label")
    assert known.truth is not None
    assert known.truth.tolist() == ["01", "02"]


def test_a_model_of_mappings_takes_all_other_columns(tmp_path: Path) -> None:
    rows = [{"a": 1.0}, {"b": 2.0}, {"a": 3.0, "b": 1.0}]
    model = loaded(
        make_pipeline(DictVectorizer(), LogisticRegression()).fit(rows, [0, 1, 0]), tmp_path
    )
    assert list(read_known(model, X.assign(y=[0, 1, 0, 1]), "y").rows) == ["a", "b"]


def test_groups_need_no_known_answers(tmp_path: Path) -> None:
    model = loaded(KMeans(2, n_init=1).fit(X), tmp_path)
    known = read_known(model, X)
    assert (known.truth, known.target) == (None, "")
    known = read_known(model, X.assign(y=list("aabb")), "y")
    assert known.truth is not None
    assert known.truth.tolist() == list("aabb")


HOUSES = "area,rooms,price\n50,2,200\n60,3,260\n"


@pytest.mark.parametrize(
    ("content", "target", "said"),
    [
        ("", "", "cannot be read as csv: No columns to parse from file"),
        ("area,rooms,price\n", "", "has no rows"),
        (HOUSES, "worth", "has no column worth (TARGET); it has area, rooms, price"),
        (
            HOUSES,
            "area",
            (
                "area (TARGET) is a feature of the model: name the column of the known answers, "
                "one of price"
            ),
        ),
        ("area,price\n1,2\n", "", "lacks rooms, of the model's columns; it has area"),
        ("area,rooms,price\n1,2,\n", "", "the target price is missing in the only row of"),
        ("area,rooms,price\n1,2,3\n", "", "the target price is 3 in the only row of"),
        ("area,rooms,price\n1,2,3\n2,2,3\n", "", "the target price is 3 in all 2 rows of"),
    ],
)
def test_wrong_rows_get_a_sentence(
    content: str, target: str, said: str, house_model: Model, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(DataError) as raised:
        read_known(house_model, tmp_path / "rows.csv", target)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_rows_at_all_get_a_sentence(house_model: Model) -> None:
    with pytest.raises(DataError, match=r"DATA is not set, and there is no .*houses.held-out.csv"):
        read_known(house_model, None)
    with pytest.raises(DataError, match="the DataFrame has no rows"):
        read_known(house_model, pd.DataFrame({"area": []}))


def test_columns_of_one_name_get_a_sentence(house_model: Model, houses: pd.DataFrame) -> None:
    twice = pd.concat([houses, houses[["area"]]], axis=1)
    with pytest.raises(DataError, match="a DataFrame has the column area twice: rename one"):
        read_known(house_model, twice)


def test_a_model_without_names_takes_columns_in_their_order(tmp_path: Path) -> None:
    model = loaded(LogisticRegression().fit(X.to_numpy(), [0, 1, 0, 1]), tmp_path)
    known = read_known(model, X.assign(y=[0, 1, 0, 1])[["y", "b", "a"]], "y")
    assert known.rows.to_dict("list") == {"x0": X["b"].tolist(), "x1": X["a"].tolist()}
    X.assign(y=[0, 1, 0, 1]).to_csv(tmp_path / "rows.csv", index=False)
    known = read_known(model, tmp_path / "rows.csv", "y")
    assert known.rows.to_dict("list") == {"x0": X["a"].tolist(), "x1": X["b"].tolist()}
    named = X.set_axis(["x1", "x0"], axis=1).assign(y=[0, 1, 0, 1])
    assert read_known(model, named, "y").rows["x1"].tolist() == X["a"].tolist()


def test_lists_as_answers_get_a_sentence(house_model: Model, houses: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="the target price of a DataFrame has lists"):
        read_known(house_model, houses.head(2).assign(price=pd.Series([[1], [2]], dtype=object)))


def test_without_the_rows_of_the_example_data_has_to_be_named(
    penguin_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="DATA is not set"):
        read_known(penguin_model, None)


def test_a_model_of_labels_gets_a_sentence(tmp_path: Path) -> None:
    labels = loaded(LabelEncoder().fit(["a", "b"]), tmp_path)
    with pytest.raises(DataError, match="a LabelEncoder takes labels"):
        read_known(labels, pd.DataFrame({"y": ["a", "b"]}))
