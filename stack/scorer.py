"""The child process that scores videos from strangers: decoder and model, confined.

    python -m stack.scorer OPTIONS DESCRIPTOR

The service starts it, see `inference.predictions`. It imports little, so that it starts fast.
"""

from __future__ import annotations

import json
import socket
import sys
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from contracts.prediction import Prediction
from contracts.settings import EventSettings, Settings
from inference.bundle import Bundle
from inference.loading import load_model
from inference.prediction import ScoredVideo, predict, score_video
from inference.predictions.child import OnProgress, confine, serve_tasks
from inference.predictions.wire import Task
from inference.runtime import ActionModel
from inference.windows import WindowSpec
from streaming.untrusted import Limits, open_untrusted

# A model and its pictures take a few hundred megabytes; a decoder holds some twenty pictures of up
# to six bytes a pixel.
_MEMORY = 2**30
_MEMORY_PER_PIXEL = 128


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """What a child must know beside its tasks.

    Attributes:
        events: From scores to segments.
        stride_s: Time between windows, if it is not the model's own.
        min_filled: Share of a window's places that frames of their own must fill.
        max_duration_s: Longest video.
        max_pixels: Largest picture.
    """

    events: EventSettings
    stride_s: float | None
    min_filled: float
    max_duration_s: float
    max_pixels: int

    @classmethod
    def of(cls, settings: Settings) -> ChildOptions:
        """Those of the settings in force."""
        return cls(
            settings.events,
            settings.engine.stride_s,
            settings.engine.min_filled,
            settings.predictions.max_duration_s,
            settings.predictions.max_pixels,
        )

    @property
    def memory(self) -> int:
        """Most bytes of data of the process."""
        return _MEMORY + _MEMORY_PER_PIXEL * self.max_pixels


_OPTIONS = TypeAdapter(ChildOptions)


def child_command(settings: Settings) -> list[str]:
    """Program and arguments of a child process, but for the descriptor.

    Args:
        settings: Of the whole product; none of its secrets are passed on.
    """
    options = _OPTIONS.dump_json(ChildOptions.of(settings)).decode()
    return [sys.executable, "-m", "stack.scorer", options]


class Scorer:
    """Scores one video after another."""

    def __init__(self, options: ChildOptions) -> None:
        """Load nothing yet.

        Args:
            options: What is the same for all videos.
        """
        self._options = options
        self._limits = Limits(options.max_duration_s, options.max_pixels)

    def __call__(self, task: Task, video: int, on_progress: OnProgress) -> tuple[Prediction, bytes]:
        """Score a video as `actionstream predict` does.

        Args:
            task: Model and name.
            video: Descriptor of the file.
            on_progress: Is told how far the work is.

        Returns:
            The answer and its windows as JSON.

        Raises:
            SourceError: It is no video, or one that is not accepted.
            BundleError: The model cannot be loaded.
        """
        with open_untrusted(video, task.name, self._limits) as opened:
            model = _model(task.model)
            bundle = model.bundle
            on_progress(0.0, opened.info.duration_s)
            scored = score_video(
                model,
                WindowSpec.of(bundle.input, self._options.min_filled).with_stride(
                    self._options.stride_s
                ),
                opened.frames(bundle.input.sampling),
                lambda media_s: on_progress(media_s, opened.info.duration_s),
            )
        return predict(bundle, scored, self._options.events), _windows_json(bundle, scored)


@lru_cache(maxsize=2)
def _model(folder: str) -> ActionModel:
    return load_model(Bundle.load(Path(folder)))


def _windows_json(bundle: Bundle, video: ScoredVideo) -> bytes:
    """The scores of every window in columns, rounded as the command line rounds them."""
    windows = video.windows
    columns = {
        "labels": bundle.label_names,
        "start": [round(window.media.start, 3) for window in windows],
        "end": [round(window.media.end, 3) for window in windows],
        "scores": [[round(float(score), 4) for score in window.scores] for window in windows],
    }
    return json.dumps(columns, separators=(",", ":")).encode()


def main() -> None:
    """Be a child process."""
    options = _OPTIONS.validate_json(sys.argv[1])
    confine(options.memory)
    with socket.socket(fileno=int(sys.argv[2])) as channel:
        serve_tasks(channel, Scorer(options))


if __name__ == "__main__":
    main()
