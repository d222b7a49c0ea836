"""Letting a model watch files as it watches live streams, up to the events that it tells."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import ConfigError
from contracts.settings import EventSettings
from inference.bundle import Bundle
from inference.prediction import score_video
from inference.runtime import ActionModel
from inference.windows import WindowSpec
from streaming.files import read_frames
from training.datasets.dataset import Video
from training.evaluate import ScoredWindow
from training.live_events import follow_events
from training.metrics.live import LiveEvent


@dataclass(frozen=True, slots=True, eq=False)
class WatchedVideo:
    """What a model said of a video.

    Attributes:
        video: Its annotations.
        duration_s: Media time from the first frame to the end of the last.
        windows: In order, at least one.
        events: By start.
    """

    video: Video
    duration_s: float
    windows: tuple[ScoredWindow, ...]
    events: tuple[LiveEvent, ...]


@dataclass(frozen=True, slots=True)
class Watcher:
    """A model with the rules by which its scores become events.

    Attributes:
        model: Scores the windows.
        spec: Their shape.
        events: Thresholds and smoothing.
    """

    model: ActionModel
    spec: WindowSpec
    events: EventSettings

    @property
    def bundle(self) -> Bundle:
        """The bundle that is measured."""
        return self.model.bundle

    def watch(self, video: Video) -> WatchedVideo:
        """Score a video's windows and follow its events.

        Raises:
            SourceError: The file cannot be read.
        """
        if video.path is None:
            raise ConfigError(f"The dataset has no file for the video {video.name!r}.")
        frames = read_frames(video.path, self.bundle.input.sampling)
        scored = score_video(self.model, self.spec, frames)
        return WatchedVideo(
            video=video,
            duration_s=scored.duration_s,
            windows=tuple(map(ScoredWindow.from_scores, scored.windows)),
            events=follow_events(self.bundle, scored.windows, self.events),
        )
