"""One engine call answers all who wait, and nobody pays for somebody else's rows."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.batching import MERGED_ROWS, Batcher
from api.calls import Ticket
from api.errors import Busy
from models.engines import OneRow
from models.errors import RowRejected

BOUND = 10


class Doubling:
    """An engine that doubles, notes its calls, and waits for a gate in the first one."""

    def __init__(
        self, *, batchable: bool = True, gated: bool = False, concurrent: Sequence[str] = ()
    ) -> None:
        self.batchable = batchable
        self.concurrent = concurrent
        self.one_row: dict[str, OneRow] = {}
        self.calls: list[tuple[str, int]] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        if not gated:
            self.gate.set()

    def refuses(self, method: str, error: Exception) -> bool:
        return isinstance(error, (ValueError, TypeError))

    def run(self, method: str, rows: Any) -> Any:
        self.calls.append((method, len(rows)))
        self.entered.set()
        assert self.gate.wait(BOUND)
        array = np.asarray(rows, dtype=float)
        if (array < 0).any():
            raise ValueError("negative\nand more")
        if (array == 13).any():
            raise RuntimeError("broken")
        return array[:, 0] * 2


def together(
    engine: Doubling, batcher: Batcher, requests: Sequence[Callable[[], Any]]
) -> list[Any]:
    """Run the first request into the gate, queue the others behind it, open the gate."""
    outcomes: list[Any] = [None] * len(requests)

    def call(i: int) -> None:
        try:
            outcomes[i] = requests[i]()
        except Exception as error:
            outcomes[i] = error

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(requests))]
    threads[0].start()
    assert engine.entered.wait(BOUND)
    for count, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(batcher._queue) < count and thread.is_alive():
            thread.join(0.001)
    engine.gate.set()
    for thread in threads:
        thread.join(BOUND)
        assert not thread.is_alive()
    return outcomes


def rows(*values: float) -> np.ndarray:
    return np.array(values, dtype=float).reshape(-1, 1)


def ask(batcher: Batcher, *values: float, method: str = "predict") -> Callable[[], Any]:
    return lambda: batcher.run(method, rows(*values)).tolist()


def test_a_request_alone_is_answered_at_once() -> None:
    engine = Doubling()
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    assert [ask(batcher, 1, 2)(), ask(batcher, 3)()] == [[2, 4], [6]]
    assert engine.calls == [("predict", 2), ("predict", 1)]


def test_those_who_wait_share_one_call() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    outcomes = together(engine, batcher, [ask(batcher, i, -i * 0) for i in range(5)])
    assert outcomes == [[2 * i, 0] for i in range(5)]
    assert engine.calls == [("predict", 2), ("predict", 8)]


def test_rows_in_lists_are_joined_too() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    requests = [functools.partial(batcher.run, "predict", [(i,)]) for i in range(3)]
    assert np.array_equal(together(engine, batcher, requests), [[0], [2], [4]])
    assert engine.calls == [("predict", 1), ("predict", 2)]


def test_of_large_requests_the_first_goes_on_and_small_ones_come_in_between() -> None:
    own = Batcher(Doubling(), max_waiting=8, timeout=BOUND)
    for name, end, piece in [("b", 2, True), ("c", 3, True), ("small", 9, False), ("a", 1, True)]:
        own._queue.append(Ticket(name, rows(1), end, piece=piece))
    assert [own._next().method for _ in range(4)] == ["a", "b", "small", "c"]


def test_each_method_has_a_call_of_its_own() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    requests = [ask(batcher, i, method="ab"[i % 2]) for i in range(5)]
    assert together(engine, batcher, requests) == [[0], [2], [4], [6], [8]]
    assert engine.calls == [("a", 1), ("b", 2), ("a", 2)]


def test_an_engine_that_does_not_merge_is_called_for_each() -> None:
    engine = Doubling(batchable=False, gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    assert together(engine, batcher, [ask(batcher, i) for i in range(3)]) == [[0], [2], [4]]
    assert engine.calls == [("predict", 1)] * 3


def test_a_call_is_not_joined_beyond_a_number_of_rows() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    half = [1.0] * (MERGED_ROWS // 2)
    together(engine, batcher, [ask(batcher, 0), *[ask(batcher, *half)] * 3])
    assert [count for _, count in engine.calls] == [1, MERGED_ROWS, MERGED_ROWS // 2]


def test_a_bad_request_does_not_spoil_those_it_is_joined_with() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    requests = [ask(batcher, 0), ask(batcher, 1), ask(batcher, 5, -1), ask(batcher, 13)]
    first, good, refused, broken = together(engine, batcher, requests)
    assert (first, good) == ([0], [2])
    assert isinstance(refused, RowRejected)
    assert isinstance(broken, RuntimeError)
    assert ask(batcher, 4)() == [8]


def test_a_request_that_is_bad_in_two_ways_does_not_spoil_its_neighbours() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=BOUND)
    requests = [ask(batcher, 0), ask(batcher, 13, -1), ask(batcher, 5)]
    _, refused, good = together(engine, batcher, requests)
    assert isinstance(refused, RowRejected)
    assert good == [10]


@given(length=st.integers(1, 40), data=st.data())
def test_the_row_that_the_estimator_refuses_is_found(length: int, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, length - 1))
    values = [1.0] * length
    values[row] = -1.0
    with pytest.raises(RowRejected) as refused:
        ask(Batcher(Doubling(), max_waiting=8, timeout=BOUND), *values)()
    assert (refused.value.row, refused.value.reason) == (row, "negative")


def test_one_more_than_may_wait_is_turned_away() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=2, timeout=BOUND)
    *answered, turned_away = together(engine, batcher, [ask(batcher, i) for i in range(4)])
    assert answered == [[0], [2], [4]]
    assert isinstance(turned_away, Busy)
    assert turned_away.headers == {"Retry-After": "1"}


def test_connections_that_nobody_has_taken_up_count_as_waiting() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=2, timeout=BOUND, backlog=lambda: 2)
    first, turned_away = together(engine, batcher, [ask(batcher, i) for i in range(2)])
    assert first == [0]
    assert isinstance(turned_away, Busy)


def test_nobody_waits_longer_than_the_timeout() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=0.05)
    leader = threading.Thread(target=ask(batcher, 1))
    leader.start()
    assert engine.entered.wait(BOUND)
    with pytest.raises(Busy, match=r"no answer for 0\.05 seconds"):
        ask(batcher, 2)()
    assert batcher._queue == []
    engine.gate.set()
    leader.join(BOUND)
    assert ask(batcher, 3)() == [6]


def test_a_call_that_does_not_end_is_given_up_with_all_who_wait() -> None:
    engine = Doubling(gated=True)
    given_up: list[Any] = []
    batcher = Batcher(
        engine, max_waiting=8, timeout=0.8, hold=lambda: "held", give_up=given_up.append
    )
    outcomes: list[Any] = []

    def wait(value: float) -> None:
        try:
            ask(batcher, value)()
        except Busy as busy:
            outcomes.append(busy)

    threads = [threading.Thread(target=wait, args=(i,)) for i in range(3)]
    threads[0].start()
    assert engine.entered.wait(BOUND)
    # They come so late that their own time is not over when that of the call is.
    time.sleep(0.5)
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join(BOUND)
    assert len(outcomes) == 2
    threads[0].join(0.6)
    assert given_up == ["held"]
    with pytest.raises(Busy):
        ask(batcher, 9)()
    engine.gate.set()
    threads[0].join(BOUND)


def test_short_calls_are_not_given_up() -> None:
    given_up: list[Any] = []
    batcher = Batcher(Doubling(), max_waiting=8, timeout=0.1, give_up=given_up.append)
    for _ in range(6):
        assert ask(batcher, 1)() == [2]
        time.sleep(0.03)
    assert given_up == []


def test_a_cheap_method_waits_for_nobody() -> None:
    engine = Doubling(gated=True, concurrent=["predict"])
    batcher = Batcher(engine, max_waiting=0, timeout=BOUND)
    threads = [
        threading.Thread(target=batcher.run, args=("predict", np.array([[1.0]]))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    while len(engine.calls) < 3:
        time.sleep(0.001)
    engine.gate.set()
    for thread in threads:
        thread.join(BOUND)
    assert engine.calls == [("predict", 1)] * 3


def test_the_row_that_a_cheap_method_refuses_is_found() -> None:
    batcher = Batcher(Doubling(concurrent=["predict"]), max_waiting=1, timeout=BOUND)
    with pytest.raises(RowRejected) as refused:
        batcher.run("predict", np.array([[1.0], [2.0], [-1.0], [3.0]]))
    assert refused.value.row == 2


def test_many_rows_go_in_several_calls_so_that_others_come_in_between() -> None:
    engine = Doubling()
    rows = np.arange(100.0, 105.0 + 2 * MERGED_ROWS)[:, None]
    answer = Batcher(engine, max_waiting=1, timeout=BOUND).run("predict", rows)
    assert [count for _, count in engine.calls] == [MERGED_ROWS, MERGED_ROWS, 5]
    assert np.array_equal(answer, rows[:, 0] * 2)


def test_the_row_that_is_refused_among_many_is_found() -> None:
    rows = np.arange(100.0, 105.0 + 2 * MERGED_ROWS)[:, None]
    rows[MERGED_ROWS + 7] = -1
    with pytest.raises(RowRejected) as refused:
        Batcher(Doubling(), max_waiting=1, timeout=BOUND).run("predict", rows)
    assert refused.value.row == MERGED_ROWS + 7


def test_each_call_is_observed() -> None:
    engine = Doubling(gated=True)
    observed: list[tuple[int, int]] = []
    batcher = Batcher(
        engine,
        max_waiting=8,
        timeout=BOUND,
        observe=lambda rows, waiting: observed.append((rows, waiting)),
    )
    together(engine, batcher, [ask(batcher, i, i, method="ab"[i % 2]) for i in range(4)])
    assert observed == [(2, 0), (4, 1), (2, 0)]


def test_who_is_told_to_lead_as_the_time_runs_out_leads() -> None:
    batcher = Batcher(Doubling(), max_waiting=8, timeout=0.01)
    batcher._running = True
    outcome: list[Any] = []
    follower = threading.Thread(target=lambda: outcome.append(ask(batcher, 2)()))
    with batcher._mutex:
        follower.start()
    while not batcher._queue:
        follower.join(0.001)
    with batcher._mutex:
        # The moment between the end of the wait and the follower's look at the queue.
        follower.join(0.05)
        batcher._queue.pop().leads = True
    follower.join(BOUND)
    assert outcome == [[4]]


def test_who_is_in_a_call_that_hangs_is_let_go() -> None:
    engine = Doubling(gated=True)
    batcher = Batcher(engine, max_waiting=8, timeout=0.05)
    batcher._running = True
    outcome: list[Any] = []

    def wait() -> None:
        try:
            ask(batcher, 2)()
        except Busy as busy:
            outcome.append(busy)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not batcher._queue:
        waiting.join(0.001)
    with batcher._mutex:
        batcher._queue.clear()
    waiting.join(BOUND)
    assert len(outcome) == 1


def test_a_closed_batcher_ends_its_thread_and_starts_another_for_a_late_call() -> None:
    """Another version of the model has taken over, and a request is still inside."""
    batcher = Batcher(Doubling(), max_waiting=8, timeout=0.1, give_up=lambda _: None)
    before = threading.active_count()
    batcher.run("predict", [[1]])
    assert threading.active_count() == before + 1
    batcher.close()
    for _ in range(2):
        assert batcher.run("predict", [[2]]).tolist() == [4]
        end = time.monotonic() + BOUND
        while batcher._watched:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_batcher_that_nobody_has_any_more_ends_its_thread() -> None:
    batcher = Batcher(Doubling(), max_waiting=8, timeout=0.1, give_up=lambda _: None)
    before = set(threading.enumerate())
    batcher.run("predict", [[1]])
    [watching] = set(threading.enumerate()) - before
    del batcher
    watching.join(BOUND)
    assert not watching.is_alive()
