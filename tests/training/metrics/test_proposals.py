"""AR@AN by hand and against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings

from tests.training.metrics.reference import average_recall
from tests.training.metrics.strategies import random_spans
from training.metrics.proposals import evaluate_proposals
from training.metrics.spans import Spans

_TRUTH = Spans.from_rows([("u", "a", 0, 10, 1), ("v", "b", 0, 10, 1)])


def test_recall_by_hand() -> None:
    """At one on average each video gives one of its two: only that of `u` finds something."""
    proposals = Spans.from_rows(
        [
            ("u", "?", 0, 10, 0.9),
            ("u", "?", 50, 60, 0.1),
            ("v", "?", 50, 60, 0.9),
            ("v", "?", 0, 10, 0.1),
        ]
    )
    result = evaluate_proposals(_TRUTH, proposals, largest=2)
    assert result.numbers[[0, 49, 99]].tolist() == pytest.approx([0.02, 1.0, 2.0])
    assert result.average_recall[[48, 49, 98, 99]].tolist() == [0.0, 0.5, 0.5, 1.0]
    assert result.at(1.0) == pytest.approx(0.5)
    # From 0.02 to 0.98 nothing, a step to one half at 1, one half up to 1.98, a step to one at 2.
    assert result.auc == pytest.approx((0.02 * 0.25 + 0.98 * 0.5 + 0.02 * 0.75) / 2)


def test_fewer_proposals_than_asked_for() -> None:
    """The curve ends flat at what all proposals find."""
    result = evaluate_proposals(_TRUTH, Spans.from_rows([("u", "?", 0, 10, 1)]), largest=10)
    assert result.average_recall[-1] == 0.5
    assert result.numbers[-1] == pytest.approx(10)


def test_no_proposal_where_truth_is() -> None:
    with pytest.raises(ValueError, match="no proposal"):
        evaluate_proposals(_TRUTH, Spans.from_rows([("x", "?", 0, 10, 1)]))


def test_too_few_for_any_video() -> None:
    many = Spans.from_rows([("u", "?", 0, 10, 1)] * 3)
    with pytest.raises(ValueError, match="enough"):
        evaluate_proposals(_TRUTH, many, largest=0.1)


@settings(deadline=None)
@given(random_spans(least=1), random_spans(least=1, most=25))
def test_the_same_as_a_loop(truth: Spans, proposals: Spans) -> None:
    videos = set(truth.videos.tolist())
    most = max(np.count_nonzero(proposals.videos == video) for video in videos)
    assume(int(most * (4.0 * len(videos) / len(proposals))))
    numbers, recall = average_recall(truth, proposals, 4.0, (0.3, 0.5, 0.9))
    result = evaluate_proposals(truth, proposals, 4.0, (0.3, 0.5, 0.9))
    assert np.allclose(result.numbers, numbers, rtol=1e-12)
    assert np.allclose(result.recall, recall, rtol=1e-12)
    assert 0 <= result.auc <= 1
