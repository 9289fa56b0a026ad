"""Texts and mappings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.engines import slice_results
from models.plan.builder import Builder
from models.plan.errors import NotCompiled
from models.plan.operations.sparse import nonzeros
from models.signature.types import Feature, Signature
from tests.plan.conftest import Prove
from tests.plan.samples import named

TEXTS = [
    "The quick brown fox jumps over the lazy dog",
    "Le renard brun saute par-dessus le chien paresseux, déjà fatigué",
    "Packages of 12 boxes, 5 dozen liquor jugs: all gone!",
    "Naïve café owners don't serve straße food",
    "the dog and the fox are friends; the dog is lazy",
    "Wer früher stirbt, ist länger tot",
    "free money now, win a prize, click here",
    "meeting at noon about the budget and the plan",
]
KINDS = np.array(["animals", "animals", "things", "things", "animals", "things", "spam", "work"])
SPAM = np.array([0, 0, 0, 1, 0, 1, 1, 0])
RECORDS = [
    {"city": "Berlin", "size": 3.5, "old": True},
    {"city": "Paris", "size": 2},
    {"city": "Rome", "old": False, "note": "a=b"},
    {"size": -1.25, "city=Paris": 2.0},
]


def own_tokenizer(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    "vectorizer",
    [
        CountVectorizer(),
        CountVectorizer(binary=True, dtype=np.float64),
        CountVectorizer(dtype=np.int32, lowercase=False, max_features=12),
        CountVectorizer(ngram_range=(1, 3), min_df=2),
        CountVectorizer(ngram_range=(2, 2), stop_words="english"),
        CountVectorizer(stop_words=["the", "fox"], strip_accents="unicode"),
        CountVectorizer(token_pattern=r"(?u)(\w)\w*", strip_accents="ascii"),
        CountVectorizer(analyzer="char", ngram_range=(1, 3)),
        CountVectorizer(analyzer="char", ngram_range=(3, 5), lowercase=False),
        CountVectorizer(analyzer="char_wb", ngram_range=(3, 6), strip_accents="unicode"),
        CountVectorizer(vocabulary={"dog": 1, "fox": 0, "missing": 2}),
        TfidfVectorizer(),
        TfidfVectorizer(norm="l1", sublinear_tf=True),
        TfidfVectorizer(use_idf=False),
        TfidfVectorizer(norm=None, smooth_idf=False, analyzer="char_wb", ngram_range=(2, 4)),
    ],
    ids=named,
)
def test_a_vectorizer_is_compiled(prove: Prove, vectorizer: CountVectorizer) -> None:
    prove(vectorizer.fit(TEXTS))


@pytest.mark.parametrize(
    "vectorizer",
    [
        CountVectorizer(tokenizer=own_tokenizer, token_pattern=None),
        CountVectorizer(analyzer=own_tokenizer),
        CountVectorizer(preprocessor=str.lower),
        CountVectorizer(strip_accents=str.lower),
        CountVectorizer(dtype=np.float32),
        TfidfVectorizer(dtype=np.float32),
        CountVectorizer(vocabulary={("the", "dog"): 0, "fox": 1}, ngram_range=(1, 1)),
        HashingVectorizer(n_features=16).fit(TEXTS),
    ],
    ids=named,
)
def test_a_vectorizer_with_a_part_of_its_own_is_left(
    prove: Prove, vectorizer: CountVectorizer
) -> None:
    prove(vectorizer.fit(TEXTS), left=["transform"])


def test_a_vectorizer_of_files_is_left(prove: Prove) -> None:
    vectorizer = CountVectorizer().fit(TEXTS).set_params(input="filename")
    prove(vectorizer, left=["transform"])


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(TfidfVectorizer(), LogisticRegression()),
        make_pipeline(CountVectorizer(), MultinomialNB()),
        make_pipeline(CountVectorizer(), TfidfTransformer(), LogisticRegression()),
        make_pipeline(
            CountVectorizer(), SelectKBest(chi2, k=9), TfidfTransformer(), MultinomialNB()
        ),
        make_pipeline(
            TfidfVectorizer(),
            TruncatedSVD(3, random_state=0),
            StandardScaler(),
            LogisticRegression(),
        ),
        make_pipeline(TfidfVectorizer(), RandomForestClassifier(5, random_state=0)),
        make_pipeline(
            FeatureUnion(
                [
                    ("words", TfidfVectorizer()),
                    ("letters", CountVectorizer(analyzer="char")),
                ],
                transformer_weights={"words": 0.3},
            ),
            LogisticRegression(),
        ),
    ],
    ids=named,
)
@pytest.mark.parametrize("target", [KINDS, SPAM], ids=["many", "two"])
def test_a_classifier_of_texts_is_compiled(
    prove: Prove, model: Pipeline, target: np.ndarray
) -> None:
    prove(model.fit(TEXTS, target))


def frame() -> pd.DataFrame:
    numbers = np.random.default_rng(0).normal(size=(len(TEXTS), 2))
    return pd.DataFrame(
        {"a": numbers[:, 0], "text": TEXTS, "b": numbers[:, 1], "title": TEXTS[::-1]}
    )


@pytest.mark.parametrize("sparse_threshold", [0.0, 1.0])
@pytest.mark.parametrize("weights", [None, {"title": 2.0, "numbers": 0.5}])
def test_columns_of_texts_stand_beside_numbers(
    prove: Prove, sparse_threshold: float, weights: dict[str, float] | None
) -> None:
    columns = ColumnTransformer(
        [
            ("text", TfidfVectorizer(), "text"),
            ("numbers", StandardScaler(), ["b", "a"]),
            ("title", CountVectorizer(analyzer="char"), "title"),
        ],
        sparse_threshold=sparse_threshold,
        transformer_weights=weights,
    )
    prove(make_pipeline(columns, LinearRegression()).fit(frame(), SPAM))
    prove(columns.fit(frame()))


def test_a_wide_table_is_not_written_out(prove: Prove) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{i}" for i in rng.integers(20_000, size=2_000)) for _ in range(8)]
    wide = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, SPAM)
    assert len(wide[0].vocabulary_) > 5_000
    prove(wide)
    prove(make_pipeline(TfidfVectorizer(), RandomForestClassifier(2)).fit(texts, SPAM), left=ALL)


ALL = ["predict", "predict_proba", "predict_log_proba"]


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("separator", ["=", "::"])
def test_mappings_are_compiled(prove: Prove, *, sparse: bool, separator: str) -> None:
    vectorizer = DictVectorizer(sparse=sparse, separator=separator)
    prove(vectorizer.fit(RECORDS))
    prove(make_pipeline(vectorizer, LogisticRegression()).fit(RECORDS, [0, 1, 1, 0]))


def test_mappings_in_single_precision_are_left(prove: Prove) -> None:
    prove(DictVectorizer(dtype=np.float32).fit(RECORDS), left=["transform"])


def test_mappings_with_names_that_are_no_texts_are_left(prove: Prove) -> None:
    prove(DictVectorizer().fit([{1: 2.0}]), left=["transform"])


def test_counts_in_single_precision_are_left(prove: Prove) -> None:
    counts = np.eye(4, dtype=np.float32)
    prove(TfidfTransformer().fit(counts), left=["transform"])


def test_a_text_that_has_categories_too_is_left(prove: Prove) -> None:
    columns = ColumnTransformer(
        [("words", CountVectorizer(), "title"), ("kinds", OneHotEncoder(), ["title"])]
    )
    prove(columns.fit(frame()), left=["transform"])


def test_counts_of_a_dense_table_are_weighted(prove: Prove) -> None:
    counts = np.random.default_rng(0).integers(0, 3, size=(20, 4)).astype(float)
    prove(make_pipeline(TfidfTransformer(), MultinomialNB()).fit(counts, np.arange(20) % 2))


def test_texts_are_no_numbers() -> None:
    builder = Builder(Signature(form="text", features=(Feature(name="text", kind="string"),)))
    with pytest.raises(NotCompiled, match="text where a number is expected"):
        builder.numbers(builder.table)


def test_a_sparse_column_is_not_taken_twice() -> None:
    builder = Builder(Signature(form="mapping"))
    value = builder.do("entries", 0, vocabulary={"places": ["a", "b"]}, separator="=")
    first, _ = builder.columns(value, 2, sparse=True)
    with pytest.raises(NotCompiled, match="taken twice"):
        builder.sparse((first, first))


def test_a_sparse_result_is_handed_out_in_parts() -> None:
    whole = nonzeros(np.array([[1.0, 0], [0, 2], [3, 4]]))
    assert len(slice_results(whole, 1, 3)) == 2
    assert slice_results(whole, 1, 3).toarray().tolist() == [[0, 2], [3, 4]]
    assert slice_results(whole, 3, 3).toarray().shape == (0, 2)
