"""Explain any model by its answers for mixtures of a row with rows of the background.

If there are few features, the model answers all coalitions of them, and the values are exact. Else
they are estimated by walks from a row of the background to the row to be explained: a walk takes
over one feature after another, in a random order, and a second walk in the reverse order
(Castro and others, "Polynomial calculation of the Shapley value based on sampling", 2009; Mitchell
and others, "Sampling Permutations for Shapley Value Estimation", 2022). The steps of a walk
add up to the difference of its ends, and equally many walks start from each row of the background,
so the estimates add up as the exact values do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from models.engines import Rows
from models.errors import Unexplained
from models.explain import Ask, Clock

# Mixtures for each row to be explained, and for all rows of a request.
MAX_MIXTURES_PER_ROW = 10_000
MAX_MIXTURES = 1_000_000
# Values in the mixtures of a request.
MAX_VALUES = 200_000_000
# Rows, and values, in one call of the model.
MAX_CALL_ROWS = 4096
MAX_CALL_VALUES = 4_000_000


class Permutation:
    """Explains by calls of the model alone; see `Explainer`.

    `ask` calls the method `output`; `players` are the features that the model looks at, `width` is
    the number of all. Raises Unexplained if there are too many features for a walk.
    """

    method = "permutation"

    def __init__(
        self, output: str, ask: Ask, background: Rows, players: Sequence[int], width: int
    ) -> None:
        self.output = output
        self._ask = ask
        self._players = np.asarray(players, dtype=int)
        self._width = width
        count = len(players)
        self.exact = count < 64 and 2**count * len(background) <= MAX_MIXTURES_PER_ROW
        if not self.exact and 2 * (count - 1) > MAX_MIXTURES_PER_ROW:
            most = MAX_MIXTURES_PER_ROW // 2 + 1
            raise Unexplained(f"This model has {count} features; at most {most} can be explained.")
        if not self.exact:
            most = MAX_MIXTURES_PER_ROW // (2 * (count - 1))
            background = background[:most]
        self._background = table(background)
        self._answers = ask(background)
        self.base = self._answers.mean(axis=0)
        masks, self._from = self._coalitions(count) if self.exact else self._walks(count)
        self._masks = np.zeros((len(masks), width), dtype=bool)
        self._masks[:, self._players] = masks
        size = len(masks)
        self.max_rows = max(1, min(MAX_MIXTURES // size, MAX_VALUES // (size * max(width, 1))))
        self._call = max(1, min(MAX_CALL_ROWS, MAX_CALL_VALUES // max(width, 1)))

    def contributions(self, rows: Rows, outputs: np.ndarray, clock: Clock) -> np.ndarray:
        """See `Explainer`."""
        given = table(rows)
        together = max(1, self._call // len(self._masks))
        found = np.zeros((len(given), self._width, outputs.shape[1]))
        for start in range(0, len(given), together):
            some = given[start : start + together]
            answers = self._answer(some, clock)
            for i, own in enumerate(np.split(answers, len(some)), start):
                found[i, self._players] = self._combine(own, outputs[i])
        return found

    def _answer(self, given: np.ndarray, clock: Clock) -> np.ndarray:
        """The model's answers for all mixtures of these rows, row by row."""
        size = len(self._masks)
        answers = []
        for start in range(0, size * len(given), self._call):
            clock()
            row, mixture = np.divmod(
                np.arange(start, min(start + self._call, size * len(given))), size
            )
            mixed = np.where(
                self._masks[mixture], given[row], self._background[self._from[mixture]]
            )
            answers.append(self._ask(as_rows(mixed)))
        return np.concatenate(answers)

    def _combine(self, answers: np.ndarray, output: np.ndarray) -> np.ndarray:
        """The value of each player, from the answers for all mixtures of one row."""
        width = len(output)
        if self.exact:
            values = answers.reshape(-1, len(self._background), width).mean(axis=1)
            weighed: np.ndarray = self._weights @ values
            return weighed
        walks = answers.reshape(len(self._orders), -1, width)
        starts = self._answers[self._starts][:, None]
        ends = np.broadcast_to(output, starts.shape)
        steps = np.diff(np.concatenate([starts, walks, ends], axis=1), axis=1)
        found = np.zeros((len(self._players), width))
        np.add.at(found, self._orders, steps / len(steps))
        return found

    def _coalitions(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """All coalitions of players as masks, each with all rows of the background."""
        numbers = np.arange(2**count)
        members = (numbers[:, None] >> np.arange(count) & 1).astype(bool)
        size = members.sum(axis=1)
        # The share of all orders in which a player comes directly after, or directly before, the
        # other members of a coalition.
        orders = [math.factorial(n) for n in range(count + 1)]
        after = [
            orders[max(n - 1, 0)] * orders[count - n] / orders[count] for n in range(count + 1)
        ]
        before = [
            orders[n] * orders[max(count - n - 1, 0)] / orders[count] for n in range(count + 1)
        ]
        self._weights = np.where(members.T, np.take(after, size), -np.take(before, size))
        rows = np.arange(len(self._background))
        return np.repeat(members, len(rows), axis=0), np.tile(rows, len(members))

    def _walks(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks for the steps of walks, of which equally many start from each row."""
        rows = len(self._background)
        often = max(1, MAX_MIXTURES_PER_ROW // (2 * (count - 1) * rows))
        generator = np.random.default_rng(0)
        orders = generator.permuted(np.tile(np.arange(count), (often * rows, 1)), axis=1)
        self._orders = np.concatenate([orders, orders[:, ::-1]])
        self._starts = np.tile(np.arange(rows), 2 * often)
        ranks = np.argsort(self._orders, axis=1)
        masks = ranks[:, None] < np.arange(1, count)[:, None]
        return masks.reshape(-1, count), np.repeat(self._starts, count - 1)


def table(rows: Rows) -> np.ndarray:
    """Rows as one array, of objects if some values are no numbers."""
    if isinstance(rows, np.ndarray):
        return rows
    array = np.empty((len(rows), len(rows[0])), dtype=object)
    array[:] = rows
    return array


def as_rows(array: np.ndarray) -> Rows:
    """The inverse of `table`."""
    return list(map(tuple, array.tolist())) if array.dtype == object else array
