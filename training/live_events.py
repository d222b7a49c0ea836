"""What the live stack tells of a stream, followed offline: the same windows, the same rules."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.settings import EventSettings
from contracts.types import WindowScores
from inference.bundle import Bundle
from inference.events import EventChange, EventOptions, EventTracker
from training.metrics.live import LiveEvent


def follow_events(
    bundle: Bundle, windows: Iterable[WindowScores], settings: EventSettings
) -> tuple[LiveEvent, ...]:
    """Follow the events of one stream.

    Args:
        bundle: Of the model that scored the windows.
        windows: In order.
        settings: Thresholds and smoothing.

    Returns:
        The events by start, in media time; told when the newest frame of the window that made them
        known was captured, one sampling period before the window's end. A subscriber hears of them
        later by what decoding, scoring and transport take.
    """
    options = EventOptions.from_settings(settings)
    tracker = EventTracker(bundle.label_names, bundle.background_names, options)
    period_s = 1 / bundle.input.fps
    told: dict[str, float] = {}
    ended: list[EventChange] = []
    for window in windows:
        for change in tracker.update(bundle.input.moment_of(window.media), window.scores):
            if change.type == "new":
                told[change.id] = window.media.end - period_s
            elif change.type == "end":
                ended.append(change)
    ended += tracker.flush()
    events = [
        LiveEvent(e.label, e.start, e.start if e.end is None else e.end, e.peak, told[e.id])
        for e in ended
    ]
    return tuple(sorted(events, key=lambda event: event.start_s))
