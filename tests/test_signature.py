"""What a row must look like is read off estimators of every build."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    LabelEncoder,
    MultiLabelBinarizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from models.signature.composition import parts
from models.signature.read import read
from models.signature.types import Feature, Signature, SignatureError, plain_rows
from tests.conftest import Serve

FRAME = pd.DataFrame(
    {
        "size": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "city": ["Oslo", "Rome", "Oslo", "Rome", "Oslo", "Rome"],
        "floor": [1, 2, 3, 1, 2, 3],
        "new": [True, False, True, False, True, False],
        "note": ["aa bb", "bb cc", "cc dd", "aa bb", "bb cc", "cc dd"],
    }
)
Y = [0, 1, 0, 1, 0, 1]
TEXTS = list(FRAME["note"])


class Custom(TransformerMixin, BaseEstimator):
    """Somebody's own transformer."""

    def fit(self, X: Any, y: Any = None) -> Custom:
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X, dtype=float)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def facts(signature: Signature) -> list[tuple[Any, ...]]:
    return [(f.name, f.kind, f.categories, f.unknown) for f in signature.features]


def test_an_array_gives_numbered_features_that_are_numbers() -> None:
    signature = read(LinearRegression().fit(np.ones((3, 2)), [1, 2, 3]))
    assert facts(signature) == [("x0", "number", None, None), ("x1", "number", None, None)]
    assert (signature.named, signature.frame, signature.numeric) == (False, False, True)


def test_a_data_frame_of_numbers_gives_names_and_needs_no_frame() -> None:
    signature = read(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME[["size", "floor"]], Y)
    )
    assert [f.name for f in signature.features] == ["size", "floor"]
    assert (signature.named, signature.frame, signature.numeric) == (True, False, True)


def test_a_card_names_the_features_of_an_array() -> None:
    estimator = LinearRegression().fit(np.ones((3, 2)), [1, 2, 3])
    assert [f.name for f in read(estimator, ["a", "b"]).features] == ["a", "b"]
    assert [f.name for f in read(estimator, ["a"]).features] == ["x0", "x1"]


def columns(**kwargs: Any) -> ColumnTransformer:
    return make_column_transformer(
        (StandardScaler(), ["size"]),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(**kwargs)),
            ["city", "floor"],
        ),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["new"]),
        (CountVectorizer(), "note"),
    )


def test_a_column_transformer_tells_kinds_and_categories() -> None:
    signature = read(make_pipeline(columns(), LogisticRegression()).fit(FRAME, Y))
    assert facts(signature) == [
        ("size", "number", None, None),
        ("city", "string", ("Oslo", "Rome"), "refused"),
        ("floor", "number", (1, 2, 3), "refused"),
        ("new", "boolean", (False, True), "passed"),
        ("note", "string", None, None),
    ]
    assert signature.frame
    assert not signature.numeric


def test_an_encoder_that_ignores_unknown_categories_lets_them_pass() -> None:
    signature = read(columns(handle_unknown="ignore").fit(FRAME, Y))
    assert signature.features[1].unknown == "passed"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: GridSearchCV(model, {}, cv=2),
        lambda model: CalibratedClassifierCV(model, cv=2),
        lambda model: VotingClassifier([("a", model)]),
        lambda model: make_pipeline("passthrough", model),
        lambda model: make_pipeline(FunctionTransformer(), model),
    ],
)
def test_the_signature_is_seen_through_meta_estimators(wrap: Any) -> None:
    model = make_pipeline(columns(), LogisticRegression())
    signature = read(wrap(model).fit(FRAME, Y))
    kinds = [f.kind for f in signature.features]
    if isinstance(
        wrap(model).steps[0][1] if hasattr(wrap(model), "steps") else None, FunctionTransformer
    ):
        # What comes behind a transformer may take anything, which a trial finds out.
        assert kinds == ["any"] * 5
    else:
        assert kinds == ["number", "string", "number", "boolean", "string"]


def test_every_branch_of_an_ensemble_is_read() -> None:
    numbers = make_pipeline(
        make_column_transformer((StandardScaler(), ["size"])), LogisticRegression()
    )
    words = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"])), LogisticRegression()
    )
    frame = FRAME[["size", "city"]]
    model = StackingClassifier([("numbers", numbers), ("words", words)], cv=2).fit(frame, Y)
    assert [f.kind for f in read(model).features] == ["number", "string"]


def test_a_column_that_the_model_does_not_use_may_hold_anything(serve: Serve) -> None:
    columns = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["city"]))
    model = make_pipeline(columns, LogisticRegression()).fit(FRAME[["note", "size", "city"]], Y)
    client = serve(model)
    features = client.get("/metadata").json["features"]
    assert features[0] == {"name": "note", "type": "unused", "missing": True}
    own = model.predict_proba(FRAME[["note", "size", "city"]]).tolist()
    rows = json.loads(FRAME[["note", "size", "city"]].to_json(orient="records"))
    assert client.post("/predict_proba", json=rows).json["predictions"] == own
    rows[0]["note"], rows[1]["note"], rows[2]["note"] = None, 5, True
    assert client.post("/predict_proba", json=rows).json["predictions"] == own
    lines = FRAME[["note", "size", "city"]].to_csv(index=False)
    answer = client.post("/predict_proba", data=lines, content_type="text/csv")
    assert answer.json["predictions"] == own
    rows[0]["note"] = [1]
    assert client.post("/predict_proba", json=rows).status_code == 422


