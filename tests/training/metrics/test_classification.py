"""Figures of a classifier by hand."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.metrics.classification import (
    Averages,
    balanced_accuracy,
    calibration,
    macro_average,
    top_k_accuracy,
    weighted_average,
    wilson_interval,
)
from training.metrics.confusion import Confusion

# Of a: 2 of 3 found; of b: 1 of 2; c was answered once and never occurs; d does not come up at all.
_CONFUSION = Confusion.from_ids(
    ("a", "b", "c", "d"), np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
)


def test_confusion_from_ids_is_that_from_names() -> None:
    names = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")]
    expected = Confusion.from_pairs(("a", "b", "c", "d"), names)
    assert _CONFUSION.counts.tolist() == expected.counts.tolist()
    assert _CONFUSION.f1() == {"a": pytest.approx(0.8), "b": pytest.approx(0.5), "c": 0.0}


def test_averages_by_hand() -> None:
    """Macro over a, b and c; weighted by three a and two b."""
    assert astuple(macro_average(_CONFUSION)) == pytest.approx(
        ((1 + 1 / 2 + 0) / 3, (2 / 3 + 1 / 2 + 0) / 3, (0.8 + 0.5 + 0) / 3)
    )
    assert astuple(weighted_average(_CONFUSION)) == pytest.approx(
        ((3 * 1 + 2 / 2) / 5, 3 / 5, (3 * 0.8 + 2 * 0.5) / 5)
    )
    assert balanced_accuracy(_CONFUSION) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_nothing_to_average() -> None:
    empty = Confusion(("a",), np.zeros((1, 1), np.int64))
    assert macro_average(empty) == Averages(0.0, 0.0, 0.0)
    assert balanced_accuracy(empty) == 0.0


def test_top_k_by_hand() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    truth = np.array([0, 2, 1])
    assert [top_k_accuracy(truth, scores, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert top_k_accuracy(truth[:0], scores[:0], 1) == 0.0


def test_top_k_gains_nothing_by_ties() -> None:
    """All scores equal: the answer is the first class, as argmax gives it."""
    assert top_k_accuracy(np.arange(4), np.ones((4, 4)), 1) == 0.25


def test_calibration_by_hand() -> None:
    """Two bins: at 0.4 half are right, at 0.9 all; the upper limit belongs to its bin."""
    scores = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [0.1, 0.5, 0.4]])
    found = calibration(np.array([0, 1, 0, 1]), scores, bins=2)
    assert found.counts.tolist() == [3, 1]
    assert found.confidence.tolist() == pytest.approx([1.3 / 3, 0.9])
    assert found.accuracy.tolist() == pytest.approx([2 / 3, 1.0])
    assert found.error == pytest.approx((0.7 + 0.1) / 4)
    assert found.to_dict()["expected_calibration_error"] == 0.2


def test_calibration_of_nothing() -> None:
    found = calibration(np.array([], int), np.zeros((0, 3)))
    assert (found.counts.sum(), found.error) == (0, 0.0)


def test_sure_and_right_is_calibrated() -> None:
    truth = np.array([0, 1, 2])
    assert calibration(truth, np.eye(3)).error == 0.0


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval(right: int, total: int, low: float, high: float) -> None:
    """Limits as tables give them (Newcombe 1998 prints the formula's values)."""
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=5e-5)


def test_more_right_than_there_are() -> None:
    with pytest.raises(ValueError, match="3 right of 2"):
        wilson_interval(3, 2)


@settings(deadline=None)
@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share(total: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, total))
    low, high = wilson_interval(right, total)
    assert 0 <= low <= right / total <= high <= 1
