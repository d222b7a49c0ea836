"""Detection mAP: by hand, against a plain loop, and against published figures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from contracts.types import Annotation
from tests.training.metrics.reference import average_precisions, found_truths
from tests.training.metrics.strategies import random_spans
from training.metrics.detection import ACTIVITYNET_TIOUS, evaluate_detections
from training.metrics.matching import NOTHING, match_detections
from training.metrics.spans import Spans

_TIOUS = (0.1, 0.25, 0.5, 0.75, 1.0)
_AUTOLOC = (0.467, 0.417, 0.358, 0.290, 0.212, 0.134, 0.058, 0.016, 0.002)

_TRUTH = Spans.from_rows([("v", "a", 0.0, 10.0, 1.0), ("v", "a", 20.0, 30.0, 1.0)])


def _read(file: Path) -> Spans:
    """AutoLoc's spans: times are shares of the video's length, which tIoU does not mind."""
    with file.open(encoding="utf-8") as lines:
        return Spans.from_rows(
            (
                row["video"],
                row["class"],
                float(row["start"]),
                float(row["end"]),
                float(row.get("score", 1)),
            )
            for row in csv.DictReader(lines)
        )


def test_autoloc_on_thumos14_as_published(research_data: Path) -> None:
    """Real detections, real truth: three decimals at every threshold (Shou et al. 2018)."""
    folder = research_data / "evaluation" / "autoloc_thumos14"
    result = evaluate_detections(
        _read(folder / "gt.csv"), _read(folder / "pred.csv"), [n / 10 for n in range(1, 10)]
    )
    assert len(result.labels) == 20
    assert np.round(result.map, 3).tolist() == list(_AUTOLOC)


def test_activitynet_averages_over_ten_thresholds() -> None:
    expected = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert [round(tiou, 9) for tiou in ACTIVITYNET_TIOUS] == expected


def test_average_precision_by_hand() -> None:
    """Right, wrong, right: precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1."""
    found = Spans.from_rows(
        [
            ("v", "a", 0.0, 9.0, 0.9),
            ("v", "a", 12.0, 15.0, 0.8),
            ("v", "a", 21.0, 30.0, 0.7),
        ]
    )
    result = evaluate_detections(_TRUTH, found, [0.5, 0.95])
    assert result.ap.tolist() == [[pytest.approx(0.5 * 1 + 0.5 * 2 / 3)], [0.0]]
    assert result.average_map == pytest.approx(5 / 12)
    curve = result.curve("a", 0)
    assert curve.recall.tolist() == [0.5, 0.5, 1.0]
    assert curve.precision.tolist() == [1.0, 0.5, pytest.approx(2 / 3)]
    assert curve.scores.tolist() == [0.9, 0.8, 0.7]


def test_envelope_lifts_earlier_precision() -> None:
    """Wrong, right, right: the precision 2/3 at full recall counts for the half before, too."""
    found = Spans.from_rows(
        [
            ("v", "a", 12.0, 15.0, 0.9),
            ("v", "a", 0.0, 10.0, 0.8),
            ("v", "a", 20.0, 30.0, 0.7),
        ]
    )
    assert evaluate_detections(_TRUTH, found, [0.5]).average_map == pytest.approx(2 / 3)


def test_an_overlap_equal_to_the_threshold_counts() -> None:
    found = Spans.from_rows([("v", "a", 0.0, 5.0, 1.0)])
    taken = match_detections(_TRUTH, found, [0.5, 0.51]).taken
    assert taken.tolist() == [[0], [NOTHING]]


def test_second_choice_is_taken_when_the_first_is_gone() -> None:
    """Both overlap the first truth most; the lower score makes do with the other."""
    truth = Spans.from_rows([("v", "a", 0.0, 10.0, 1.0), ("v", "a", 2.0, 12.0, 1.0)])
    found = Spans.from_rows([("v", "a", 0.5, 10.0, 0.5), ("v", "a", 0.0, 10.0, 0.9)])
    matches = match_detections(truth, found, [0.5])
    assert matches.order.tolist() == [1, 0]
    assert matches.taken.tolist() == [[0, 1]]


def test_who_is_displaced_makes_do_with_the_next() -> None:
    """The second loses its first choice to the best, and takes what the third wants most."""
    truth = Spans.from_rows([("v", "a", s, s + 10.0, 1.0) for s in (0.0, 2.0, 4.0)])
    found = Spans.from_rows(
        [("v", "a", 0.0, 10.0, 0.9), ("v", "a", 0.5, 10.5, 0.8), ("v", "a", 2.4, 12.4, 0.7)]
    )
    assert match_detections(truth, found, [0.5]).taken.tolist() == [[0, 1, 2]]


def test_equal_scores_go_in_the_order_given() -> None:
    found = Spans.from_rows([("v", "a", 0.0, 8.0, 0.5), ("v", "a", 0.0, 10.0, 0.5)])
    assert match_detections(_TRUTH, found, [0.5]).taken.tolist() == [[0, NOTHING]]


def test_class_without_detections_counts_zero() -> None:
    truth = Spans.from_rows([("v", "a", 0.0, 1.0, 1.0), ("v", "b", 0.0, 1.0, 1.0)])
    found = Spans.from_rows([("v", "a", 0.0, 1.0, 1.0)])
    assert evaluate_detections(truth, found, [0.5]).map.tolist() == [0.5]


def test_other_videos_are_wrong_and_other_labels_do_not_count() -> None:
    """A detection in a video without truth is wrong; a label nobody asked for has no class."""
    found = Spans.from_rows(
        [("x", "a", 0.0, 1.0, 1.0), ("v", "z", 0.0, 1.0, 1.0), ("v", "a", 0.0, 10.0, 0.5)]
    )
    result = evaluate_detections(_TRUTH, found, [0.5])
    assert result.labels == ("a",)
    assert result.average_map == pytest.approx(0.25)


def test_ignored_spans_are_neither_right_nor_wrong() -> None:
    """THUMOS14's Ambiguous: what lies on one is not wrong, what is right stays right."""
    ignored = Spans.from_rows([("v", "Ambiguous", 9.0, 16.0, 1.0), ("x", "Ambiguous", 40, 50, 1.0)])
    found = Spans.from_rows(
        [
            ("v", "a", 14.0, 18.0, 0.9),
            ("v", "a", 0.0, 10.0, 0.8),
            ("v", "a", 40.0, 50.0, 0.7),
            ("v", "a", 20.0, 30.0, 0.6),
        ]
    )
    result = evaluate_detections(_TRUTH, found, [0.5], ignored)
    assert result.curve("a", 0).precision.tolist() == [1.0, 0.5, pytest.approx(2 / 3)]
    assert result.average_map == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert evaluate_detections(_TRUTH, found, [0.5]).average_map == pytest.approx(0.5)


