"""Per-frame mAP by hand and against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.metrics.reference import frame_precisions
from training.metrics.frames import evaluate_frames

_TRUTH = np.array([[1, 0], [0, 1], [0, 1], [1, 0], [0, 1]], bool)
_SCORES = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.7, 0.3], [0.2, 0.8]])


def test_average_precision_by_hand() -> None:
    """Class a: right, wrong, right. Three negatives to two positives: a wrong one weighs 2/3."""
    result = evaluate_frames(("a", "none"), _TRUTH, _SCORES, background="none")
    assert result.labels == ("a",)
    assert result.frames.tolist() == [2]
    assert result.map == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert result.calibrated_map == pytest.approx(0.5 * 1 + 0.5 * 2 / (2 + 2 / 3))
    assert result.to_dict()["ap"] == {"a": round(5 / 6, 4)}


def test_ignored_frames_do_not_count() -> None:
    ignored = np.array([0, 1, 0, 0, 0], bool)
    assert evaluate_frames(("a", "b"), _TRUTH, _SCORES, ignored).ap[0] == 1.0


def test_class_without_a_frame_is_left_out() -> None:
    result = evaluate_frames(("a", "b"), _TRUTH & [True, False], _SCORES)
    assert result.labels == ("a",)
    nothing = evaluate_frames(("a", "b"), _TRUTH & False, _SCORES)
    assert (nothing.labels, nothing.map, nothing.calibrated_map) == ((), 0.0, 0.0)


def test_every_frame_positive() -> None:
    result = evaluate_frames(("a",), np.ones((3, 1), bool), _SCORES[:3, :1])
    assert (result.map, result.calibrated_map) == (1.0, 1.0)


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="3 labels"):
        evaluate_frames(("a", "b", "c"), _TRUTH, _SCORES)
    with pytest.raises(ValueError, match="not a number"):
        evaluate_frames(("a", "b"), _TRUTH, _SCORES * np.nan)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30))
def test_the_same_as_a_loop_in_any_order(frames: list[tuple[bool, int]]) -> None:
    truth, scores = map(list, zip(*frames, strict=True))
    result = evaluate_frames(("a",), np.array(truth)[:, None], np.array(scores, float)[:, None])
    if any(truth):
        assert (result.map, result.calibrated_map) == pytest.approx(frame_precisions(truth, scores))
    else:
        assert not result.labels
