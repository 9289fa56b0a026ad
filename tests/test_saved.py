"""What a model's file is, and all reasons why it is not served, before anything of it runs."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from models import saved
from models.pickles import Content

X = np.arange(40.0).reshape(20, 2)
FITTED = LogisticRegression().fit(X, [0, 1] * 10)
SCALER = StandardScaler().fit(X)


def look(content: bytes) -> Content:
    return saved.look(io.BytesIO(content))


def obstacles(value: Any) -> list[str]:
    return saved.obstacles(look(pickle.dumps(value)), "m.joblib", lambda _: True)


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "content")
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        made.addfile(tarfile.TarInfo("model.joblib"))
    return file.getvalue()


UBJ = b"{L" + struct.pack(">q", 7) + b"learner{"
FORMATS = [
    ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    ("a web page", b"<!DOCTYPE html><title>Sign in</title>", "is a HTML page"),
    ("a web page after blanks", b"\n  <html lang=en>", "is a HTML page"),
    ("PMML", b'<?xml version="1.0"?><PMML version="4.4"/>', "is a PMML file"),
    ("XML", b"<note/>", "is an XML or HTML file"),
    ("nothing", b"", "is empty"),
    ("a skops file", archive("schema.json", "a.npy"), "skops.io.load"),
    ("a model of PyTorch", archive("net/data.pkl", "net/version"), "skorch"),
    ("a model of Keras", archive("metadata.json", "config.json", "model.weights.h5"), "scikeras"),
    ("arrays", archive("a.npy", "b.npy"), "NumPy arrays"),
    ("a zip with a model in it", archive("readme", "out/model.joblib"), "set MODEL_PATH to its file out/model.joblib"),
    ("a zip", archive("readme"), "is a zip archive without a joblib file"),
    ("ONNX", b"\x08\x08\x12\x07skl2onnx\x1a\x061.16.0", "is an ONNX model"),
    ("ONNX of PyTorch", b"\x08\x07\x12\x07pytorch\x1a\x051.13", "is an ONNX model"),
    ("XGBoost's JSON", b'{"learner":{"attributes":{}}}', "XGBoost's own form"),
    ("XGBoost's UBJ", UBJ, "XGBoost's own form"),
    ("XGBoost's old form", b"binf\0\0\0", "XGBoost's old binary form"),
    ("LightGBM's text", b"tree\nversion=v4\nnum_class=1\n", "LightGBM's own form"),
    ("CatBoost's", b"CBM1\0\0", "CatBoost's own form"),
    ("libsvm's text", b"svm_type c_svc\nkernel_type rbf\n", "libsvm"),
    ("HDF5", b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
    ("Parquet", b"PAR1\x15\x04", "Parquet"),
    ("npy", b"\x93NUMPY\x01\x00", "array of NumPy"),
    ("R", b"RDX3\nX\n", "file of R"),
    ("a tar archive", tar(), "is a tar archive: unpack it"),
    ("JSON", json.dumps({"sha256": "0"}).encode(), "is a JSON file"),
    ("a table", b"rooms,year\n3,1990\n4,2001\n", "is a CSV table"),
    ("a table whose name begins as zlib does", b"x,y\n3,1990\n", "is a CSV table"),
    ("a table with semicolons", b"rooms;year\n3;1990\n", "is a CSV table"),
    ("a table with tabs", b"rooms\tyear\n3\t1990\n", "is a TSV table"),
    ("text that is cut in a letter", b"a" + "ü".encode() * 5000, "is a text file"),
    ("text", b"hello there", "is a text file"),
    ("half a pickle", pickle.dumps(FITTED)[:-50], "is damaged or cut short"),
    ("half a gzip", b"\x1f\x8b\x08\x00\x00\x00", "is damaged or cut short"),
    ("one byte of a pickle", b"\x80", "is damaged or cut short"),
    ("half a pickle of text", pickle.dumps(FITTED, protocol=0)[:300], "is damaged or cut short"),
    ("half a dict in text", pickle.dumps({"m": FITTED}, protocol=0)[:300], "is damaged or cut short"),
    ("a sign of UTF-8 alone", b"\xef\xbb\xbf", "is not a joblib file"),
    ("noise", b"\xfe\x00\x01\xff" * 30, "is not a joblib file"),
    ("noise in text", b"a\x00\x01" * 30, "is not a joblib file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"), [row[1:] for row in FORMATS], ids=[row[0] for row in FORMATS]
)
def test_what_is_no_joblib_file_is_called_by_its_name(content: bytes, sentence: str) -> None:
    assert sentence in look(content).problem


@pytest.mark.parametrize("text", [b"city\nOslo\nRome\n", b"import math\nprint(1)\n"])
def test_text_that_reads_as_a_pickle_names_no_modules(text: bytes) -> None:
    content = look(text)
    assert content.names == ()
    assert "is a text file, not a joblib file" in content.problem


CONTAINERS: list[tuple[str, Any, str]] = [
    ("a dict", {"model": FITTED, "threshold": 0.3}, "joblib.dump(joblib.load('m.joblib')['model'], 'm.joblib')"),
    ("what else is in it", {"model": FITTED, "threshold": 0.3}, "the service does nothing with 'threshold'"),
    ("a tuple", (FITTED, 0.3), "a LogisticRegression, is [0] in it"),
    ("a list", [0.3, FITTED], "joblib.load('m.joblib')[1]"),
    ("a dict in a dict", {"a": {"b": [FITTED]}}, "joblib.load('m.joblib')['a']['b'][0]"),
    ("a Bunch", Bunch(model=FITTED), "joblib.load('m.joblib')['model']"),
    ("several", {"model": FITTED, "scaler": SCALER}, "make_pipeline(held['scaler'], held['model'])"),
    ("nothing fitted", {"threshold": 0.3}, "holds a builtins.dict, not a fitted scikit-learn estimator"),
    ("too deep", [[[[[[FITTED]]]]]], "holds a builtins.list, not a fitted"),
    ("a class", LinearRegression, "holds the class LinearRegression"),
    ("a function", np.mean, "holds the function mean, not a fitted"),
    ("a method", FITTED.predict, "joblib.dump(joblib.load('m.joblib').__self__, 'm.joblib')"),
    ("a method of something else", "text".upper, "holds a bound method, not a fitted"),
    ("models of folds", [FITTED, FITTED], "where all of them answer together, fit a VotingClassifier"),
    ("a number", 5, "holds a builtins.int"),
    ("a DataFrame", pd.DataFrame({"a": [1]}), "holds a pandas.DataFrame"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "sentence"), [row[1:] for row in CONTAINERS], ids=[row[0] for row in CONTAINERS]
)
def test_what_is_not_one_estimator_is_told_how_to_save_it(value: Any, sentence: str) -> None:
    (reason,) = obstacles(value)
    assert sentence in reason.replace("pandas.core.frame", "pandas")


def test_an_array_is_called_so(tmp_path: Path) -> None:
    joblib.dump(X, tmp_path / "m.joblib")
    content = look((tmp_path / "m.joblib").read_bytes())
    assert "holds a numpy.ndarray" in saved.obstacles(content, "m.joblib", bool)[0]


def test_the_advice_for_a_dict_makes_a_model(tmp_path: Path) -> None:
    path = str(tmp_path / "m.joblib")
    joblib.dump({"scaler": SCALER, "model": FITTED}, path)
    with Path(path).open("rb") as file:
        (reason,) = saved.obstacles(saved.look(file), path, bool)
    line = reason[reason.index("held = ") : reason.index("; or, where")]
    exec(line, {"joblib": joblib})
    assert isinstance(joblib.load(path), LogisticRegression)


def named(*names: tuple[str, str]) -> Content:
    return Content(None, names, ())


def absent(*names: tuple[str, str], has: Callable[[str], bool] = lambda _: False) -> list[str]:
    class Thing:
        pass

    content = look(pickle.dumps(FITTED))
    return saved.obstacles(content._replace(names=names), "m.joblib", has)


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("lightgbm.sklearn", "lightgbm"), ("xgboost.core", "xgboost"), ("imblearn.pipeline", "imbalanced-learn"),
        ("category_encoders.target_encoder", "category-encoders"), ("umap.umap_", "umap-learn"),
    ],
)  # fmt: skip
def test_a_package_is_advised_by_the_name_it_is_installed_by(module: str, package: str) -> None:
    (reason,) = absent((module, "A"), (module, "B"))
    assert f"add the line {package} to models/requirements.txt and run make again" in reason


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("mymodule", "if it is your own code, write it into models/steps.py, train with `from models.steps import Mine`"),
        ("models.steps", "write that code into models/steps.py"),
        ("__main__", "in its place write, in the project's folder, `from models.steps import Mine`"),
    ],
)  # fmt: skip
def test_own_code_is_never_said_to_be_a_package(module: str, sentence: str) -> None:
    (reason,) = absent((module, "Mine"))
    assert sentence in reason
    assert "add the line" not in reason


def test_what_is_here_or_pythons_own_is_no_obstacle() -> None:
    assert absent(("lightgbm", "A"), ("mymodule", "B"), has=lambda _: True) == []
    assert absent(("datetime", "date"), ("sklearn.svm", "SVC")) == []


def test_all_reasons_stand_in_one_sentence() -> None:
    held = pickle.dumps({"model": FITTED}).replace(
        b"sklearn.linear_model._logistic", b"mymodule" + b"e" * 22
    )
    reasons = saved.obstacles(look(held), "m.joblib", lambda module: "numpy" in module)
    assert saved.sentence("m.joblib", reasons).startswith(
        "m.joblib cannot be served for 2 reasons: (1) it holds a builtins.dict"
    )
    assert "(2) it needs LogisticRegression of the module mymodule" in saved.sentence(
        "m.joblib", reasons
    )
    assert saved.sentence("m.joblib", reasons[:1]).startswith("m.joblib holds a builtins.dict")


def test_a_booster_is_told_of_its_scikit_learn_class() -> None:
    held = (
        pickle.dumps(FITTED)
        .replace(b"LogisticRegression", b"Booster")
        .replace(b"\x8c\x12Booster", b"\x8c\x07Booster")
    )
    reasons = saved.obstacles(look(held), "m.joblib", bool)
    assert "train with the library's scikit-learn classes" in reasons[0]


@pytest.mark.parametrize("version", ["1.6.1", "1.7.0rc1", "1.5.2.post1", "0.24.2", "1.8"])
def test_a_version_is_taken(version: str) -> None:
    assert saved.saved_with(Content(None, (), (version,))) == version


@pytest.mark.parametrize(
    "version", ["1.6.1; true", "$(id)", "1.6.1\n", "1", "--pre", "1.6.1 -i evil", "1.٦", "1.8.dev0"]
)
def test_what_is_no_version_never_reaches_a_command(version: str) -> None:
    assert saved.saved_with(Content(None, (), (version,))) is None


def test_the_newest_version_counts() -> None:
    assert saved.saved_with(Content(None, (), ("1.10.0", "1.9.1"))) == "1.10.0"
    assert saved.saved_with(look(pickle.dumps(FITTED))) == sklearn.__version__


def test_within_a_minor_version_files_are_alike() -> None:
    assert saved.alike("1.9.0", "1.9.1")
    assert not saved.alike("1.8.0", "1.9.0")


def test_a_pipeline_of_scikit_learns_needs_nobody_elses_code() -> None:
    assert saved.foreign(look(pickle.dumps(make_pipeline(SCALER, FITTED)))) == set()
    assert saved.foreign(named(("lightgbm.sklearn", "A"), ("math", "log"))) == {"lightgbm"}
