"""Many columns of few: powers and splines."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

from ..builder import Builder, Column, Table, Value, rule
from ..errors import NotCompiled
from ..registry import as_named


@rule(PolynomialFeatures)
def polynomial_features(builder: Builder, estimator: PolynomialFeatures, table: Table) -> Table:
    """Products of columns: each is a product of a lower degree, multiplied by one column."""
    least, most = estimator._min_degree, estimator._max_degree  # noqa: SLF001
    x = builder.checked(table)
    made: list[Column] = []
    if estimator.include_bias:
        made += builder.columns(builder.do("ones", x), 1)
    value, before = x, [(i,) for i in range(len(table))]
    for degree in range(1, most + 1):
        if degree > 1:
            terms = list(
                estimator._combinations(  # noqa: SLF001
                    n_features=len(table),
                    min_degree=degree,
                    max_degree=degree,
                    interaction_only=estimator.interaction_only,
                    include_bias=False,
                )
            )
            if not terms:
                break
            place = {term: i for i, term in enumerate(before)}
            value = builder.do(
                "products",
                value,
                x,
                left=np.array([place[term[1:]] for term in terms]),
                right=np.array([term[0] for term in terms]),
            )
            before = terms
        if degree >= least:
            made += builder.columns(value, len(before))
    return tuple(made)


@rule(SplineTransformer, origins=as_named)
def spline_transformer(builder: Builder, estimator: SplineTransformer, table: Table) -> Table:
    """The values of B-splines, by de Boor's recursion."""
    degree, beyond = estimator.degree, estimator.extrapolation
    if degree == 0 and beyond == "constant":
        raise NotCompiled("a constant extrapolation of splines of degree 0")
    knots = np.array([spline.t for spline in estimator.bsplines_])
    count = estimator.bsplines_[0].c.shape[1]
    last = knots.shape[1] - degree - 1
    x = builder.checked(table, missing=estimator.handle_missing == "zeros")
    inside = x
    first = _first_knots(estimator)
    low, high = np.array([(own[i], own[-i - 1]) for own, i in zip(knots, first, strict=True)]).T
    if (low > high).any():
        raise NotCompiled("splines with so few knots")
    if beyond == "periodic":
        inside = builder.do("wrap", x, low=low, period=high - low)
    elif beyond in ("constant", "linear"):
        inside = builder.do("clip", x, low=low, high=high)
    elif beyond == "error":
        inside = builder.do("require_within", x, low=low, high=high)
    bins = builder.do("bins", inside, edges=knots[:, degree + 1 : last].copy())
    around, gaps = _neighborhoods(knots, degree)
    value = builder.do("splines", inside, bins, knots=around, gaps=gaps, degree=degree, count=count)
    if beyond in ("constant", "linear"):
        value = _beyond(builder, estimator, x, value, {False: low, True: high})
    if estimator.handle_missing == "zeros":
        value = builder.do("zeros_where_missing", value, x)
    value = builder.do("as_columns", value)
    made = builder.columns(value, len(table) * count)
    if estimator.include_bias:
        return made
    return tuple(column for i, column in enumerate(made) if (i + 1) % count)


def _neighborhoods(knots: np.ndarray, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """The knots around each interval of each column, and the gaps between these knots."""
    last = knots.shape[1] - degree - 1
    starts = np.arange(last - degree)[:, None] + np.arange(1, 2 * degree + 1)
    around = knots[:, starts]
    gaps = np.concatenate(
        [
            around[..., degree : degree + j] - around[..., degree - j : degree]
            for j in range(degree + 1)
        ],
        axis=2,
    )
    # Knots at one place add nothing: divide by infinity.
    return around, np.where(gaps == 0, np.inf, gaps)


def _first_knots(estimator: SplineTransformer) -> list[int]:
    """The number of the first inner knot of each column.

    For linear extrapolation scikit-learn counts from column to column, up to 2.
    """
    degree, columns = estimator.degree, len(estimator.bsplines_)
    if estimator.extrapolation != "linear":
        return [degree] * columns
    return [max(degree, min(degree + i, 2)) for i in range(columns)]


def _beyond(
    builder: Builder,
    estimator: SplineTransformer,
    x: Value,
    value: Value,
    edges: dict[bool, np.ndarray],
) -> Value:
    """Extrapolate the first splines below the first inner knot, the last splines above the last."""
    count = estimator.bsplines_[0].c.shape[1]
    linear = estimator.extrapolation == "linear"
    ends = [max(first, min(first + linear, 2)) for first in _first_knots(estimator)]
    own = np.arange(count) < np.array(ends)[:, None]
    for above, places in edges.items():
        splines = list(zip(estimator.bsplines_, places, strict=True))
        values = np.array([spline(place) for spline, place in splines])
        slopes = np.array([spline(place, nu=1) * linear for spline, place in splines])
        kept = own[:, ::-1] if above else own
        if linear or values[~kept].any():
            value = builder.do(
                "extrapolate",
                value,
                x,
                above=above,
                edges=places,
                values=np.where(kept, values, 0.0),
                slopes=np.where(kept, slopes, 0.0),
            )
    return value
