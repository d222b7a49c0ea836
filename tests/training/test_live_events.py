"""Live events followed offline: when they are told, and what time they tell of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contracts.messages import EventRule
from contracts.settings import EventSettings
from contracts.types import Clock, Latency, Quality, TimeSpan, WindowScores
from inference.bundle import Bundle
from training.live_events import follow_events

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "everyday"
PLAIN = EventSettings(smoothing_s=0.0, rule=EventRule(enter=0.5, exit=0.5, cooldown_s=0.0))


@pytest.fixture(name="bundle", scope="module")
def fixture_bundle() -> Bundle:
    """The shipped bundle, for its labels and the shape of its windows."""
    return Bundle.load(SHIPPED)


def windows(bundle: Bundle, label: str, sure: range, count: int = 20) -> list[WindowScores]:
    """Windows at the bundle's stride, some of which are sure of a label; the others of `none`."""
    shape, names = bundle.input, bundle.label_names
    made = []
    for number in range(count):
        start_s = number * shape.stride_s
        span = TimeSpan(start_s, start_s + shape.window_s)
        scores = np.zeros(len(names), np.float32)
        scores[names.index(label if number in sure else "none")] = 1.0
        latency, quality = Latency(0, 0, 0, 0), Quality(0.5, 100.0)
        made.append(WindowScores(span, span, scores, Clock.ARRIVAL, 16, 0, latency, quality))
    return made


@pytest.mark.parametrize("reference", [0.0, 0.5, 0.8])
def test_told_with_the_newest_frame_of_the_moment_the_window_speaks_of(
    bundle: Bundle, reference: float
) -> None:
    bundle = replace(bundle, input=replace(bundle.input, reference=reference))
    made = windows(bundle, "walk", range(5, 12))
    (event,) = follow_events(bundle, made, PLAIN)
    assert event.label == "walk"
    assert event.announced_at_s == pytest.approx(made[5].media.end - 1 / bundle.input.fps)
    assert event.start_s == pytest.approx(bundle.input.moment_of(made[5].media))
    assert event.end_s == pytest.approx(bundle.input.moment_of(made[12].media))
    assert event.score == 1.0


def test_what_goes_on_at_the_end_is_an_event_too(bundle: Bundle) -> None:
    made = windows(bundle, "run", range(15, 20))
    (event,) = follow_events(bundle, made, PLAIN)
    assert event.end_s == pytest.approx(bundle.input.moment_of(made[-1].media))


def test_background_tells_nothing(bundle: Bundle) -> None:
    assert not follow_events(bundle, windows(bundle, "none", range(0)), EventSettings())
