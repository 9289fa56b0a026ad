"""What a row must look like, read off a fitted estimator.

The facts come from scikit-learn's own attributes (developer guide, "Developing scikit-learn
estimators"): `n_features_in_`, `feature_names_in_`, the tags, and the `categories_` of encoders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, LabelBinarizer, LabelEncoder
from sklearn.utils import get_tags

Kind = Literal["number", "string", "boolean", "any"]
Form = Literal["table", "text", "labels", "mapping"]
Unknown = Literal["refused", "passed"]

NAN = float("nan")
SCALARS = (str, int, float)
PLAIN_NUMBERS = (1.0, 0.5, 2.0, 0.0, -1.0)
# Where meta-estimators keep what they have fitted, the one that predicts first.
INNER = (
    "best_estimator_",
    "regressor_",
    "estimator_",
    "_preprocessor",
    "estimators_",
    "calibrated_classifiers_",
    "estimator",
)


class SignatureError(Exception):
    """The estimator does not say, or not in a way we can serve, what its rows look like."""


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of a row.

    `categories` are the values the encoder of this column has seen; an `unknown` one is
    "refused" by that encoder or "passed" through it. `missing` says whether null is accepted,
    `null` what stands for it in the estimator's input.
    """

    name: str
    kind: Kind = "number"
    missing: bool = False
    categories: tuple[Any, ...] | None = None
    unknown: Unknown | None = None
    null: Any = NAN


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a model: its features in the model's order, and the form its input takes.

    `table`: rows of features. `text`: one string a row. `labels`: one label a row.
    `mapping`: objects with keys of their own. `named` says whether the model was fitted on a
    DataFrame, `frame` whether it must be given one.
    """

    form: Form = "table"
    features: tuple[Feature, ...] = ()
    named: bool = False
    frame: bool = False

    @property
    def numeric(self) -> bool:
        """Whether rows are nothing but numbers, so that they can be one array of float64."""
        return self.form == "table" and all(
            f.kind == "number" and f.categories is None for f in self.features
        )


def read(estimator: Any, card: Mapping[str, Any] | Sequence[str] | None = None) -> Signature:
    """Read the signature of a fitted estimator.

    `card` is what the sidecar says of the features: their names, which stand in where the
    estimator does not know them, and perhaps the `dtype` of each.

    Whether missing values are accepted is not read here: the engine tries it.
    Raises SignatureError where there is nothing to read.
    """
    names = list(card) if card else None
    source = estimator if _width(estimator) is not None else _first(estimator)
    width = _width(source)
    if width is None:
        return _without_width(source, names)
    known = getattr(source, "feature_names_in_", None)
    named = known is not None
    if known is None:
        known = names if names and len(names) == width else [f"x{i}" for i in range(width)]
    dtypes = card if isinstance(card, Mapping) else {}
    features = [
        Feature(name=str(name), kind="boolean" if _is_boolean(dtypes.get(name)) else "number")
        for name in known
    ]
    _describe(estimator, range(width), features)
    frame = named and (
        any(f.kind != "number" or f.categories is not None for f in features)
        or any(isinstance(p, ColumnTransformer) or _is_free(p) for p in parts(estimator))
    )
    return Signature(features=tuple(features), named=named, frame=frame)


def _is_boolean(facts: Any) -> bool:
    """Whether the card says that this feature was true or false in training."""
    return isinstance(facts, dict) and facts.get("dtype") in ("bool", "boolean")


def plain_rows(signature: Signature) -> list[Any]:
    """A few different rows of the right form, which a model is likely to accept."""
    if signature.form == "mapping":
        return [{"a": 1.0}, {"b": 2.0}, {}]
    return [
        tuple(_plain_value(feature, i + j) for j, feature in enumerate(signature.features))
        for i in range(len(PLAIN_NUMBERS))
    ]


def _plain_value(feature: Feature, i: int) -> Any:
    if feature.categories:
        return feature.categories[i % len(feature.categories)]
    values = {"string": "abcde"[i % 5], "boolean": i % 2 == 0}
    return values.get(feature.kind, PLAIN_NUMBERS[i % 5])


def parts(estimator: Any) -> Iterator[Any]:
    """Walk through every estimator inside an estimator, itself first."""
    seen: set[int] = set()
    waiting = [estimator]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, BaseEstimator):
            yield value
            waiting.extend(vars(value).values())
            continue
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, (list, tuple)):
            continue
        waiting.extend(inner for inner in value if not isinstance(inner, SCALARS))


def _without_width(first: Any, names: Sequence[str] | None) -> Signature:
    """Read an estimator whose input is not a table of `n_features_in_` columns."""
    tags = get_tags(first).input_tags
    if _takes_text(first):
        return Signature(form="text", features=(Feature(name="text", kind="string"),))
    if tags.dict:
        return Signature(form="mapping")
    if tags.one_d_array:
        return Signature(features=(Feature(name="x0"),))
    if isinstance(first, (LabelEncoder, LabelBinarizer)):
        return Signature(form="labels", features=(_encoded("label", first.classes_, "refused"),))
    if names and tags.two_d_array:
        return Signature(features=tuple(Feature(name=name) for name in names))
    raise SignatureError(
        f"{type(first).__name__} does not say which features it takes: it has no n_features_in_. "
        'If it takes a table of numbers, name the columns in the card: {"features": ["a", "b"]}'
    )


def _describe(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    """Refine `features` by what `estimator` does with them; `columns` are the ones it is given."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            if step not in (None, "passthrough"):
                _describe(step, columns, features)
                if not _keeps_values(step):
                    break
    elif isinstance(estimator, ColumnTransformer):
        for name, positions in estimator._transformer_to_input_indices.items():
            transformer = estimator.named_transformers_.get(name)
            if isinstance(transformer, BaseEstimator):
                _describe(transformer, [columns[i] for i in positions], features)
    elif isinstance(estimator, FeatureUnion):
        for _, transformer in estimator.transformer_list:
            _describe(transformer, columns, features)
    elif hasattr(estimator, "categories_"):
        unknown = "refused" if getattr(estimator, "handle_unknown", None) == "error" else "passed"
        for column, categories in zip(columns, estimator.categories_, strict=True):
            features[column] = _encoded(features[column].name, categories, unknown)
    elif isinstance(estimator, SimpleImputer):
        if estimator.statistics_.dtype == object:
            null = None if estimator.missing_values is None else NAN
            for column in columns:
                features[column] = Feature(name=features[column].name, kind="string", null=null)
    elif _takes_text(estimator):
        for column in columns:
            features[column] = Feature(name=features[column].name, kind="string")
    elif _is_free(estimator):
        for column in columns:
            features[column] = Feature(name=features[column].name, kind="any")
    else:
        inner = _inside(estimator)
        if inner is not None:
            _describe(inner, columns, features)


