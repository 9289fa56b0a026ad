"""The facts that LightGBM, XGBoost and CatBoost have of the columns they were fitted on.

None of them is imported: the module of its class, or of a base class, tells an estimator's library.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from models.signature.types import Feature, Kind, SignatureError, Unknown, kind_of, plain

Library = Literal["lightgbm", "xgboost", "catboost"]

# The type of a column of booleans, in XGBoost's words.
BOOLEAN = "i"


class _Values(msgspec.Struct):
    """The categories of one column in XGBoost: the bytes of joined texts, or numbers."""

    values: list[Any] = []
    offsets: list[int] | None = None


class _Categories(msgspec.Struct):
    enc: list[_Values] = []


class _Model(msgspec.Struct):
    cats: _Categories = msgspec.field(default_factory=_Categories)


class _Booster(msgspec.Struct):
    model: _Model = msgspec.field(default_factory=_Model)
    # DART has its booster in here.
    gbtree: _Booster | None = None


class _Learner(msgspec.Struct):
    gradient_booster: _Booster


class _Document(msgspec.Struct):
    learner: _Learner


def library(estimator: Any) -> Library | None:
    """The library of an estimator's class, or of a base class of it; None for others."""
    for kind in type(estimator).__mro__:
        match kind.__module__.partition(".")[0]:
            case "lightgbm" | "xgboost" | "catboost" as found:
                return found
    return None


def names(estimator: Any) -> Sequence[str] | None:
    """The names of the columns, if CatBoost was fitted on a DataFrame.

    The other libraries have them in `feature_names_in_`, as scikit-learn does.
    """
    if library(estimator) != "catboost":
        return None
    found = estimator.feature_names_ or []
    return None if found == [str(i) for i in range(len(found))] else found


def width(estimator: Any) -> int | None:
    """The number of columns of a CatBoost model, whose `n_features_in_` is 0 once it was saved."""
    return len(estimator.feature_names_ or []) if library(estimator) == "catboost" else None


def needs_names(estimator: Any) -> bool:
    """Whether an estimator rejects columns with other names than in training."""
    return library(estimator) == "xgboost" and hasattr(estimator, "feature_names_in_")


def use_one_thread(estimator: Any) -> None:
    """Let LightGBM or XGBoost predict with one thread, whatever they were fitted with.

    OpenMP starts a pool for each calling thread, and idle threads of a pool spin: on two busy
    cores one row took LightGBM 16 ms with its pool, and 0.24 ms with one thread. CatBoost has one
    pool for all callers, which made no difference, and no attribute for the number of threads.
    """
    match library(estimator):
        case "lightgbm":
            estimator.n_jobs = 1
        case "xgboost":
            estimator.n_jobs = 1
            # A search keeps the unfitted estimator that it clones.
            if estimator.__sklearn_is_fitted__():
                estimator.get_booster().set_param({"nthread": 1})


def describe(estimator: Any, columns: Sequence[int], features: list[Feature]) -> bool:
    """Refine those of `features` that an estimator of these libraries gets, numbered `columns`.

    False if the estimator is of another library. Raises SignatureError if a column held categories
    that the model does not tell.
    """
    match library(estimator):
        case None:
            return False
        case "lightgbm":
            _describe_lightgbm(estimator, columns, features)
        case "xgboost":
            _describe_xgboost(estimator, columns, features)
        case _:
            _describe_catboost(estimator, columns, features)
    return True


