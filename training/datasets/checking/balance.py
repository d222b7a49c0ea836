"""Judge how evenly classes are covered, over all and in each part."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from training.datasets.checking.findings import Case, Finding, Severity, count
from training.datasets.dataset import PARTS, Dataset, Video

NO_PART: Final = "no part"
"""Where videos are counted that no part of a split holds."""

_UNEVEN: Final = 3.0
_VERY_UNEVEN: Final = 10.0


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How much there is of one class.

    Attributes:
        label: The class.
        videos: Videos in which it occurs, by part.
        segments: Its annotations.
        seconds: Their length together; of whole clips of unknown length nothing.
    """

    label: str
    videos: dict[str, int]
    segments: int
    seconds: float

    @property
    def total(self) -> int:
        """Videos in all parts."""
        return sum(self.videos.values())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "label": self.label,
            "videos": self.videos,
            "segments": self.segments,
            "seconds": round(self.seconds, 3),
        }


def count_classes(dataset: Dataset) -> tuple[ClassCount, ...]:
    """Count every class of a dataset, in the order of its labels."""
    videos: dict[str, Counter[str]] = defaultdict(Counter)
    segments: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for video in dataset.videos:
        for label in {span.label for span in video.annotations}:
            videos[label][video.part or NO_PART] += 1
        for span in video.annotations:
            segments[span.label] += 1
            end_s = span.end_s if math.isfinite(span.end_s) else video.duration_s or span.start_s
            seconds[span.label] += max(0.0, end_s - span.start_s)
    return tuple(
        ClassCount(label, dict(videos[label]), segments[label], seconds[label])
        for label in dataset.labels
    )


def parts_of(videos: Sequence[Video]) -> tuple[str, ...]:
    """Return the parts that occur, in their order, `NO_PART` last."""
    found = {video.part for video in videos}
    return tuple(part for part in PARTS if part in found) + ((NO_PART,) if None in found else ())


def effective_classes(numbers: Sequence[int]) -> float:
    """Number of equally frequent classes that would be as diverse.

    The exponential of Shannon's entropy (Hill: Diversity and Evenness, Ecology 54(2), 1973, N1).

    Args:
        numbers: Examples of each class.

    Returns:
        From 1, all in one class, to the number of classes, all equally frequent; 0 of nothing.
    """
    shares = np.asarray([number for number in numbers if number > 0], np.float64)
    if not shares.size:
        return 0.0
    shares /= shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def judge_balance(dataset: Dataset) -> Iterator[Finding]:
    """Find rare classes, and classes that a part lacks.

    Args:
        dataset: The dataset.

    Yields:
        The findings.
    """
    classes = count_classes(dataset)
    present = [item for item in classes if item.total]
    if unused := [item for item in classes if not item.total]:
        yield Finding(
            "unused-class",
            Severity.WARNING,
            f"{count(len(unused), 'class')} without an example.",
            "Take them out of the list: a model cannot learn them.",
            tuple(Case((), item.label) for item in unused),
        )
    if present:
        yield from _imbalance(present)
    yield from _absent(present, [part for part in parts_of(dataset.videos) if part != NO_PART])


def _imbalance(present: Sequence[ClassCount]) -> Iterator[Finding]:
    ordered = sorted(present, key=lambda item: item.total)
    ratio = ordered[-1].total / ordered[0].total
    if ratio < _UNEVEN:
        return
    effective = effective_classes([item.total for item in present])
    numbers = {"ratio": round(ratio, 2), "effective classes": round(effective, 2)}
    rare = [item for item in ordered if item.total * _UNEVEN <= ordered[-1].total]
    yield Finding(
        "imbalance",
        Severity.WARNING if ratio >= _VERY_UNEVEN else Severity.NOTE,
        f"{ordered[-1].label} has {ratio:.1f} times as many videos as {ordered[0].label}; "
        f"{len(present)} classes are as diverse as {effective:.1f} equal ones.",
        "Weight the classes or draw them equally often in training, and read recall per class: "
        "accuracy hides the rare ones.",
        tuple(Case((), item.label, {"videos": float(item.total), **numbers}) for item in rare),
    )


def _absent(present: Sequence[ClassCount], parts: Sequence[str]) -> Iterator[Finding]:
    """Classes that occur in one part and not in another."""
    for kind, severity, lacking, summary, advice in (
        (
            "untrained-class",
            Severity.ERROR,
            ["train"],
            "{} never seen in training, but tested.",
            "Put some of its groups into training, or leave the class out.",
        ),
        (
            "untested-class",
            Severity.WARNING,
            [part for part in parts if part != "train"],
            "{} missing in a part that figures come from.",
            "Nothing is known of it there: averages over classes leave it out or count zero.",
        ),
    ):
        cases = [
            Case((), f"{item.label}: none in {part}", {"videos elsewhere": float(item.total)})
            for part in lacking
            if part in parts
            for item in present
            if not item.videos.get(part) and any(item.videos.get(other) for other in parts)
        ]
        if cases and len(parts) > 1:
            number = count(len({case.detail.rpartition(":")[0] for case in cases}), "class")
            yield Finding(kind, severity, summary.format(number), advice, tuple(cases))
