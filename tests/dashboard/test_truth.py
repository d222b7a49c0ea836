"""The truth over the clock, and agreement with it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import TruthMessage
from dashboard.truth import MAX_SPANS, TruthSpan, agreement, lay_out
from tests.dashboard.messages import truth

QUIET = frozenset({"none"})
LOOP = truth(100, 10, ("walk", 1, 4), ("jump", 4, 6))


def test_one_loop_is_laid_out_with_its_background() -> None:
    assert lay_out([LOOP], 100, 110) == [
        TruthSpan(None, 100, 101),
        TruthSpan("walk", 101, 104),
        TruthSpan("jump", 104, 106),
        TruthSpan(None, 106, 110),
    ]


def test_a_loop_without_news_is_repeated_once_and_then_old() -> None:
    walks = [span.start for span in lay_out([LOOP], 0, 1000) if span.label == "walk"]
    assert walks == [101, 111]


def test_news_cut_the_loop_before() -> None:
    spans = lay_out([LOOP, truth(103, 10, ("bend", 0, 10))], 100, 113)
    assert spans == [
        TruthSpan(None, 100, 101),
        TruthSpan("walk", 101, 103),
        TruthSpan("bend", 103, 113),
    ]


def test_overlapping_and_hostile_annotations_do_no_harm() -> None:
    hostile = truth(0, 10, ("a", -5, 3), ("b", 2, 5), ("c", 4, 4), ("d", 9, 1e12), ("e", 3, -1))
    assert [(span.label, span.start, span.end) for span in lay_out([hostile], 0, 10)] == [
        ("a", 0, 3),
        ("b", 3, 5),
        (None, 5, 9),
        ("d", 9, 10),
    ]
    assert not lay_out([truth(0, 0, ("a", 0, 1)), truth(0, -3)], 0, 10)
    many = truth(0, 1e-6, *[("a", 0, 1)] * 3)
    assert len(lay_out([many] * 32, -1e9, 1e9)) <= MAX_SPANS


finite = st.floats(-1e3, 1e3)


@given(
    truths=st.lists(
        st.builds(
            lambda start, length, spans: truth(start, length, *spans),
            finite,
            st.floats(0, 100),
            st.lists(st.tuples(st.sampled_from("ab"), finite, finite), max_size=5),
        ),
        max_size=4,
    ).map(lambda many: sorted(many, key=lambda one: one.started_at)),
    start=finite,
    length=st.floats(0, 1e3),
)
def test_spans_stay_inside_in_order_and_apart(
    truths: list[TruthMessage], start: float, length: float
) -> None:
    spans = lay_out(truths, start, start + length)
    assert all(start <= span.start < span.end <= start + length for span in spans)
    assert all(one.end <= next_.start for one, next_ in pairwise(spans))


@pytest.mark.parametrize(
    ("window", "judged", "right"),
    [
        ((101.5, 102.8, "walk"), 1, 1),
        ((101.5, 102.8, "jump"), 1, 0),
        ((103.5, 104.8, "walk"), 0, 0),
        ((107.0, 108.0, "none"), 1, 1),
        ((107.0, 108.0, "walk"), 1, 0),
        ((90.0, 91.0, "walk"), 0, 0),
        ((109.5, 111.0, "walk"), 0, 0),
    ],
)
def test_only_windows_inside_one_span_are_judged(
    window: tuple[float, float, str], judged: int, right: int
) -> None:
    verdict = agreement([window], lay_out([LOOP], 100, 110), QUIET)
    assert (verdict.judged, verdict.right) == (judged, right)
    assert verdict.share == (right / judged if judged else None)
