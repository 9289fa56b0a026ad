"""Older versions of scikit-learn."""

from __future__ import annotations

from sklearn.linear_model import LinearRegression

from api.versions import InputTags, find, older_tags


def test_a_class_that_this_scikit_learn_lacks_is_one_that_nothing_is_of() -> None:
    for module in ("sklearn.nowhere", "sklearn.linear_model"):
        assert not isinstance(LinearRegression(), find(module, "OfTomorrow"))


def test_the_tags_of_older_versions_are_read() -> None:
    tags = older_tags({"X_types": ["2darray", "string"], "allow_nan": True})
    assert tags == InputTags(two_d_array=True, string=True, allow_nan=True)
    assert not older_tags({"X_types": ["1darray"], "allow_nan": False}).two_d_array
