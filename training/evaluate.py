"""Measuring a finished bundle: its ONNX graphs, on sliding windows, by the steps of live ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from contracts.types import Sampling
from inference.bundle import Bundle
from inference.engine import score_frames
from inference.runtime import Runtime
from inference.windows import WindowSpec
from training.metrics.confusion import Confusion
from training.samples import Sample, sample_frames


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        model: ``name@version``.
        dataset: Name of the dataset.
        part: ``train``, ``validation`` or ``test``.
        windows: All windows that lie fully inside one segment.
        clips: Trimmed samples, by the mean of their windows' scores.
        date: Day of the measurement, UTC.
    """

    model: str
    dataset: str
    part: str
    windows: Confusion
    clips: Confusion
    date: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "part": self.part,
            "date": self.date,
            "windows": self.windows.to_dict(),
            "clips": self.clips.to_dict(),
        }

    def print(self, console: Console) -> None:
        """Show both tables."""
        name = f"{self.model}, {self.dataset} {self.part}"
        console.print(self.windows.to_table(f"{name}, windows"))
        console.print(f"clips: {self.clips.accuracy:.1%} of {self.clips.total}", highlight=False)


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """One window of a sample.

    Attributes:
        start_s: Start in media time.
        end_s: End in media time.
        scores: One per label of the bundle, in its order.
    """

    start_s: float
    end_s: float
    scores: tuple[float, ...]


def evaluate(
    bundle: Bundle, samples: Sequence[Sample], dataset: str, part: str, *, quiet: bool = False
) -> Evaluation:
    """Measure a bundle on labelled samples.

    Args:
        bundle: The bundle.
        samples: Labelled videos in the size of the bundle's input.
        dataset: Name of the dataset, for the record.
        part: Part of its split, for the record.
        quiet: Whether to show no progress.

    Returns:
        The figures.

    Raises:
        ValueError: A label is not one of the bundle.
    """
    model = Runtime(bundle)
    names = bundle.label_names
    windows: list[tuple[str, str]] = []
    clips: list[tuple[str, str]] = []
    for sample in track(samples, description=f"{dataset} {part}", disable=quiet, transient=True):
        scored = score_sample(model, sample)
        windows += _labelled(sample, scored, names)
        if len(sample.segments) == 1 and scored:
            mean = np.mean([window.scores for window in scored], axis=0)
            clips.append((sample.label, names[int(mean.argmax())]))
    return Evaluation(
        model=bundle.model_id,
        dataset=dataset,
        part=part,
        windows=Confusion.from_pairs(names, windows),
        clips=Confusion.from_pairs(names, clips),
        date=datetime.now(UTC).date().isoformat(),
    )


def score_sample(model: Runtime, sample: Sample) -> list[ScoredWindow]:
    """Score every window of a sample.

    Args:
        model: The model.
        sample: A video in the size of the model's input.

    Returns:
        The windows in order; none if the video is shorter than one.
    """
    wanted = model.bundle.input
    spec = WindowSpec(wanted.frames, wanted.stride, 1 / wanted.fps)
    frames = sample_frames(sample, Sampling(wanted.fps, wanted.width, wanted.height))
    return [
        ScoredWindow(scored.media.start, scored.media.end, tuple(map(float, scored.scores)))
        for scored in score_frames(model, spec, frames)
    ]


def _labelled(
    sample: Sample, windows: Iterable[ScoredWindow], names: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Pair truth and answer of the windows that lie inside one segment."""
    pairs = []
    for window in windows:
        for segment in sample.segments:
            # The grid may place a frame a quarter of a period before its time.
            if segment.start_s - 0.02 <= window.start_s and window.end_s <= segment.end_s + 0.02:
                pairs.append((segment.label, names[int(np.argmax(window.scores))]))
    return pairs
