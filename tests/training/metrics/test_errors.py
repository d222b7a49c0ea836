"""The error breakdown by hand and against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from tests.training.metrics.reference import name_errors
from tests.training.metrics.strategies import random_spans
from training.metrics.detection import evaluate_detections
from training.metrics.errors import GROUPS, Outcome, break_down, name_outcomes
from training.metrics.matching import match_detections
from training.metrics.spans import Spans

_TRUTH = Spans.from_rows([("v", "a", 0, 10, 1), ("v", "b", 20, 30, 1), ("w", "a", 0, 10, 1)])
_FOUND = Spans.from_rows(
    [
        ("v", "a", 0, 10, 0.9),  # right
        ("v", "a", 1, 10, 0.8),  # the same once more
        ("v", "a", 20, 30, 0.7),  # that is a b
        ("v", "a", 0, 3, 0.6),  # too short
        ("v", "a", 20, 23, 0.5),  # too short, and a b
        ("v", "a", 50, 60, 0.4),  # nothing there
        ("x", "a", 0, 10, 0.3),  # nothing there
    ]
)


def test_outcomes_by_hand() -> None:
    """One of each kind; the other `a` and the `b` are missed."""
    errors = break_down(match_detections(_TRUTH, _FOUND, [0.5]), _TRUTH, _FOUND)
    assert errors.counts.sum(axis=1).tolist() == [[1, 1, 1, 1, 1, 2]]
    # Two truths of class a: two detections per rank group.
    assert errors.counts[0, :4].argmax(axis=1).tolist() == [0, 2, 4, 5]
    assert errors.shares()[0, 0].tolist() == [0.5, 0.5, 0, 0, 0, 0]
    assert (errors.missed.tolist(), errors.truths) == ([2], 3)
    figures = errors.to_dict()["0.50"]
    assert figures["outcomes"] == {
        "true positive": 1,
        "double detection": 1,
        "wrong label": 1,
        "localisation": 1,
        "confusion": 1,
        "background": 2,
    }
    assert figures["missed"] == 2


def test_gain_of_an_error_is_what_map_would_win() -> None:
    """Without the background detection ahead of it the only hit is first."""
    found = Spans.from_rows([("v", "a", 50, 60, 0.9), ("v", "a", 0, 10, 0.8)])
    errors = break_down(match_detections(_TRUTH, found, [0.5]), _TRUTH, found)
    # Of two truths of a one is found: 1/2 · 1/2 with the error, 1/2 without; b counts 0.
    assert errors.gains[0, Outcome.BACKGROUND] == pytest.approx((0.5 - 0.25) / 2)
    assert errors.gains[0, Outcome.LOCALISATION] == 0


def test_only_the_best_ten_times_g_count() -> None:
    """A hit beyond them is a miss."""
    truth = Spans.from_rows([("v", "a", 0, 10, 1)])
    found = Spans.from_rows(
        [("v", "a", 50, 60, 1 - n / 100) for n in range(GROUPS)] + [("v", "a", 0, 10, 0.1)]
    )
    errors = break_down(match_detections(truth, found, [0.5]), truth, found)
    assert errors.counts.sum() == GROUPS
    assert errors.missed.tolist() == [1]


def test_ignored_detections_are_not_judged() -> None:
    ignored = Spans.from_rows([("v", "?", 55, 57, 1)])
    errors = break_down(match_detections(_TRUTH, _FOUND, [0.5], ignored), _TRUTH, _FOUND)
    assert errors.counts.sum(axis=1).tolist() == [[1, 1, 1, 1, 1, 1]]


@settings(deadline=None)
@given(random_spans(least=1), random_spans(most=25))
def test_the_same_as_a_loop(truth: Spans, found: Spans) -> None:
    matches = match_detections(truth, found, [0.3, 0.7])
    outcomes = name_outcomes(matches, truth, found.select(matches.order))
    for tiou, row in zip((0.3, 0.7), outcomes, strict=True):
        expected = name_errors(truth, found, tiou)
        assert [Outcome(o).title for o in row] == [expected[n] for n in matches.order]


@settings(deadline=None)
@given(random_spans(least=1), random_spans(most=25))
def test_counts_add_up(truth: Spans, found: Spans) -> None:
    """Every detection has one outcome; hits and misses make the truth; errors only cost."""
    result = evaluate_detections(truth, found, [0.5])
    errors = break_down(result.matches, truth, found)
    assert errors.counts.sum() <= len(result.matches.order)
    assert errors.counts[0, :, Outcome.TRUE_POSITIVE].sum() + errors.missed[0] == len(truth)
    assert np.all(errors.gains >= -1e-12)
