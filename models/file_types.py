"""The type of a file that is no pickle, by its first bytes, and what to do with it."""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO

# The first bytes of a pickle in protocol 0, which is text: a class, a dict or a list.
PROTOCOL_0 = re.compile(rb"(c[\w.]+\n\w+\np0\n|\([dl]p0\n)")
SAVE = "write it with joblib.dump(estimator, path)"


def other_format(file: BinaryIO) -> str | None:
    """The type of the file and what to do, as the rest of a sentence; None for a pickle."""
    file.seek(0)
    head = file.read(4096)
    if PROTOCOL_0.match(head):
        return None
    if not head:
        return f"is empty: {SAVE}, or copy it again"
    for sign, said in SIGNS:
        if head.startswith(sign) if isinstance(sign, bytes) else sign.search(head):
            return said
    if zipfile.is_zipfile(file):
        return _zip(file)
    return _text(head)


SIGNS: tuple[tuple[bytes | re.Pattern[bytes], str], ...] = (
    (
        b"version https://git-lfs",
        "is a Git LFS pointer, not the model itself: fetch the model with `git lfs pull`",
    ),
    (
        re.compile(rb"\A\s*(<!doctype html|<html|<head)", re.IGNORECASE),
        (
            "is a HTML page, as a server sends it that asks for a login or has no such file: "
            "download the model again, by the link to the file itself"
        ),
    ),
    (
        re.compile(rb"\A\s*<\?xml.*?<PMML", re.IGNORECASE | re.DOTALL),
        f"is a PMML file, which is not served: {SAVE}",
    ),
    (re.compile(rb"\A\s*<"), f"is an XML or HTML file, not a model: {SAVE}"),
    (
        re.compile(
            rb"\A\x08[\x01-\x1e](\x12.{0,64}|.{0,16})(onnx|pytorch|tf2|skl)",
            re.DOTALL | re.IGNORECASE,
        ),
        f"is an ONNX model, which is not served: save the estimator itself, {SAVE}",
    ),
    (
        re.compile(
            rb"\A(\{\s*\"(learner|version|Config)\".*\"|\{L.{8}(learner|Config))", re.DOTALL
        ),
        (
            "is a model in XGBoost's own form: XGBClassifier() or XGBRegressor(), its "
            "load_model(path), then joblib.dump(that, path)"
        ),
    ),
    (
        b"binf",
        (
            "is a model in XGBoost's old binary form: XGBClassifier() or XGBRegressor(), its "
            "load_model(path), then joblib.dump(that, path)"
        ),
    ),
    (
        re.compile(rb"\Atree\r?\nversion="),
        (
            "is a model in LightGBM's own form, which its scikit-learn classes cannot read back: "
            "fit LGBMClassifier or LGBMRegressor, and save that with joblib.dump"
        ),
    ),
    (
        b"CBM1",
        (
            "is a model in CatBoost's own form: CatBoostClassifier() or CatBoostRegressor(), its "
            "load_model(path), then joblib.dump(that, path)"
        ),
    ),
    (
        re.compile(rb"\A(svm_type|solver_type) "),
        (
            "is a model of libsvm's or liblinear's own tools: fit SVC, SVR or LinearSVC of "
            "scikit-learn, and save that with joblib.dump"
        ),
    ),
    (
        b"\x89HDF\r\n\x1a\n",
        (
            "is a HDF5 file, as Keras writes it: wrap the network in scikeras's KerasClassifier or "
            "KerasRegressor, and save that with joblib.dump"
        ),
    ),
    (b"PAR1", f"is a Parquet file, a table and not a model: {SAVE}"),
    (b"\x93NUMPY", f"is an array of NumPy (.npy), not a model: {SAVE}"),
    (b"RDX", f"is a file of R, which is not served: {SAVE}"),
    (
        re.compile(rb"\A.{257}ustar", re.DOTALL),
        "is a tar archive: unpack it, and name the joblib file in it",
    ),
)


def _zip(file: BinaryIO) -> str:
    """The type of a zip file and what to do."""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    if "schema.json" in names:
        return (
            "is a skops file: load it with skops.io.load(path, trusted=[...]), and save the "
            "estimator with joblib.dump(estimator, path)"
        )
    if any(name.endswith("data.pkl") for name in names):
        return (
            "is a model of PyTorch: wrap the network in skorch's NeuralNetClassifier or "
            "NeuralNetRegressor, fit, and save that with joblib.dump"
        )
    if "model.weights.h5" in names or "metadata.json" in names:
        return (
            "is a model of Keras: wrap the network in scikeras's KerasClassifier or "
            "KerasRegressor, fit, and save that with joblib.dump"
        )
    if names and all(name.endswith(".npy") for name in names):
        return f"is a file of NumPy arrays (.npz), not a model: {SAVE}"
    inside = next((n for n in names if n.endswith((".joblib", ".pkl", ".pickle"))), None)
    return (
        f"is a zip archive: unpack it, and set MODEL_PATH to its file {inside}"
        if inside
        else f"is a zip archive without a joblib file in it: {SAVE}"
    )


def _text(head: bytes) -> str | None:
    """The type of a text file and what to do; None for a file that is no text."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return None
        text = head[: error.start].decode("utf-8-sig")
    if not text or not all(character.isprintable() or character.isspace() for character in text):
        return None
    if text.lstrip().startswith(("{", "[")):
        return f"is a JSON file, not a model: {SAVE}"
    first, *more = text.splitlines()
    for separator, name in ((",", "CSV"), (";", "CSV"), ("\t", "TSV")):
        if more and first.count(separator) and more[0].count(separator) >= first.count(separator):
            return f"is a {name} table, not a model: fit an estimator on it, and {SAVE}"
    return f"is a text file, not a joblib file: {SAVE}"
