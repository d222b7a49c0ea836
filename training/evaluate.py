"""Measuring a finished bundle: its ONNX graphs, on sliding windows, by the steps of live ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from contracts.types import Annotation, WindowScores
from inference.bundle import Bundle
from inference.engine import score_frames
from inference.loading import load_model
from inference.runtime import ActionModel
from inference.windows import WindowSpec
from training.catalogue import DataOptions, load_dataset
from training.metrics.confusion import Confusion
from training.samples import Sample, sample_frames

# The grid may place a frame a quarter of a period before its time.
_SLACK_S = 0.02


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

    @classmethod
    def from_scores(cls, scored: WindowScores) -> ScoredWindow:
        """Take what the engine says of a window."""
        return cls(scored.media.start, scored.media.end, tuple(map(float, scored.scores)))


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model said of labelled items, windows or clips; row i of every array is one item.

    Attributes:
        labels: Names of the classes, in the order of label ids.
        items: (N,) str: the clip or video that each is, or lies in.
        times_s: (N,) float64: middle of each in media time.
        truth: (N,) int64 label ids.
        scores: (N, C) float64, each row sums to one.
    """

    labels: tuple[str, ...]
    items: NDArray[np.str_]
    times_s: NDArray[np.float64]
    truth: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of items."""
        return len(self.truth)

    @property
    def confusion(self) -> Confusion:
        """Truth against the label with the highest score; the first of equals."""
        return Confusion.from_ids(self.labels, self.truth, self.scores.argmax(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What was measured.

    Attributes:
        model: ``name@version``.
        dataset: Name of the dataset.
        part: ``train``, ``validation`` or ``test``.
        window_answers: All windows that lie fully inside one segment.
        clip_answers: Trimmed samples, by the mean of their windows' scores.
        unknown: Number of samples or segments left out by label, where the bundle has no such
            label.
        short: Number of trimmed samples left out because they are shorter than one window.
        date: Day of the measurement, UTC.
    """

    model: str
    dataset: str
    part: str
    window_answers: Answers
    clip_answers: Answers
    date: str
    unknown: dict[str, int] = field(default_factory=dict)
    short: int = 0

    @property
    def windows(self) -> Confusion:
        """Of all windows that lie fully inside one segment."""
        return self.window_answers.confusion

    @property
    def clips(self) -> Confusion:
        """Of trimmed samples."""
        return self.clip_answers.confusion


class Collector:
    """Gathers scored windows of labelled videos into an evaluation."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Start without any.

        Args:
            labels: Names of the model's classes, in the order of its scores.
        """
        self._labels = labels
        self._ids = {label: index for index, label in enumerate(labels)}
        self._windows: list[tuple[str, float, int, tuple[float, ...]]] = []
        self._clips: list[tuple[str, float, int, tuple[float, ...]]] = []
        self.unknown: dict[str, int] = {}
        self.short = 0

    def add(
        self, key: str, segments: Sequence[Annotation], scored: Sequence[ScoredWindow], clip: bool
    ) -> None:
        """Take one video.

        Args:
            key: Its name.
            segments: What it is labelled with; labels that the model lacks are counted, no more.
            scored: Its windows.
            clip: Whether it is trimmed to its one segment.
        """
        known = [segment for segment in segments if segment.label in self._ids]
        for segment in segments:
            if segment.label not in self._ids:
                self.unknown[segment.label] = self.unknown.get(segment.label, 0) + 1
        for window in scored:
            middle = (window.start_s + window.end_s) / 2
            self._windows += [
                (key, middle, self._ids[segment.label], window.scores)
                for segment in known
                if inside(window, segment)
            ]
        if clip and known and scored:
            mean = np.mean([window.scores for window in scored], axis=0)
            middle = (scored[0].start_s + scored[-1].end_s) / 2
            self._clips.append((key, middle, self._ids[known[0].label], tuple(mean.tolist())))
        self.short += bool(clip and known and not scored)

    def windows(self) -> Answers:
        """All windows that lie inside a segment of a known label."""
        return self._answers(self._windows)

    def clips(self) -> Answers:
        """All trimmed videos of a known label."""
        return self._answers(self._clips)

    def _answers(self, rows: list[tuple[str, float, int, tuple[float, ...]]]) -> Answers:
        return Answers(
            labels=self._labels,
            items=np.asarray([row[0] for row in rows], np.str_),
            times_s=np.asarray([row[1] for row in rows], np.float64),
            truth=np.asarray([row[2] for row in rows], np.int64),
            scores=np.asarray([row[3] for row in rows], np.float64).reshape(
                len(rows), len(self._labels)
            ),
        )


def measure(
    bundle: Bundle, names: Sequence[str], part: str, options: DataOptions, *, quiet: bool = False
) -> list[Evaluation]:
    """Measure a bundle on several of the project's own datasets.

    Args:
        bundle: The bundle.
        names: Names of datasets, of `training.catalogue.DATASETS`.
        part: ``train``, ``validation`` or ``test``.
        options: Where data come from; frames are made in the size of the bundle's input.
        quiet: Whether to show no progress.

    Returns:
        One evaluation per dataset.

    Raises:
        ConfigError: A dataset is missing.
    """
    sized = replace(options, width=bundle.input.width, height=bundle.input.height)
    return [
        evaluate(bundle, load_dataset(name, part, sized), name, part, quiet=quiet) for name in names
    ]


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
        The figures; samples whose label is not one of the bundle are counted and left out.
    """
    model = load_model(bundle)
    found = Collector(bundle.label_names)
    for sample in track(samples, description=f"{dataset} {part}", disable=quiet, transient=True):
        scored = score_sample(model, sample)
        found.add(sample.key, sample.segments, scored, clip=len(sample.segments) == 1)
    return summarise(bundle, found, dataset, part)


def summarise(bundle: Bundle, found: Collector, dataset: str, part: str) -> Evaluation:
    """Name what was collected.

    Args:
        bundle: The bundle that scored it.
        found: Everything collected.
        dataset: Name of the dataset.
        part: Part of its split.

    Returns:
        The figures, dated today.
    """
    return Evaluation(
        model=bundle.model_id,
        dataset=dataset,
        part=part,
        window_answers=found.windows(),
        clip_answers=found.clips(),
        date=datetime.now(UTC).date().isoformat(),
        unknown=found.unknown,
        short=found.short,
    )


def score_sample(model: ActionModel, sample: Sample) -> list[ScoredWindow]:
    """Score every window of a sample.

    Args:
        model: The model.
        sample: A video in the size of the model's input.

    Returns:
        The windows in order; none if the video is shorter than one.
    """
    wanted = model.bundle.input
    frames = sample_frames(sample, wanted.sampling)
    return [
        ScoredWindow.from_scores(scored)
        for scored in score_frames(model, WindowSpec.of(wanted), frames)
    ]


def inside(window: ScoredWindow, segment: Annotation) -> bool:
    """Whether a window lies fully inside a segment."""
    early = segment.start_s - _SLACK_S <= window.start_s
    return early and window.end_s <= segment.end_s + _SLACK_S


def segment_at(segments: Iterable[Annotation], time_s: float) -> Annotation | None:
    """Return the first segment that holds a time, or None between segments."""
    return next((s for s in segments if s.start_s <= time_s < s.end_s), None)
