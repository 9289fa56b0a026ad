"""Results are taken apart and put together again, whatever they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from models.engines import concat_results, slice_results
from models.plan.operations.sparse import nonzeros

TABLE = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    "result",
    [
        TABLE,
        TABLE[:, 0],
        [TABLE, TABLE[:, :1]],
        (TABLE, TABLE.astype(int)),
        sparse.csr_matrix(TABLE),
        nonzeros(TABLE),
    ],
    ids=lambda result: type(result).__name__,
)
def test_the_parts_of_a_result_make_it_again(result: Any) -> None:
    again = concat_results(
        [slice_results(result, 0, 1), slice_results(result, 1, 3), slice_results(result, 3, 4)]
    )
    assert type(again) is type(result)
    outputs = (
        zip(again, result, strict=True) if isinstance(result, (list, tuple)) else [(again, result)]
    )
    for given, expected in outputs:
        dense = [x.toarray() if hasattr(x, "toarray") else x for x in (given, expected)]
        assert np.array_equal(*dense)
