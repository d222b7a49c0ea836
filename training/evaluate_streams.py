"""Judging live events on untrimmed video, and the scores that they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from contracts.types import Annotation, TimeSpan
from inference.bundle import Bundle
from inference.windows import WindowSpec
from training.evaluate import Collector, segment_at
from training.metrics.frames import evaluate_frames
from training.metrics.live import LiveStream, evaluate_live
from training.metrics.segmental import FrameLabels
from training.metrics.spans import Spans
from training.reports import classification, detection
from training.reports.remarks import label_notes
from training.sequences import judge_sequences, label_moments, moments_of
from training.watching import WatchedVideo, Watcher


def collect(bundle: Bundle, watched: Sequence[WatchedVideo], *, clips: bool) -> Collector:
    """Gather the windows of watched videos, and whole videos as clips if they are trimmed."""
    found = Collector(bundle.label_names)
    for item in watched:
        found.add(item.video.name, item.video.annotations, item.windows, clip=clips)
    return found


def judge_streams(
    watcher: Watcher, watched: Sequence[WatchedVideo], notes: Sequence[str]
) -> list[dict[str, Any]]:
    """Judge what was said of untrimmed video.

    Args:
        watcher: The model that watched it.
        watched: What it said.
        notes: What a reader must know.

    Returns:
        Sections of a report: live events, and windows that lie inside an action.
    """
    bundle = watcher.bundle
    found = collect(bundle, watched, clips=False)
    known = set(bundle.label_names) - set(bundle.background_names)
    streams = [
        LiveStream(
            item.video.name,
            item.duration_s,
            tuple(span for span in _closed(item) if span.label in known),
            item.events,
        )
        for item in watched
    ]
    truth = Spans.from_annotations((stream.name, stream.truth) for stream in streams)
    events = Spans.from_rows(
        (stream.name, event.label, event.start_s, event.end_s, event.score)
        for stream in streams
        for event in stream.events
    )
    ignored = Spans.from_annotations((item.video.name, item.video.ignored) for item in watched)
    judged = detection.Judged(
        truth=truth,
        found=events,
        ignored=ignored if len(ignored) else None,
        durations={stream.name: stream.duration_s for stream in streams},
        live=True,
        notes=(*notes, *label_notes(found.unknown, "annotations"), *_silence_notes(streams)),
        extra={
            "latency": _latency(streams),
            "frames": _frames(bundle, watched, watcher.spec),
            "segmental": _segmental(bundle, watched, watcher.spec),
        },
    )
    windows = found.windows()
    sections = [detection.make_section("Live events", judged)]
    return [
        *sections,
        classification.make_section("Windows inside actions", windows, "windows"),
    ]


def _closed(item: WatchedVideo) -> list[Annotation]:
    """Annotations whose end is known: at the latest that of the video."""
    return [
        replace(span, end_s=min(span.end_s, max(item.duration_s, span.start_s)))
        for span in item.video.annotations
    ]


def _silence_notes(streams: Sequence[LiveStream]) -> list[str]:
    busy = sum(_covered_s(stream.truth) for stream in streams)
    total = sum(stream.duration_s for stream in streams)
    if total - busy < 1.0:
        return ["Hardly a moment without an action: false alarms on idle video are not measured."]
    return []


def _covered_s(spans: Iterable[Annotation]) -> float:
    """Time during which anything happens."""
    covered, reached = 0.0, 0.0
    for span in sorted(spans, key=lambda span: span.start_s):
        covered += max(0.0, span.end_s - max(span.start_s, reached))
        reached = max(reached, span.end_s)
    return covered


def _latency(streams: Sequence[LiveStream]) -> dict[str, Any]:
    """Figures of live events but those of detection, which the section has in full."""
    figures = evaluate_live(streams).to_dict()
    del figures["detection"]
    return figures


def _frames(bundle: Bundle, watched: Sequence[WatchedVideo], spec: WindowSpec) -> dict[str, Any]:
    """Per-frame figures: each window's scores against what goes on when they speak of."""
    labels = bundle.label_names
    truth, ignored, scores = [], [], []
    for item in watched:
        for window in item.windows:
            moment = bundle.input.moment_of(TimeSpan(window.start_s, window.end_s))
            shown = {s.label for s in item.video.annotations if s.start_s <= moment < s.end_s}
            truth.append([label in shown for label in labels])
            ignored.append(segment_at(item.video.ignored, moment) is not None)
            scores.append(window.scores)
    keep = [index for index, label in enumerate(labels) if label not in bundle.background_names]
    result = evaluate_frames(
        [labels[index] for index in keep],
        np.array(truth, np.bool_)[:, keep],
        np.array(scores, np.float64)[:, keep],
        np.array(ignored, np.bool_),
    )
    return {
        "moments": len(truth) - sum(ignored),
        "period_s": round(spec.stride * spec.period_s, 4),
        **result.to_dict(),
    }


def _segmental(bundle: Bundle, watched: Sequence[WatchedVideo], spec: WindowSpec) -> dict[str, Any]:
    """Sequences of truths and of events, sampled at the windows' stride; background is 0."""
    ids = {
        label: index
        for index, label in enumerate(bundle.label_names, start=1)
        if label not in bundle.background_names
    }
    period_s = spec.stride * spec.period_s
    videos = []
    for item in watched:
        moments = moments_of(item.duration_s, period_s)
        told = [Annotation(event.label, event.start_s, event.end_s) for event in item.events]
        truth = label_moments(_closed(item), ids, moments)
        videos.append(FrameLabels(truth, label_moments(told, ids, moments)))
    return judge_sequences(videos, period_s, joined=False)
