"""The ring of windows: bounds, losses, gaps, labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.ring import MAX_COLUMNS, ScoreRing
from tests.dashboard.messages import STRIDE_S, scores


def filled(number: int, capacity: int = 100) -> ScoreRing:
    """A ring with windows of sure walking."""
    ring = ScoreRing(capacity)
    for seq in range(number):
        ring.append(scores(seq, seq * STRIDE_S, {"walk": 0.75, "none": 0.25}), revision=seq + 1)
    return ring


@given(number=st.integers(0, 60), capacity=st.integers(1, 20))
def test_the_ring_keeps_exactly_the_newest(number: int, capacity: int) -> None:
    rows = filled(number, capacity).rows()
    kept = min(number, capacity)
    assert rows.revision.tolist() == list(range(number - kept + 1, number + 1))


@given(
    numbers=st.lists(st.integers(1, 5), min_size=1, max_size=30),
    capacity=st.integers(1, 200),
)
def test_lost_messages_are_the_holes_in_the_numbers(numbers: list[int], capacity: int) -> None:
    ring = ScoreRing(capacity)
    seq = 0
    for revision, step in enumerate(numbers):
        seq += step
        ring.append(scores(seq, seq * STRIDE_S, {"walk": 1.0}), revision + 1)
    assert ring.received == len(numbers)
    assert ring.lost == sum(numbers[1:]) - len(numbers[1:])
    assert (
        ring.rows().gap.tolist()[-capacity:] == [False, *(n > 1 for n in numbers[1:])][-capacity:]
    )


def test_a_restarted_worker_makes_a_gap_but_no_loss() -> None:
    ring = filled(5)
    ring.append(scores(0, 5 * STRIDE_S, {"walk": 1.0}), revision=6)
    assert ring.lost == 0
    assert ring.rows().gap.tolist() == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("pause_s", "gap"), [(STRIDE_S, False), (0.35, False), (2.0, True), (-1.0, True)]
)
def test_a_hole_in_time_is_a_gap_even_without_a_hole_in_the_numbers(
    pause_s: float, gap: bool
) -> None:
    ring = filled(10)
    ring.append(scores(10, 9 * STRIDE_S + pause_s, {"walk": 1.0}), revision=11)
    assert bool(ring.rows().gap[-1]) is gap
    assert ring.lost == 0


def test_labels_that_come_late_bring_the_columns_into_the_models_order() -> None:
    ring = filled(3)
    assert ring.labels == ["walk", "none"]
    assert ring.relabel(["jump", "none", "walk"])
    rows = ring.rows()
    assert np.isnan(rows.scores[:, 0]).all()
    assert rows.scores[:, 1:].tolist() == [[0.25, 0.75]] * 3
    assert rows.top.tolist() == [2, 2, 2]
    assert not ring.relabel(["jump", "none", "walk"])


def test_a_message_may_leave_labels_out() -> None:
    ring = filled(1)
    ring.append(scores(1, STRIDE_S, {"none": 1.0}), revision=2)
    newest = ring.rows(1).scores[0]
    assert np.isnan(newest[0])
    assert newest[1] == 1.0


def test_columns_are_bounded() -> None:
    ring = ScoreRing(2)
    for number in range(3):
        table = {f"label {number} {index}": 0.001 for index in range(MAX_COLUMNS // 2)}
        ring.append(scores(number, number * STRIDE_S, table), number + 1)
    assert len(ring.labels) == MAX_COLUMNS
    assert ring.rows().scores.shape == (2, MAX_COLUMNS)


def test_thinning_leaves_gaps_and_one_row_per_cell() -> None:
    rows = filled(50).rows()
    thin = rows.thinned(1.0)
    assert np.unique(np.floor(thin.moment)).tolist() == np.floor(thin.moment).tolist()
    assert rows.thinned(0.01) is rows
