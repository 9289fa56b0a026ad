"""Vectorizers of texts and mappings."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

from ..builder import Builder, Raw, Table, Value, rule
from ..errors import NotCompiled
from ..format import INPUT

# Counts of these dtypes convert to float64 exactly.
EXACT = (np.int32, np.int64, np.float64)


@rule(CountVectorizer)
def count_vectorizer(builder: Builder, estimator: CountVectorizer, table: Table) -> Table:
    """How often each term of the vocabulary is in a text."""
    return builder.columns(
        counts(builder, estimator, table), len(estimator.vocabulary_), sparse=True
    )


@rule(TfidfVectorizer)
def tfidf_vectorizer(builder: Builder, estimator: TfidfVectorizer, table: Table) -> Table:
    """Counts, weighted as by a TfidfTransformer."""
    own = estimator._tfidf  # noqa: SLF001
    made = builder.columns(
        counts(builder, estimator, table), len(estimator.vocabulary_), sparse=True
    )
    return tfidf_transformer(builder, own, made)


@rule(TfidfTransformer)
def tfidf_transformer(builder: Builder, estimator: TfidfTransformer, table: Table) -> Table:
    """Counts, weighted by how rare the terms are, divided by the norm of their row."""
    settings: dict[str, Any] = {"sublinear": bool(estimator.sublinear_tf)}
    if hasattr(estimator, "idf_"):
        if estimator.idf_.dtype != np.float64:
            raise NotCompiled("weights of terms in single precision")
        settings["idf"] = estimator.idf_
    if estimator.norm is not None:
        settings["norm"] = estimator.norm
    value = builder.do("tf_idf", builder.sparse(table), **settings)
    return builder.columns(value, len(table), sparse=True)


@rule(DictVectorizer)
def dict_vectorizer(builder: Builder, estimator: DictVectorizer, table: Table) -> Table:
    """A number for each name, and a 1 for each pair of a name and a text."""
    raw(table)
    if np.dtype(estimator.dtype) != np.float64:
        raise NotCompiled(f"a DictVectorizer that makes {np.dtype(estimator.dtype)}")
    value = builder.do(
        "entries",
        INPUT,
        vocabulary={"places": ordered(estimator.vocabulary_)},
        separator=estimator.separator,
    )
    return builder.columns(value, len(estimator.vocabulary_), sparse=True)


def counts(builder: Builder, estimator: CountVectorizer, table: Table) -> Value:
    """The sparse counts of terms in a column of texts."""
    column = raw(table)
    if estimator.input != "content":
        raise NotCompiled(f"a vectorizer of texts in a {estimator.input}")
    for part in ("preprocessor", "tokenizer", "strip_accents", "analyzer"):
        given = getattr(estimator, part)
        if given is not None and not isinstance(given, str):
            raise NotCompiled(f"a vectorizer with a {part} of its own")
    if np.dtype(estimator.dtype) not in EXACT:
        raise NotCompiled(f"a vectorizer that makes {np.dtype(estimator.dtype)}")
    low, high = estimator.ngram_range
    settings = {
        "column": column.index,
        "vocabulary": {"places": ordered(estimator.vocabulary_)},
        "lower": bool(estimator.lowercase),
        "accents": estimator.strip_accents or None,
        "low": int(low),
        "high": int(high),
        "binary": bool(estimator.binary),
    }
    if estimator.analyzer != "word":
        within = estimator.analyzer == "char_wb"
        return builder.do("characters", INPUT, within=within, **settings)
    stop = sorted(estimator.get_stop_words() or ())
    settings |= {"pattern": estimator.token_pattern, "stop": {"places": stop}}
    return builder.do("words", INPUT, **settings)


def raw(table: Table) -> Raw:
    """The only input column of a vectorizer, a text as it is sent."""
    (column,) = table
    if not isinstance(column, Raw):
        raise NotCompiled("a vectorizer of a column that another step has categories of")
    return column


def ordered(vocabulary: dict[Any, int]) -> list[str]:
    """The terms in the order of their places."""
    if not all(isinstance(term, str) for term in vocabulary):
        raise NotCompiled("a vocabulary of other things than texts")
    return sorted(vocabulary, key=vocabulary.__getitem__)
