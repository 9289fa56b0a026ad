"""What LightGBM, XGBoost and CatBoost know of the columns that they were fitted on.

None of them is imported: an estimator is known by the module of its class, or of one that its
class derives from.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from models.signature.types import Feature, Kind, SignatureError, Unknown, kind_of, plain

Library = Literal["lightgbm", "xgboost", "catboost"]

# What XGBoost calls the type of a column of booleans.
BOOLEAN = "i"


class _Values(msgspec.Struct):
    """The categories of one column of XGBoost's: texts, joined, or numbers of one type."""

    values: list[Any] = []
    offsets: list[int] | None = None


class _Categories(msgspec.Struct):
    enc: list[_Values] = []


class _Model(msgspec.Struct):
    cats: _Categories = msgspec.field(default_factory=_Categories)


class _Booster(msgspec.Struct):
    model: _Model = msgspec.field(default_factory=_Model)
    # That of DART lies within.
    gbtree: _Booster | None = None


class _Learner(msgspec.Struct):
    gradient_booster: _Booster


class _Document(msgspec.Struct):
    learner: _Learner


def library(estimator: Any) -> Library | None:
    """Which of the three libraries an estimator, or one that it derives from, is of."""
    for kind in type(estimator).__mro__:
        match kind.__module__.partition(".")[0]:
            case "lightgbm" | "xgboost" | "catboost" as found:
                return found
    return None


def names(estimator: Any) -> Sequence[str] | None:
    """The names of the columns, where CatBoost was fitted on a frame.

    The other two have them where scikit-learn has, in `feature_names_in_`.
    """
    if library(estimator) != "catboost":
        return None
    found = estimator.feature_names_ or []
    return None if found == [str(i) for i in range(len(found))] else found


def width(estimator: Any) -> int | None:
    """How many columns CatBoost was fitted on; its `n_features_in_` is 0 once it was saved."""
    return len(estimator.feature_names_ or []) if library(estimator) == "catboost" else None


def needs_names(estimator: Any) -> bool:
    """Whether it compares the names of its columns with those that it was fitted on."""
    return library(estimator) == "xgboost" and hasattr(estimator, "feature_names_in_")


def use_one_thread(estimator: Any) -> None:
    """Let a prediction of LightGBM's or XGBoost's take one thread, whatever it was fitted with.

    OpenMP starts a pool for each thread that calls it, and its threads spin while they wait: one
    row took LightGBM 16 ms on two busy cores, and 0.24 ms so. CatBoost has one pool in all, which
    made no difference, and no attribute for it.
    """
    match library(estimator):
        case "lightgbm":
            estimator.n_jobs = 1
        case "xgboost":
            estimator.n_jobs = 1
            # What a search has cloned to fit it is not fitted itself.
            if estimator.__sklearn_is_fitted__():
                estimator.get_booster().set_param({"nthread": 1})


def describe(estimator: Any, columns: Sequence[int], features: list[Feature]) -> bool:
    """Refine those of `features` that one of these libraries is given as `columns`.

    False if the estimator is of none of them. Raises SignatureError where a column held categories
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
        # It takes an integer for the category of its digits, and refuses a float.
        features[column] = Feature(name=features[column].name, kind=kind, sent=True)


def _describe_lightgbm(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    booster = estimator.booster_
    known = booster.pandas_categorical or []
    declared = set(booster.params.get("categorical_column", []))
    # The codes, or the range, that each column had in training.
    text = booster.model_to_string(num_iteration=1)
    codes = text.partition("\nfeature_infos=")[2].partition("\n")[0].split(" ")
    ways = list(itertools.islice(_placed(known, codes, declared, declared), 2))
    # A column of integers may have been declared by hand.
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
    """Each way to place LightGBM's lists of pandas' categories, in their order, on its columns.

    It has a list for each column that was a category in pandas, and does not say of which. Those
    that it splits by category are `declared`; an ordered category is not among them. Those that
    are `needed` must have a list.
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
    """Whether a column of these codes, or of this range, may have held these categories."""
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
    """The categories of each column, read from the model's JSON; `[]` if it has none.

    `Booster.get_categories` gives them to pyarrow only. Source: the schema of XGBoost's models,
    doc/model.schema, and `src/data/cat_container.cc`, which writes them.
    """
    document = msgspec.json.decode(booster.save_raw("json"), type=_Document)
    own = document.learner.gradient_booster
    return [_decoded(column) for column in (own.gbtree or own).model.cats.enc]


def _decoded(column: _Values) -> list[Any]:
    """The categories of one column: numbers, or what its bytes say from one offset to the next."""
    if column.offsets is None:
        return column.values
    # A byte is an int8. The offsets count characters, not bytes, and the rest is cut off.
    if any(byte < 0 for byte in column.values):
        raise SignatureError(
            "XGBoost 3 cuts the names of categories that are not ASCII when it saves a model: give "
            "them others, or fit it behind an OrdinalEncoder"
        )
    text = bytes(column.values).decode()
    return [text[start:stop] for start, stop in itertools.pairwise(column.offsets)]


def _category(feature: Feature, categories: Sequence[Any], unknown: Unknown) -> Feature:
    """A column that was a category in pandas, with these."""
    values = tuple(plain(value) for value in np.asarray(categories, dtype=object).tolist())
    return Feature(
        name=feature.name,
        kind=kind_of(values),
        categories=values,
        unknown=unknown,
        dtype="category",
    )
