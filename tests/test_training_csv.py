"""CSV files as people have them are read as they mean them, or refused with the way out."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import evaluate, training_csv, training_rows
from models.training import train
from models.training_rows import DataError, read

RNG = np.random.default_rng(2)
N = 120
X = RNG.normal(size=N)
GARAGE = RNG.choice(["NA", "None", "null", "attached"], N)
HOUSES = pd.DataFrame({"x": X, "garage": GARAGE})
HOUSES["price"] = X + 5 * (GARAGE == "None") + RNG.normal(scale=0.1, size=N)
HOUSES["region"] = np.where(X > 0, "NA", "EU")


@pytest.mark.parametrize(
    ("target", "drop"), [("price", ["region"]), ("region", ["price"])], ids=["category", "class"]
)
def test_words_that_a_model_knows_are_no_missing_values(
    tmp_path: Path, target: str, drop: list[str]
) -> None:
    done = train.train(data=HOUSES, target=target, drop=drop, folder=tmp_path, bake=False, folds=0)
    found = evaluate(done.path)
    assert found.rows == done.metrics["rows_held_out"] == 24
    measured = {name: score.value for name, score in found.scores.items() if name in done.metrics}
    assert len(measured) > 1
    assert measured == pytest.approx({name: done.metrics[name] for name in measured})


@pytest.mark.parametrize("sep", [",", ";"])
def test_words_stay_text_in_the_columns_that_have_them(tmp_path: Path, sep: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a;b;c\nNA;NA;1,5\n;x;2,5\nnull;y;NA\n".replace(";", sep).replace("1,5", "1.5"))
    if sep == ",":
        path.write_text("a,b,c\nNA,NA,1.5\n,x,2.5\nnull,y,NA\n")
    rows = read(path, words={"a": ["NA"]})
    assert rows["a"].isna().tolist() == [False, True, True]
    assert rows["b"].isna().tolist() == [True, False, False]
    assert rows["c"].isna().tolist() == [False, False, True]


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("area;area;;price;\n1;2;3;4;5\n")
    with pytest.raises(DataError, match="it has the column area twice: rename one of the two"):
        read(path)


SHIFTED = {
    "a delimiter at the end of each line": ("x;z;y\n1;2;3;\n4;5;6;\n", {"x": [1, 4], "z": [2, 5], "y": [3, 6]}),
    "a delimiter behind a counter": ("x;y\n0;2;\n1;5;\n", {"x": [0, 1], "y": [2, 5]}),
    "a delimiter behind decimal commas": ("x;y\n0,5;2;\n1;5;\n", {"x": [0.5, 1], "y": [2, 5]}),
    "the names of rows, as R writes them": ("x;y\nr1;2;3\nr2;5;6\n", {"x": [2, 5], "y": [3, 6]}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHIFTED)
def test_each_value_stays_in_its_column(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    text, expected = SHIFTED[name]
    path.write_text(text)
    assert read(path).to_dict("list") == expected


GROUPED = {
    "thousands and less": (["1.234", "987"] * 20, "1.234"),
    "thousands only": (["-1.200", "15.000"] * 20, "-1.200"),
    "two decimals": (["1.234", "2.5"] * 20, ""),
    "below one": (["1.234", "0.500"] * 20, ""),
    "few": (["1.234", "987"] * 5, ""),
    "whole": (["5", "987"] * 20, ""),
    "four decimals": (["1.2345", "987"] * 20, ""),
    "more than groups": (["1.234", "1987"] * 20, ""),
    "a zero more": (["1.234", "2.5000"] * 20, ""),
}


@pytest.mark.parametrize("name", GROUPED)
def test_points_that_may_separate_thousands_are_found(tmp_path: Path, name: str) -> None:
    values, example = GROUPED[name]
    path = tmp_path / "a.csv"
    pd.DataFrame({"a": [*values, ""], "b": "x"}).to_csv(path, index=False, sep=";")
    frame = read(path)
    texts = training_rows.as_texts(path, frame)
    assert texts is not None
    found = [training_csv.grouped(texts, each) for each in training_csv.maybe_grouped(frame)]
    assert "".join(found) == example


ENCODINGS = {"UTF-16": "utf-16", "WINDOWS-1252": "cp1252"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_advice_on_an_encoding_is_followed_to_the_letter(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "my rows.csv"
    path.write_bytes("town;price\nKöln;5\n".encode(ENCODINGS[encoding]))
    with pytest.raises(DataError, match=f"is not UTF-8: .* -f {encoding} ") as refused:
        read(path)
    command = str(refused.value).partition("as with ")[2]
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    new = tmp_path / shlex.split(command)[-1]
    assert read(new)["town"].tolist() == ["Köln"]


FILES: dict[str, tuple[bytes, str]] = {
    "a.csv": (b"PK\x03\x04\xff", "a.csv is a workbook, as of Excel: save the sheet as CSV in UTF-8"),
    "b.xlsx": (b"PK\x03\x04", "expected .csv or .tsv, .parquet, .ndjson or .jsonl: save the sheet"),
    "c.json": (b"[]", '.jsonl: write an object a line, as frame.to_json("a.jsonl", orient="records"'),
    "d.pdf": (b"%PDF", "d.pdf is none of the files that are read: expected .csv"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    content, words = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as refused:
        read(tmp_path / name)
    assert words in str(refused.value)


DAMAGED = {
    "a.csv.gz": b"\x1f\x8b\x08", "b.csv.gz": b"\x1f\x8b\x08\0\0\0\0\0\0\3ab", "c.csv.bz2": b"BZh9",
    "d.csv.xz": b"\xfd7zXZ\0\0", "e.csv.zip": b"PK\3\4", "f.csv.gz": b"a,b\n1,2\n",
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DAMAGED[name])
    with pytest.raises(DataError, match=rf"{re.escape(name)} cannot be read as csv: \w"):
        read(tmp_path / name)


LINES = {
    '{"a": 1}\n\n{"a": \n': "line 3: Expecting value at character 8",
    '{"a": 1}\n[1, 2]\n': "line 2: expected an object in each line",
    '{"a": 1}\n' + "[" * 100_000: "cannot be read as jsonl: maximum recursion depth",
}


@pytest.mark.parametrize("text", LINES, ids=["cut", "list", "deep"])
def test_the_line_of_json_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(LINES[text])):
        read(path)


def test_a_packed_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    pd.DataFrame({"a": ["ü"]}).to_csv(path, index=False, encoding="cp1252")
    with pytest.raises(DataError, match=r"a\.csv\.gz is not UTF-8: save it as UTF-8$"):
        training_rows.read(path)
