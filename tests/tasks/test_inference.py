"""Tasks as clients meet them: what is accepted, how far it is, what comes of it."""

from __future__ import annotations

from tests.tasks.conftest import ROW, House


def test_a_task_is_answered_as_predict_answers(house: House) -> None:
    rows = [ROW, {**ROW, "bill_length_mm": 50.0, "body_mass_g": 5500.0}]
    found = house.run(rows)
    assert found["predictions"] == house.client.post("/predict", json=rows).json["predictions"]
    assert (found["rows"], found["offset"], found["method"]) == (2, 0, "predict")


def test_classes_are_ranked_by_their_probabilities(house: House) -> None:
    found = house.run(ROW)
    (probabilities,) = house.client.post("/predict_proba", json=ROW).json["predictions"]
    assert [each["label"] for each in found["ranked"][0]] == ["Adelie", "Chinstrap", "Gentoo"]
    assert [each["probability"] for each in found["ranked"][0]] == probabilities
