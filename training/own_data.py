"""Data of one's own, made ready to learn from: classes, parts, background, scenes.

Any dataset that `datasets.reading` reads becomes trimmed scenes of one label each. What a split, a
background class or longer clips would be needed for and is not there is made up for where it can
be, and said in `OwnData.notes` where it matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contracts.errors import ConfigError
from contracts.types import Annotation
from training.batches import Data
from training.data import NONE
from training.datasets.dataset import PARTS, Dataset, Video
from training.datasets.loading import Progress, ignore_progress, load_samples
from training.datasets.subset import Plan as SplitPlan
from training.datasets.subset import split_dataset
from training.evaluate_dataset import is_clip
from training.samples import FrameCache, Sample
from training.stills import still_scenes

BACKGROUND_NAMES = ("none", "background", "no_action", "negative", "other")
"""Names of classes that mean that no action goes on, in any spelling of spaces and capitals."""

HELD_STILL = "held still"
"""Source of the scenes by which a background without clips of its own is chosen."""

_SHARES = (0.6, 0.2, 0.2)
_STILLS = 24


@dataclass(frozen=True, slots=True)
class OwnData:
    """A dataset with everything decided.

    Attributes:
        dataset: Every video with its part; the background is a label where videos show it.
        background: Name of the class that means that no action goes on.
        notes: What a reader of the results must know, one sentence each.
    """

    dataset: Dataset
    background: str
    notes: tuple[str, ...]

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the classes but the background."""
        return tuple(label for label in self.dataset.labels if label != self.background)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes in the order of the scores: the background last."""
        return (*self.actions, self.background)

    @property
    def judged_part(self) -> str | None:
        """The part that results are measured on: held out if any is."""
        parts = {video.part for video in self.dataset.videos}
        return next((part for part in ("test", "validation") if part in parts), None)

    @property
    def recorded(self) -> bool:
        """Whether training videos show the background; else pictures held still stand for it."""
        return self.count(self.background, "train") > 0

    def count(self, label: str, part: str) -> int:
        """Number of videos of a part in which a label occurs; untrimmed ones show background."""
        return sum(
            label in _labels_in(video) or (label == self.background and not is_clip(video))
            for video in self.dataset.part(part)
        )


def prepare(
    dataset: Dataset, classes: Sequence[str] = (), background: str | None = None, seed: int = 0
) -> OwnData:
    """Decide on classes, background and parts.

    Parts that the dataset has are kept, a validation part that it lacks is made of its training
    groups. Without any, six tenths of the groups are learned from, two tenths choose the best
    weights and two tenths are held out to measure. The same seed gives the same parts.

    Args:
        dataset: Any dataset.
        classes: Labels to tell apart, the background among them or not; all without.
        background: Label that means that no action goes on; without, it is known by its name.
        seed: Start of all chance.

    Returns:
        The data; videos of other classes are left out.

    Raises:
        ConfigError: No such class, several backgrounds, no class beside the background, or nothing
            to learn from.
    """
    found = _find_background(dataset, classes, background)
    chosen = tuple(classes) or dataset.labels
    actions = tuple(label for label in chosen if label != found)
    if not actions:
        raise ConfigError(f"{dataset.name} has no class beside the background {found!r}.")
    # Labels that the dataset lacks stay in, to be refused by name.
    names = tuple(dict.fromkeys((*chosen, *([found] if found else []))))
    split, torn = _split(dataset, names, seed)
    own = OwnData(split, found or NONE, ())
    return replace(own, notes=(*_notes(own), *_torn_notes(torn)))


def load(
    own: OwnData, source: str, cache: FrameCache, progress: Progress = ignore_progress
) -> Data:
    """Load the frames and cut them into scenes of one label.

    Time of an untrimmed video that is not annotated is background. Clips shorter than a window are
    learned from with their last picture held.

    Args:
        own: What to load.
        source: Name of the data.
        cache: Keeps the decoded frames, in the size of the network's input.
        progress: Is told how far the work is.

    Returns:
        Training and validation samples. A background that no video shows is validated on pictures
        held still.

    Raises:
        ConfigError: No video can be read, or none of a class that is to be learned.
    """
    videos = [video for video in own.dataset.videos if video.part in ("train", "validation")]
    samples = load_samples(source, videos, cache, progress=progress)
    by_key = {f"{source}/{video.name}": video for video in videos}
    scenes: dict[str, list[Sample]] = {"train": [], "validation": []}
    for sample in samples:
        video = by_key[sample.key]
        scenes[video.part or ""] += cut_scenes(sample, video, own.background)
    train, validation = scenes["train"], scenes["validation"]
    for label in own.actions:
        # A single picture is only good for being held still.
        if not any(sample.label == label and len(sample.frames) > 1 for sample in train):
            raise ConfigError(
                f"No video of {label!r} can be learned from.",
                "Add some, or leave the class out with --classes.",
            )
    if validation and not any(sample.label == own.background for sample in validation):
        validation = [*validation, *_held_still(validation, own)]
    return Data(own.labels, train, validation, own.background)


def cut_scenes(sample: Sample, video: Video, background: str) -> list[Sample]:
    """Cut a video into trimmed samples.

    Args:
        sample: Its frames.
        video: Its annotations.
        background: Label of time that is not annotated.

    Returns:
        The sample itself where it is a trimmed clip; else one per annotation and per gap of at
        least a second. Spans without two frames are left out.
    """
    if is_clip(video):
        return [sample]
    gaps = (Annotation(background, start, end) for start, end in _gaps(video, sample.duration_s))
    scenes = []
    for number, span in enumerate([*video.annotations, *gaps]):
        first, last = np.searchsorted(sample.times_s, (span.start_s - 1e-6, span.end_s - 1e-6))
        if last - first > 1:
            scenes.append(
                replace(
                    sample,
                    key=f"{sample.key}#{number}",
                    frames=sample.frames[first:last],
                    times_s=sample.times_s[first:last] - sample.times_s[first],
                    segments=(Annotation(span.label, 0.0, np.inf),),
                )
            )
    return scenes


def _gaps(video: Video, duration_s: float) -> Iterator[tuple[float, float]]:
    """Spans of at least a second that are neither annotated nor to be ignored."""
    reached = 0.0
    taken = sorted((*video.annotations, *video.ignored), key=lambda span: span.start_s)
    for span in (*taken, Annotation("", duration_s, duration_s)):
        if span.start_s - reached >= 1.0:
            yield reached, span.start_s
        reached = max(reached, span.end_s)


def _find_background(dataset: Dataset, classes: Sequence[str], name: str | None) -> str | None:
    """Return the label of the background, if there is one: rather one of the chosen classes."""
    if name is not None:
        if name not in dataset.labels:
            raise ConfigError(
                f"There is no class {name!r} to be the background.",
                f"Classes: {', '.join(dataset.labels)}.",
            )
        return name
    found = [
        label
        for label in dataset.labels
        if re.sub(r"[\s_-]+", "_", label.strip().casefold()) in BACKGROUND_NAMES
    ]
    found = [label for label in found if label in classes] or found
    if len(found) > 1:
        raise ConfigError(
            f"{' and '.join(found)} could all be the background.",
            "Name the one with --background, and leave others out with --classes.",
        )
    return found[0] if found else None


def _split(
    dataset: Dataset, classes: tuple[str, ...], seed: int
) -> tuple[Dataset, tuple[str, ...]]:
    """Give every video a part; also returns the groups that stood in several."""
    own = {video.part for video in dataset.videos} - {None}
    shares = _SHARES
    if own:
        asked = [
            share if part in (*own, "validation") else 0.0
            for part, share in zip(PARTS, _SHARES, strict=True)
        ]
        train, validation, test = (share / sum(asked) for share in asked)
        shares = (train, validation, test)
    plan = SplitPlan(classes, per_class=len(dataset.videos), shares=shares, seed=seed)
    made = split_dataset(dataset, plan)
    if not own:
        return _with_training(made.dataset), made.torn
    if not made.dataset.part("train"):
        raise ConfigError(
            f"{dataset.name} has no training part; it has {', '.join(sorted(filter(None, own)))}.",
            "Name its parts train, validation and test.",
        )
    return made.dataset, made.torn


def _with_training(dataset: Dataset) -> Dataset:
    """Learn from everything where the parts would leave a class nothing to learn from."""
    trained = {label for video in dataset.part("train") for label in _labels_in(video)}
    if {label for video in dataset.videos for label in _labels_in(video)} <= trained:
        return dataset
    return replace(dataset, videos=tuple(replace(v, part="train") for v in dataset.videos))


def _labels_in(video: Video) -> set[str]:
    return {span.label for span in video.annotations}


def _held_still(samples: Sequence[Sample], own: OwnData) -> list[Sample]:
    return [
        replace(scene, segments=(Annotation(own.background, 0.0, np.inf),), source=HELD_STILL)
        for scene in still_scenes(samples, count=_STILLS, fps=25.0, frames=75)
    ]


def _notes(own: OwnData) -> list[str]:
    """Say what is missing for a good model or an honest figure."""
    notes = []
    if own.judged_part is None:
        notes.append(
            "Nothing is held out: there are too few groups to choose weights or to measure on. "
            "Record more people or places; until then nobody knows how good the model is."
        )
    elif own.judged_part == "validation":
        notes.append(
            "There are too few groups for a test part: figures are of the part that the weights "
            "were chosen on, and flatter."
        )
    else:
        lacking = sorted(label for label in own.actions if not own.count(label, "test"))
        if lacking:
            notes.append(f"No clip to measure on: {', '.join(lacking)}.")
    if not own.recorded:
        notes.append(
            f"No video shows the background: {own.background!r} is learned from single pictures "
            "held still, so other movement may be taken for an action. Add a folder "
            f"{own.background!r} of ordinary scenes without the actions."
        )
    if all(video.group == video.name for video in own.dataset.videos):
        notes.append(
            f"Each of the {len(own.dataset.videos)} videos counts as a recording of its own. If "
            "several show one person or place, put them into a folder of that name inside the "
            "class, or figures flatter."
        )
    return notes


def _torn_notes(torn: Iterable[str]) -> list[str]:
    names = sorted(torn)
    if not names:
        return []
    return [
        f"Groups in several parts of the split, used in one only: {', '.join(names[:5])}"
        + (f" and {len(names) - 5} more." if len(names) > 5 else ".")
    ]
