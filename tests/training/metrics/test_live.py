"""Live events against what happened, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from contracts.types import Annotation
from tests.training.metrics.strategies import VIDEOS, random_spans
from training.metrics.live import LiveEvent, LiveStream, evaluate_live
from training.metrics.spans import Spans

_TRUTH = (Annotation("walk", 10, 20), Annotation("run", 30, 40), Annotation("walk", 50, 60))


def _stream(*events: LiveEvent, truth: tuple[Annotation, ...] = _TRUTH) -> LiveStream:
    """Half an hour of one stream."""
    return LiveStream("cam", 1800.0, truth, events)


def test_latency_and_misses_by_hand() -> None:
    """Told 0.4 s and 1 s after the start; the run was missed, a wave never happened."""
    result = evaluate_live(
        [
            _stream(
                LiveEvent("walk", 10.2, 19, 0.9, announced_at_s=10.4),
                LiveEvent("walk", 50.8, 61, 0.8, announced_at_s=51.0),
                LiveEvent("wave", 31, 35, 0.7, announced_at_s=31.5),
            )
        ]
    )
    assert result.latencies_s.tolist() == pytest.approx([0.4, 1.0])
    assert result.latency_s(50) == pytest.approx(0.7)
    assert (result.truths, result.events, result.missed) == (3, 3, 1)
    assert (result.repeated, result.false, result.false_labels) == (0, 1, {"wave": 1})
    assert result.false_per_hour == pytest.approx(2.0)
    assert result.detection is not None
    assert result.detection.labels == ("run", "walk")
    assert result.detection.ap[4].tolist() == [0.0, 1.0]
    assert result.to_dict()["start_latency_s"] == {"median": 0.7, "p95": 0.97}


def test_the_first_told_counts_even_if_a_later_event_is_surer() -> None:
    """One action in two pieces: the second is repeated, neither false nor a second hit."""
    result = evaluate_live(
        [
            _stream(
                LiveEvent("walk", 15, 20, 0.99, announced_at_s=15.5),
                LiveEvent("walk", 10, 13, 0.6, announced_at_s=10.5),
            )
        ]
    )
    assert result.latencies_s.tolist() == [0.5]
    assert (result.repeated, result.false, result.missed) == (1, 0, 2)


def test_one_event_over_two_truths_finds_one() -> None:
    result = evaluate_live([_stream(LiveEvent("walk", 12, 60, 0.9, announced_at_s=12.0))])
    assert (result.missed, result.false) == (2, 0)
    assert result.latencies_s.tolist() == [12.0 - 50.0]


def test_nothing_happened() -> None:
    """Every event is false; there is no precision to speak of and no latency."""
    result = evaluate_live([_stream(LiveEvent("walk", 1, 2, 0.9, 1.5), truth=())])
    assert (result.false, result.false_per_hour, result.missed) == (1, 2.0, 0)
    assert result.detection is None
    assert result.to_dict()["start_latency_s"] == {"median": None, "p95": None}


def test_nothing_was_told() -> None:
    result = evaluate_live([_stream()])
    assert (result.missed, result.events) == (3, 0)
    assert result.detection is not None
    assert result.detection.average_map == 0.0


def test_events_belong_to_their_stream() -> None:
    other = LiveStream("other", 1800.0, (), (LiveEvent("walk", 10, 20, 0.9, 10.5),))
    result = evaluate_live([_stream(), other])
    assert (result.false, result.missed, result.false_per_hour) == (1, 3, 1.0)


def test_nothing_was_watched() -> None:
    with pytest.raises(ValueError, match="no stream was watched"):
        evaluate_live([])


@settings(deadline=None)
@given(random_spans(), random_spans(most=20))
def test_every_event_and_every_truth_is_accounted_for(truth: Spans, told: Spans) -> None:
    """Events are hits, repeated or false; truths are told of or missed."""
    streams = [
        LiveStream(
            video,
            60.0,
            tuple(
                Annotation(str(label), start, end)
                for v, label, start, end in zip(
                    truth.videos, truth.labels, truth.start_s, truth.end_s, strict=True
                )
                if v == video
            ),
            tuple(
                LiveEvent(
                    str(told.labels[n]), told.start_s[n], told.end_s[n], told.scores[n], float(n)
                )
                for n in np.flatnonzero(told.videos == video)
            ),
        )
        for video in VIDEOS
    ]
    result = evaluate_live(streams)
    assert result.latencies_s.size + result.repeated + result.false == result.events == len(told)
    assert 0 <= result.missed <= result.truths == len(truth)
    assert sum(result.false_labels.values()) == result.false