def test_no_detections_at_all() -> None:
    result = evaluate_detections(_TRUTH, Spans.from_rows([]), [0.5])
    assert result.to_dict() == {
        "tious": [0.5],
        "map": [0.0],
        "average_map": 0.0,
        "truths": {"a": 2},
        "ap": {"a": [0.0]},
    }


@pytest.mark.parametrize("tious", [[], [0.0], [1.1]])
def test_thresholds_out_of_range(tious: list[float]) -> None:
    with pytest.raises(ValueError, match="tIoU thresholds"):
        evaluate_detections(_TRUTH, _TRUTH, tious)


def test_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="no truth"):
        evaluate_detections(Spans.from_rows([]), _TRUTH)


def test_score_that_is_no_number() -> None:
    with pytest.raises(ValueError, match="not a number"):
        evaluate_detections(_TRUTH, Spans.from_rows([("v", "a", 0, 1, float("nan"))]))


def test_spans_of_annotations() -> None:
    spans = Spans.from_annotations([("v", [Annotation("a", 1.0, 2.0)]), ("w", [])])
    assert (spans.videos.tolist(), spans.labels.tolist()) == (["v"], ["a"])
    assert (spans.start_s.tolist(), spans.end_s.tolist(), spans.scores.tolist()) == ([1], [2], [1])


@settings(deadline=None)
@given(random_spans(least=1), random_spans(most=30))
def test_the_same_matches_as_a_loop(truth: Spans, found: Spans) -> None:
    _compare_with_loop(truth, found)


@settings(deadline=None)
@given(random_spans(least=2, names=1), random_spans(least=2, most=30, names=1))
def test_the_same_matches_as_a_loop_in_a_crowd(truth: Spans, found: Spans) -> None:
    """One video and one label: everybody wants the same truths."""
    _compare_with_loop(truth, found)


def _compare_with_loop(truth: Spans, found: Spans) -> None:
    matches = match_detections(truth, found, _TIOUS)
    for taken, expected in zip(matches.taken, found_truths(truth, found, _TIOUS), strict=True):
        hit = taken != NOTHING
        assert dict(zip(matches.order[hit], taken[hit], strict=True)) == expected


@settings(deadline=None)
@given(random_spans(least=1), random_spans(most=30), random_spans(most=3))
def test_the_same_precision_as_a_loop(truth: Spans, found: Spans, ignored: Spans) -> None:
    result = evaluate_detections(truth, found, _TIOUS, ignored)
    expected = average_precisions(truth, found, _TIOUS, ignored)
    assert np.abs(result.ap - expected).max() < 1e-12


@settings(deadline=None)
@given(random_spans(least=1))
def test_the_truth_itself_is_perfect(truth: Spans) -> None:
    """Whatever has length finds itself at any overlap."""
    truth = truth.select(truth.end_s > truth.start_s)
    if len(truth):
        assert evaluate_detections(truth, truth, [1.0]).average_map == 1.0
