"""What a published video is known to show, laid out over the clock, and how often the model agrees.

Pure: times come in as arguments, spans go out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from contracts.messages import TruthMessage

MAX_SPANS = 400
"""Spans laid out at once: more cannot be told apart on a screen."""

# The publisher announces every loop. One announcement may be lost, so the truth is repeated once;
# after that it is old: a retained message that outlived its publisher.
# No video is shorter than a frame; of one that claims to be, loops could not be counted.
_SHORTEST_S = 1e-3
_LOOPS_WITHOUT_NEWS = 2


@dataclass(frozen=True, slots=True)
class TruthSpan:
    """A labelled span of UTC time, ``[start, end)``; no label means background."""

    label: str | None
    start: float
    end: float


def lay_out(truths: Sequence[TruthMessage], start_s: float, end_s: float) -> list[TruthSpan]:
    """Lay the loops of a video over the clock.

    Each announcement holds until the next one; without a next one the video is taken to repeat
    once more.

    Args:
        truths: Announcements in the order of ``started_at``.
        start_s: UTC seconds at which the wanted span begins.
        end_s: UTC seconds at which it ends.

    Returns:
        At most ``MAX_SPANS`` gapless spans per loop, background included, cut to the wanted span.
    """
    spans: list[TruthSpan] = []
    for number, truth in enumerate(truths):
        last = number + 1 == len(truths)
        until = truth.started_at + _LOOPS_WITHOUT_NEWS * truth.duration_s
        if not last:
            until = min(until, truths[number + 1].started_at)
        for span in _loops(truth, start_s, min(until, end_s)):
            spans.append(span)
            if len(spans) == MAX_SPANS:
                return spans
    return spans


def _loops(truth: TruthMessage, start_s: float, end_s: float) -> Iterator[TruthSpan]:
    """Spans of the loops of one announcement that touch ``[start_s, end_s)``."""
    if truth.duration_s < _SHORTEST_S or end_s <= max(start_s, truth.started_at):
        return
    first = max(0, math.floor((start_s - truth.started_at) / truth.duration_s))
    for loop in range(first, _LOOPS_WITHOUT_NEWS):
        begin = truth.started_at + loop * truth.duration_s
        for label, media_start, media_end in _fill(truth):
            span_start = max(begin + media_start, start_s)
            span_end = min(begin + media_end, end_s)
            if span_start < span_end:
                yield TruthSpan(label, span_start, span_end)


def _fill(truth: TruthMessage) -> Iterator[tuple[str | None, float, float]]:
    """The annotations in media time with background between them, without overlaps."""
    at = 0.0
    for span in sorted(truth.annotations, key=lambda span: span.start):
        start, end = max(span.start, at), min(span.end, truth.duration_s)
        if end <= start:
            continue
        if start > at:
            yield None, at, start
        yield span.label, start, end
        at = end
    if at < truth.duration_s:
        yield None, at, truth.duration_s


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many windows could be judged, and how many were right."""

    judged: int
    right: int

    @property
    def share(self) -> float | None:
        """Share of right windows, 0-1; ``None`` if none could be judged."""
        return self.right / self.judged if self.judged else None


def agreement(
    windows: Iterable[tuple[float, float, str]],
    spans: Sequence[TruthSpan],
    background: frozenset[str],
) -> Verdict:
    """Count the windows whose strongest class is the truth.

    Windows that reach over a boundary show two things and are not judged.

    Args:
        windows: Start and end in UTC seconds, and strongest label of each.
        spans: Gapless truth as ``lay_out`` makes it.
        background: Labels that mean that nothing of interest happens.

    Returns:
        The counts.
    """
    starts = [span.start for span in spans]
    judged = right = 0
    for start, end, label in windows:
        place = bisect_right(starts, start) - 1
        if place < 0 or end > spans[place].end:
            continue
        truth = spans[place].label
        judged += 1
        right += label in background if truth is None else label == truth
    return Verdict(judged, right)