def test_histogram_boosting_with_numbered_categories_takes_numbers() -> None:
    rows = np.array([[0.5, 0], [1.5, 1], [2.5, 0], [3.5, 1], [4.5, 0], [5.5, 1]])
    model = HistGradientBoostingClassifier(categorical_features=[1], max_iter=2).fit(rows, Y)
    assert [f.kind for f in read(model).features] == ["number", "number"]


def test_a_target_encoder_lets_unknown_categories_pass() -> None:
    signature = read(TargetEncoder(cv=2).fit(FRAME[["city"]], Y))
    assert facts(signature) == [("city", "string", ("Oslo", "Rome"), "passed")]


def test_a_union_is_read_part_by_part() -> None:
    signature = read(make_union(OneHotEncoder(), OrdinalEncoder()).fit(FRAME[["city"]], Y))
    assert signature.features[0].categories == ("Oslo", "Rome")


def test_what_stands_for_a_missing_category_is_the_encoders_own() -> None:
    for null in (None, np.nan):
        encoder = OneHotEncoder().fit(np.array([["a"], [null]], dtype=object))
        feature = read(encoder).features[0]
        assert feature.categories == ("a",)
        assert (feature.null is None) == (null is None)


def test_an_imputer_of_words_takes_words() -> None:
    for null in (None, np.nan):
        words = np.array([["a"], ["a"], [null]], dtype=object)
        imputer = SimpleImputer(strategy="most_frequent", missing_values=null).fit(words)
        feature = read(imputer).features[0]
        assert (feature.kind, feature.null is None) == ("string", null is None)


@pytest.mark.filterwarnings("ignore:Skipping features")
def test_an_imputer_that_drops_a_column_hides_what_comes_behind_it() -> None:
    rows = np.array([[1.0, np.nan], [2.0, np.nan]])
    model = make_pipeline(SimpleImputer(), OneHotEncoder()).fit(rows)
    assert [f.categories for f in read(model).features] == [None, None]


def test_an_imputer_with_an_indicator_hides_what_comes_behind_it() -> None:
    rows = np.array([[1.0], [np.nan]])
    model = make_pipeline(KNNImputer(add_indicator=True), OneHotEncoder()).fit(rows)
    assert read(model).features[0].categories is None


def test_histogram_boosting_tells_its_categories() -> None:
    frame = FRAME[["size", "city"]].astype({"city": "category"})
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=2).fit(
        frame, Y
    )
    signature = read(model)
    assert signature.features[1].kind == "string"
    assert signature.frame


def test_a_function_may_take_anything() -> None:
    signature = read(
        make_pipeline(FunctionTransformer(np.nan_to_num), LinearRegression()).fit(
            FRAME[["size"]], Y
        )
    )
    assert signature.features[0].kind == "any"
    assert signature.frame


def test_a_ufunc_of_numpy_takes_numbers() -> None:
    signature = read(
        make_pipeline(FunctionTransformer(np.log1p), LinearRegression()).fit(FRAME[["size"]], Y)
    )
    assert signature.numeric
    assert not signature.frame


def test_somebodys_own_transformer_may_take_anything() -> None:
    signature = read(make_pipeline(Custom(), LinearRegression()).fit(np.ones((3, 2)), [1, 2, 3]))
    assert [f.kind for f in signature.features] == ["any", "any"]
    assert not signature.frame


@pytest.mark.parametrize(
    "model",
    [
        TfidfVectorizer().fit(TEXTS),
        make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, Y),
        GridSearchCV(make_pipeline(CountVectorizer(), LogisticRegression()), {}, cv=2).fit(
            TEXTS, Y
        ),
        FeatureUnion([("a", CountVectorizer()), ("b", TfidfVectorizer())]).fit(TEXTS),
        make_pipeline("passthrough", CountVectorizer()).fit(TEXTS),
        TransformedTargetRegressor(make_pipeline(CountVectorizer(), LinearRegression())).fit(
            TEXTS, Y
        ),
    ],
)
def test_text_is_one_string_a_row(model: Any) -> None:
    signature = read(model)
    assert (signature.form, facts(signature)) == ("text", [("text", "string", None, None)])


def test_other_forms_of_input() -> None:
    assert read(DictVectorizer().fit([{"a": 1}])).form == "mapping"
    assert read(FeatureHasher()).form == "mapping"
    assert facts(read(IsotonicRegression().fit([1, 2, 3], [1, 2, 3]))) == [
        ("x0", "number", None, None)
    ]
    labels = read(LabelEncoder().fit(["b", "a"]))
    assert (labels.form, facts(labels)) == ("labels", [("label", "string", ("a", "b"), "refused")])