def _describe_catboost(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    kinds: dict[int, Kind] = dict.fromkeys(estimator.get_cat_feature_indices(), "any")
    kinds |= dict.fromkeys(estimator.get_text_feature_indices(), "string")
    for place, kind in kinds.items():
        column = columns[place]
        # CatBoost takes an integer for the category of its digits, and rejects a float.
        features[column] = Feature(name=features[column].name, kind=kind, sent=True)


def _describe_lightgbm(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    booster = estimator.booster_
    known = booster.pandas_categorical or []
    declared = set(booster.params.get("categorical_column", []))
    # The codes, or the range, of each column in training.
    text = booster.model_to_string(num_iteration=1)
    codes = text.partition("\nfeature_infos=")[2].partition("\n")[0].split(" ")
    ways = list(itertools.islice(_placed(known, codes, declared, declared), 2))
    # The user may have declared a column of integers as categorical.
    ways = ways or list(itertools.islice(_placed(known, codes, declared, set()), 2))
    if len(ways) != 1:
        raise SignatureError(
            "LightGBM does not say which columns held ordered categories, and there are several "
            "that may have been: fit it on frame[column].cat.as_unordered()"
        )
    for place, categories in zip(ways[0], known, strict=True):
        features[columns[place]] = _category(features[columns[place]], categories, "passed")


def _placed(
    known: Sequence[Sequence[Any]],
    codes: Sequence[str],
    declared: Collection[int],
    needed: Collection[int],
    start: int = 0,
) -> Iterator[tuple[int, ...]]:
    """Each way to assign LightGBM's lists of categories, in their order, to its columns.

    LightGBM has a list for each column that was a category in pandas, and does not say for which.
    `declared` are the columns that it splits by category, which an ordered category is not;
    `needed` are the columns that must have a list.
    """
    if not known:
        if all(place < start for place in needed):
            yield ()
        return
    for place in range(start, len(codes)):
        if _holds(codes[place], known[0], declared=place in declared):
            for others in _placed(known[1:], codes, declared, needed, place + 1):
                yield (place, *others)
        if place in needed:
            return


def _holds(codes: str, categories: Sequence[Any], *, declared: bool) -> bool:
    """Whether a column with these codes, or this range, may have held these categories."""
    last = len(categories) - 1
    if not declared:
        return codes == f"[0:{last}]"
    return codes == "none" or all(int(code) <= last for code in codes.split(":"))


def _describe_xgboost(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    booster = estimator.get_booster()
    types = booster.feature_types or []
    known = _xgboost_categories(booster) if "c" in types else []
    for place, kind in enumerate(types):
        column = columns[place]
        if kind == BOOLEAN:
            features[column] = msgspec.structs.replace(
                features[column], kind="boolean", dtype="bool"
            )
        elif kind == "c" and known:
            features[column] = _category(features[column], known[place], "refused")
        elif kind == "c" and estimator.feature_types is None:
            raise SignatureError(
                f"XGBoost does not say which categories the column {features[column].name} has, "
                "and takes their numbers in the order of a frame that is gone: fit it with XGBoost "
                "3.1 or newer, or behind an OrdinalEncoder"
            )


def _xgboost_categories(booster: Any) -> list[list[Any]]:
    """The categories of each column, read from the model's JSON; `[]` if there are none.

    `Booster.get_categories` needs pyarrow. Source: the schema of XGBoost's models,
    doc/model.schema, and `src/data/cat_container.cc`, which writes them.
    """
    document = msgspec.json.decode(booster.save_raw("json"), type=_Document)
    own = document.learner.gradient_booster
    return [_decoded(column) for column in (own.gbtree or own).model.cats.enc]


def _decoded(column: _Values) -> list[Any]:
    """The categories of one column: numbers, or the texts between its offsets."""
    if column.offsets is None:
        return column.values
    # A byte is an int8. The offsets count characters, so bytes beyond ASCII are cut off.
    if any(byte < 0 for byte in column.values):
        raise SignatureError(
            "XGBoost 3 cuts the names of categories that are not ASCII when it saves a model: give "
            "them others, or fit it behind an OrdinalEncoder"
        )
    text = bytes(column.values).decode()
    return [text[start:stop] for start, stop in itertools.pairwise(column.offsets)]


def _category(feature: Feature, categories: Sequence[Any], unknown: Unknown) -> Feature:
    """A column that was a category in pandas, with these categories."""
    values = tuple(plain(value) for value in np.asarray(categories, dtype=object).tolist())
    return Feature(
        name=feature.name,
        kind=kind_of(values),
        categories=values,
        unknown=unknown,
        dtype="category",
    )
