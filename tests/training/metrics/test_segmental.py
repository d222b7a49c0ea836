"""Segmental figures: by hand, against loops, and against published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.metrics import reference
from training.metrics.segmental import (
    FrameLabels,
    edit_score,
    frame_accuracy,
    join,
    midpoint_map,
    runs_of,
    segmental_f1,
)

_LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=40)


def _video(truth: str, answers: str) -> FrameLabels:
    """Frames written as digits, 0 for background; each answer is sure of itself."""
    given_answers = np.array(list(answers), int)
    return FrameLabels(np.array(list(truth), int), given_answers, np.eye(5)[given_answers])


def test_merl_shopping_as_published(research_data: Path) -> None:
    """Real predictions of MERL's dense model, all videos as one sequence (Lea et al. 2017)."""
    io = pytest.importorskip("scipy.io")
    data = io.loadmat(research_data / "evaluation" / "merl_tcn" / "MERL_dense.mat")
    videos = [FrameLabels(data["Y"][0], data["P"][0], data["S"])]
    found = [100 * segmental_f1(videos, 5, tiou) for tiou in (0.10, 0.25, 0.50)]
    assert [round(value, 2) for value in found] == [80.04, 78.33, 65.42]
    assert round(100 * frame_accuracy(videos), 2) == 76.27
    assert round(100 * edit_score(videos, 5), 2) == 69.98
    assert round(100 * midpoint_map(videos, 5), 1) == 61.3


def test_runs_without_background() -> None:
    runs = runs_of(np.array([0, 0, 1, 1, 2, 0, 2]), 0)
    assert runs.labels.tolist() == [1, 2, 2]
    assert (runs.start.tolist(), runs.end.tolist()) == ([2, 4, 6], [4, 5, 7])
    assert runs_of(np.array([3, 3]), None).labels.tolist() == [3]
    assert runs_of(np.array([], int), None).labels.size == 0


def test_edit_score_by_hand() -> None:
    """1 2 3 against 1 3: one deletion of three."""
    assert edit_score([_video("1102233", "1100033")], 0) == pytest.approx(1 - 1 / 3)


def test_f1_by_hand() -> None:
    """One run split in two: one half is right, the other has no truth left; tIoU is one half."""
    video = _video("01111110", "01110110")
    assert segmental_f1([video], 0, 0.5) == pytest.approx(2 / 3)
    assert segmental_f1([video], 0, 0.51) == 0.0


def test_f1_has_no_second_choice() -> None:
    """Both answers overlap the second true run most: the one that comes late is wrong."""
    truth, answers = "1011110", "1111011"
    assert reference.segmental_f1([*map(int, truth)], [*map(int, answers)], 0, 0.1) == 0.5
    assert segmental_f1([_video(truth, answers)], 0, 0.1) == 0.5


def test_midpoint_by_hand() -> None:
    """Label 1: the surer of two runs is right; label 2: its middle lies outside."""
    truth, answers = np.array([1, 1, 1, 1, 1, 2, 0, 0]), np.array([1, 1, 0, 1, 1, 2, 2, 2])
    scores = np.zeros((8, 3))
    scores[:, 1] = [0.2, 0.5, 0, 0.9, 0.1, 0, 0, 0]
    scores[:, 2] = 0.5
    video = FrameLabels(truth, answers, scores)
    assert midpoint_map([video], 0) == pytest.approx((1.0 + 0.0) / 2)


def test_figures_average_over_videos_and_joining_is_another_thing() -> None:
    """The run that goes on in the next video is one once they are joined."""
    videos = [_video("0111", "0111"), _video("1110", "2220")]
    assert edit_score(videos, 0) == pytest.approx(0.5)
    assert segmental_f1(videos, 0, 0.5) == pytest.approx(0.5)
    assert frame_accuracy(videos) == pytest.approx((1 + 1 / 4) / 2)
    assert edit_score([join(videos)], 0) == pytest.approx(1 - 1 / 2)
    assert segmental_f1([join(videos)], 0, 0.5) == pytest.approx(2 / 3)


def test_nothing_happened_and_nothing_was_said() -> None:
    quiet = [_video("000", "000")]
    assert (edit_score(quiet, 0), segmental_f1(quiet, 0, 0.5), midpoint_map(quiet, 0)) == (1, 1, 0)


def test_midpoint_needs_scores() -> None:
    frames = FrameLabels(np.array([1]), np.array([1]))
    assert join([frames, frames]).scores is None
    with pytest.raises(ValueError, match="needs the scores"):
        midpoint_map([frames], 0)


@settings(deadline=None)
@given(_LABELS, _LABELS)
def test_edit_score_is_that_of_a_loop(truth: list[int], answers: list[int]) -> None:
    video = FrameLabels(np.array(truth), np.array(answers))
    first, second = ([label for label, _ in reference.runs(x, 0)] for x in (truth, answers))
    longer = max(len(first), len(second))
    expected = 1 - reference.edit_distance(first, second) / longer if longer else 1.0
    assert edit_score([video], 0) == pytest.approx(expected)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_f1_is_that_of_a_loop(frames: list[tuple[int, int]]) -> None:
    truth, answers = map(list, zip(*frames, strict=True))
    for tiou in (0.1, 0.25, 0.5, 1.0):
        expected = reference.segmental_f1(truth, answers, 0, tiou)
        video = FrameLabels(np.array(truth), np.array(answers))
        assert segmental_f1([video], 0, tiou) == pytest.approx(expected)