class Plain:
    """A step that is no scikit-learn estimator, but has the methods of one."""

    def fit(self, X: Any, y: Any = None) -> Plain:
        return self

    def transform(self, X: Any) -> Any:
        return X


def test_a_step_that_is_no_estimator_tells_nothing() -> None:
    model = make_pipeline(Plain(), LinearRegression())
    model.steps[1][1].fit([[1.0], [2.0]], [1, 2])
    with pytest.raises(SignatureError, match="Plain does not say"):
        read(model)
    assert facts(read(model, ["size"])) == [("size", "any", None, None)]


def test_a_pipeline_of_imputers_alone_takes_numbers() -> None:
    signature = read(make_pipeline(SimpleImputer(), KNNImputer()).fit([[1.0], [np.nan]]))
    assert facts(signature) == [("x0", "number", None, None)]


class Silent(BaseEstimator):
    """An estimator that does not tell how many features it takes."""

    def predict(self, X: Any) -> Any:
        return np.asarray(X).sum(axis=1)


def test_features_of_the_same_name_are_refused() -> None:
    estimator = StandardScaler().fit([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(SignatureError, match="two features have the name size"):
        read(estimator, ["size", "size"])


def test_an_estimator_that_tells_nothing_needs_a_card() -> None:
    with pytest.raises(SignatureError, match="Silent does not say which features it takes"):
        read(Silent())
    assert facts(read(Silent(), ["a", "b"])) == [
        ("a", "any", None, None),
        ("b", "any", None, None),
    ]


@pytest.mark.parametrize(
    "estimator",
    [
        MultiLabelBinarizer().fit([["a"], ["b"]]),
        FeatureHasher(input_type="string"),
        make_pipeline("passthrough"),
    ],
)
def test_input_that_is_no_row_is_refused(estimator: Any) -> None:
    with pytest.raises(SignatureError):
        read(estimator)


def test_the_parts_of_an_estimator_are_walked_through_once() -> None:
    forest = RandomForestClassifier(n_estimators=3).fit(np.ones((4, 2)), [0, 1, 0, 1])
    model = make_pipeline(StandardScaler(), GridSearchCV(forest, {}, cv=2)).fit(
        np.eye(4, 2), [0, 1, 0, 1]
    )
    model.loop_ = {"itself": model}
    kinds = [type(part).__name__ for part in parts(model)]
    assert kinds.count("Pipeline") == 1
    assert kinds.count("DecisionTreeClassifier") == 8


def test_plain_rows_differ_and_keep_to_the_categories() -> None:
    signature = Signature(
        features=(
            Feature(name="a"),
            Feature(name="b", kind="string"),
            Feature(name="c", kind="boolean"),
            Feature(name="d", categories=("x", "y"), kind="string"),
        )
    )
    rows = plain_rows(signature)
    assert len(set(rows)) == len(rows) == 5
    assert {row[3] for row in rows} == {"x", "y"}
    assert plain_rows(Signature(form="mapping"))[0] == {"a": 1.0}


class Wrapper(BaseEstimator):
    """Somebody's own class around what does the predicting."""

    def __init__(self, model: Any = None) -> None:
        self.model = model

    def fit(self, X: Any, y: Any = None) -> Wrapper:
        self.model_ = self.model.fit(X, y)
        return self

    def predict(self, X: Any) -> Any:
        return self.model_.predict(X)


class SaysItsWidth(Wrapper):
    """One that says how many features it takes, and looks at a column itself."""

    def fit(self, X: Any, y: Any = None) -> SaysItsWidth:
        self.scaler_ = StandardScaler().fit(X[["size"]])
        super().fit(X, y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        return np.where(X["new"], 1, super().predict(X))


def test_a_wrapper_of_somebodys_own_is_looked_through() -> None:
    pipeline = make_pipeline(columns(), LogisticRegression())
    wrapped = Wrapper(pipeline).fit(FRAME, Y)
    assert read(wrapped) == read(wrapped.model_)


def test_a_wrapper_is_given_a_frame_and_may_look_at_what_its_estimator_drops() -> None:
    mixed = make_column_transformer((OneHotEncoder(), ["city"]), (StandardScaler(), ["size"]))
    signature = read(SaysItsWidth(make_pipeline(mixed, LogisticRegression())).fit(FRAME, Y))
    assert signature.frame
    assert facts(signature) == [
        ("size", "number", None, None),
        ("city", "string", ("Oslo", "Rome"), "refused"),
        ("floor", "any", None, None),
        ("new", "any", None, None),
        ("note", "any", None, None),
    ]


def test_a_wrapper_around_what_is_not_fitted_tells_nothing() -> None:
    with pytest.raises(SignatureError, match="Wrapper does not say which features it takes"):
        read(Wrapper(LinearRegression()))


def test_a_wrapper_around_text_takes_text() -> None:
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    assert read(Wrapper(pipeline).fit(TEXTS, Y)).form == "text"