def _encoded(name: str, categories: Any, unknown: Unknown) -> Feature:
    """Describe a column whose encoder knows these categories."""
    known = np.asarray(categories).tolist()
    values = tuple(value for value in known if value is not None and value == value)
    kinds = {_kind(value) for value in values}
    return Feature(
        name=name,
        kind=kinds.pop() if len(kinds) == 1 else "any",
        categories=values,
        unknown=unknown,
        null=None if None in known else NAN,
    )


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def _takes_text(estimator: Any) -> bool:
    """Whether its input is one string a row, as that of a CountVectorizer; an imputer's is not."""
    if not isinstance(estimator, BaseEstimator):
        return False
    tags = get_tags(estimator).input_tags
    # A FeatureHasher's is many strings a row.
    return tags.string and not tags.two_d_array and not hasattr(estimator, "input_type")


def _keeps_values(step: Any) -> bool:
    """Whether a transformer hands on its columns as they are, but for missing values."""
    if not type(step).__module__.startswith("sklearn.impute") or step.indicator_ is not None:
        return False
    return len(step.get_feature_names_out()) == step.n_features_in_


def _is_free(estimator: Any) -> bool:
    """Whether a transformer may take anything: somebody's own code, whose input nothing tells."""
    if isinstance(estimator, FunctionTransformer):
        return estimator.func is not None
    foreign = type(estimator).__module__.partition(".")[0] != "sklearn"
    return foreign and hasattr(estimator, "transform") and not hasattr(estimator, "predict")


def _first(estimator: Any) -> Any:
    """Descend to the estimator that sees the rows first."""
    while True:
        if isinstance(estimator, Pipeline):
            steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
            inner = steps[0] if steps else None
        elif isinstance(estimator, FeatureUnion):
            inner = estimator.transformer_list[0][1]
        else:
            inner = _inside(estimator)
        if inner is None:
            return estimator
        estimator = inner


def _inside(estimator: Any) -> Any:
    """The estimator that a meta-estimator hands its rows to as they are, or None."""
    for name in INNER:
        inner = getattr(estimator, name, None)
        if isinstance(inner, (list, tuple)) and inner:
            inner = inner[0]
        if not isinstance(inner, BaseEstimator):
            inner = getattr(inner, "estimator", None)
        if isinstance(inner, BaseEstimator) and _width(inner) == _width(estimator):
            return inner
    return None


def _width(estimator: Any) -> int | None:
    return getattr(estimator, "n_features_in_", None)
