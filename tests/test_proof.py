"""A difference between a plan and scikit-learn is found."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import sparse

from models.bound import Bound
from models.plan import compare, errors, proof

NAN, INF = np.nan, np.inf


def answers(result: Any) -> Any:
    """An engine that gives this, or raises it."""

    class Engine:
        def run(self, method: str, rows: Any) -> Any:
            if isinstance(result, Exception):
                raise result
            return result

    return Engine()


@pytest.mark.parametrize(
    ("expected", "given", "largest"),
    [
        (np.array([1.0, NAN, INF, -INF]), np.array([1.0, NAN, INF, -INF]), 0.0),
        (np.array(["a", "b"], dtype=object), np.array(["a", "b"], dtype=object), 0.0),
        (np.array([1, 2]), np.array([1, 2]), 0.0),
        (sparse.csr_matrix([[0.0, 1.0]]), np.array([[0.0, 1.0]]), 0.0),
        ([np.array([1.0]), np.array([2.0])], [np.array([1.0]), np.array([2.0])], 0.0),
        (np.array([3.0]), np.array([3.0 + 4e-16]), 1.5e-16),
        # Next to zero what counts is the size of the other numbers.
        (np.array([1.0, 1.0, 1e-17]), np.array([1.0, 1.0, 2e-17]), 1e-17),
    ],
)
def test_what_is_alike_passes(expected: Any, given: Any, largest: float) -> None:
    rows = np.zeros((1, 1))
    found = compare.compare("predict", answers(expected), answers(given), [rows])[0]
    assert found == pytest.approx(largest, rel=0.2)


@pytest.mark.parametrize(
    ("expected", "given", "sentence"),
    [
        (np.array([1.0]), np.array([1.0 + 1e-9]), "a number differs by 1.0e-09 of its size"),
        (np.array([1.0]), np.array([NAN]), "a number differs"),
        (np.array([NAN]), np.array([1.0]), "a number differs"),
        (np.array([INF]), np.array([1.0]), "a number differs"),
        (np.array(["a"]), np.array(["b"]), "a label is another"),
        (np.array([1]), np.array([2]), "a label is another"),
        (np.zeros((2, 1)), np.zeros(2), r"the shape is \(2,\), not \(2, 1\)"),
        (ValueError(), np.zeros(1), "the plan answers a row that scikit-learn refuses"),
        (np.zeros(1), ValueError("why"), "refuses a row that scikit-learn answers: why"),
        (np.zeros(1), TypeError("why"), r"the plan fails on a row \(TypeError: why\)"),
        (ValueError(), TypeError(), r"the plan fails on a row \(TypeError\)"),
    ],
)
def test_what_is_not_alike_is_told(expected: Any, given: Any, sentence: str) -> None:
    with pytest.raises(errors.Difference, match=sentence):
        compare.compare("predict", answers(expected), answers(given), [np.zeros((1, 1))])


def test_a_row_that_both_refuse_is_alike() -> None:
    refused = ValueError("infinity")
    found = compare.compare("predict", answers(refused), answers(refused), [np.zeros((1, 1))])
    assert found[:2] == (0.0, 0)


def test_rows_beside_one_that_is_refused_are_compared() -> None:
    class Engine:
        def run(self, method: str, rows: Any) -> Any:
            if (rows == 9).any():
                raise ValueError("nine")
            return rows.sum(axis=1)

    rows = np.arange(3000.0).reshape(1500, 2)
    engine: Any = Engine()
    assert compare.compare("predict", engine, engine, [rows])[:2] == (0.0, 1499)
    found = proof.prove("predict", engine, engine, [rows])
    assert found.rows == 1499
    assert set(found.faster) == {1, 64, 1024}


def test_a_model_that_refuses_everything_is_not_proven() -> None:
    refused = answers(ValueError("never"))
    with pytest.raises(errors.Difference, match="scikit-learn answered only 0 of the rows"):
        proof.prove("predict", refused, refused, [np.zeros((16, 2))] * 3)


def test_a_model_for_whose_proof_there_is_no_time_is_not_proven() -> None:
    for result in (np.zeros(1), ValueError("never")):
        slow = answers(result)
        batches = [np.zeros((1, 2))] * 2000
        with pytest.raises(errors.Difference, match="0 seconds were enough for . rows only"):
            proof.prove("predict", slow, slow, batches, Bound(0).left)


def test_only_as_many_rows_are_compared_as_there_is_time_for() -> None:
    class Slow:
        calls: ClassVar[list[int]] = []

        def run(self, method: str, rows: Any) -> Any:
            self.calls.append(len(rows))
            end = time.process_time() + 0.001 * len(rows)
            while time.process_time() < end:
                pass
            return np.zeros(len(rows))

    engine: Any = Slow()
    started = time.process_time()
    _, rows, _ = compare.compare(
        "predict", engine, engine, [np.zeros((10_000, 1))] * 9, Bound(1).left
    )
    assert 32 < rows < 500
    assert max(engine.calls) < 500
    assert time.process_time() - started < 3


def test_a_call_that_takes_long_is_measured_once() -> None:
    calls: list[float] = []

    def slow() -> None:
        calls.append(proof.MAX_REPEATED_SECONDS + 0.05)
        time.sleep(calls[-1])

    assert proof.best(slow) > proof.MAX_REPEATED_SECONDS
    assert len(calls) == 1
