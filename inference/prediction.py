"""A whole video at once: its windows, its actions, its label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from contracts.errors import NotAVideoError
from contracts.prediction import PredictedSegment, Prediction
from contracts.settings import EventSettings
from contracts.types import SampledFrame, WindowScores
from inference.bundle import Bundle
from inference.engine import score_frames
from inference.events import EventOptions, EventTracker, find_segments
from inference.runtime import ActionModel
from inference.windows import WindowSpec

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredVideo:
    """Every window of a video.

    Attributes:
        windows: In order, at least one.
        duration_s: Media time from the first frame to the end of the last.
    """

    windows: tuple[WindowScores, ...]
    duration_s: float


def score_video(
    model: ActionModel,
    spec: WindowSpec,
    frames: Iterable[SampledFrame],
    progress: Progress = lambda _: None,
) -> ScoredVideo:
    """Score every window of a video.

    A video shorter than one window is scored as if its last picture stood still to the window's
    end, so that every video has an answer.

    Args:
        model: The model.
        spec: Shape of the windows.
        frames: The sampled frames in order.
        progress: Is told the media seconds done.

    Returns:
        The windows.

    Raises:
        NotAVideoError: There is no frame.
    """
    video = _Watched(frames, spec.frames, progress)
    windows = tuple(score_frames(model, spec, video))
    if video.last is None:
        raise NotAVideoError("The video holds no picture.")
    if not windows:
        windows = tuple(score_frames(model, replace(spec, min_filled=0.0), video.held(spec)))
    return ScoredVideo(windows, video.last.pts_s - video.start_s + spec.period_s)


def predict(bundle: Bundle, video: ScoredVideo, events: EventSettings) -> Prediction:
    """Say what a video shows, by the rules that hold live.

    Args:
        bundle: Of the model that scored it.
        video: Its windows.
        events: Thresholds and smoothing.

    Returns:
        The strongest class over all windows, and every action with its span in media time.
    """
    labels = bundle.label_names
    mean = np.mean([window.scores for window in video.windows], axis=0)
    tracker = EventTracker(labels, bundle.background_names, EventOptions.from_settings(events))
    moments = ((bundle.input.moment_of(window.media), window.scores) for window in video.windows)
    segments = find_segments(tracker, moments)
    best = int(mean.argmax())
    return Prediction(
        label=labels[best],
        probability=round(float(mean[best]), 4),
        scores={label: round(float(score), 4) for label, score in zip(labels, mean, strict=True)},
        segments=[
            PredictedSegment(s.label, round(s.start_s, 3), round(s.end_s, 3), s.score)
            for s in segments
        ],
        model=bundle.model_id,
        duration_s=round(video.duration_s, 3),
    )


class _Watched:
    """The frames of a video on their way, remembering as little of them as is needed."""

    def __init__(self, frames: Iterable[SampledFrame], keep: int, progress: Progress) -> None:
        self._frames = frames
        self._keep = keep
        self._progress = progress
        self._first: list[SampledFrame] = []
        self.last: SampledFrame | None = None

    @property
    def start_s(self) -> float:
        """Media time of the first frame."""
        return self._first[0].pts_s

    def __iter__(self) -> Iterator[SampledFrame]:
        """Pass the frames through."""
        for frame in self._frames:
            if len(self._first) < self._keep:
                self._first.append(frame)
            self.last = frame
            self._progress(frame.pts_s)
            yield frame

    def held(self, spec: WindowSpec) -> list[SampledFrame]:
        """The first frames, and the last of them once more at the end of a window."""
        last = self._first[-1]
        return [*self._first, replace(last, index=max(spec.frames - 1, last.index + 1))]
