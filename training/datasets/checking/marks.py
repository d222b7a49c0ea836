"""Judge the annotations: outside their video, empty, twice, and labels nobody knows."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.types import Annotation
from training.datasets.checking.findings import Case, Checked, Finding, Severity, count
from training.datasets.dataset import Dataset

# Annotators write whole seconds, and containers round their length.
_TOLERANCE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Kind:
    severity: Severity
    summary: str
    advice: str


_KINDS: Final = {
    "outside": _Kind(
        Severity.ERROR,
        "{} outside of the video.",
        "Times in frames read as seconds, another cut of the video, or a truncated file.",
    ),
    "empty": _Kind(
        Severity.ERROR,
        "{} without length.",
        "Delete them, or give them their true end.",
    ),
    "overlap": _Kind(
        Severity.WARNING,
        "{} overlapping another one of the same label in the same video.",
        "Join them if they are one action; several actors at once need no second annotation.",
    ),
    "unknown-label": _Kind(
        Severity.ERROR,
        "{} with a label that is not in the dataset's list.",
        "Correct the label, or add it to the list.",
    ),
}


def judge_annotations(dataset: Dataset, items: Sequence[Checked]) -> Iterator[Finding]:
    """Find annotations that cannot be right.

    Args:
        dataset: Its list of labels.
        items: Its videos with their measures.

    Yields:
        One finding per kind of trouble that occurs.
    """
    found: dict[str, list[Case]] = defaultdict(list)
    for item in items:
        for kind, span, badness in _faults(item, frozenset(dataset.labels)):
            text = f"{span.label} {span.start_s:.2f} s to {span.end_s:.2f} s"
            if kind == "outside":
                text += f", the video has {_length_s(item) or 0:.2f} s"
            numbers = {"seconds": round(badness, 3)}
            found[kind].append(Case((item.video.name,), text, numbers))
    for kind, entry in _KINDS.items():
        if cases := found.get(kind):
            cases.sort(key=lambda case: -case.numbers["seconds"])
            summary = entry.summary.format(count(len(cases), "annotation"))
            yield Finding(kind, entry.severity, summary, entry.advice, tuple(cases))
    yield from _confusable(dataset.labels)


def _faults(item: Checked, labels: frozenset[str]) -> Iterator[tuple[str, Annotation, float]]:
    """Yield kind, annotation, and by how many seconds it is wrong."""
    length_s = _length_s(item)
    ends: dict[str, float] = defaultdict(lambda: -math.inf)
    for span in sorted(item.video.annotations, key=lambda span: span.start_s):
        if span.end_s <= span.start_s:
            yield "empty", span, 0.0
            continue
        last_s = span.end_s if math.isfinite(span.end_s) else span.start_s
        beyond_s = max(-span.start_s, last_s - length_s if length_s is not None else 0.0)
        if beyond_s > _TOLERANCE_S:
            yield "outside", span, beyond_s
        if (shared_s := min(ends[span.label], span.end_s) - span.start_s) > 0:
            yield "overlap", span, min(shared_s, 1e6)
        ends[span.label] = max(ends[span.label], span.end_s)
        if span.label not in labels:
            yield "unknown-label", span, 0.0


def _length_s(item: Checked) -> float | None:
    """Length of the file if it is at hand, else what the annotations say."""
    info = item.measures.info if item.measures is not None else None
    measured_s = info.duration_s if info is not None else None
    return measured_s if measured_s is not None else item.video.duration_s


def _confusable(labels: Sequence[str]) -> Iterator[Finding]:
    """Labels that differ only in case, spaces, dashes or underscores."""
    spelled: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        spelled[re.sub(r"[\s_\-]+", "", label).casefold()].append(label)
    twins = [names for names in spelled.values() if len(names) > 1]
    if twins:
        yield Finding(
            "confusable-labels",
            Severity.WARNING,
            f"{count(len(twins), 'label')} spelled in several ways.",
            "If they mean the same, use one spelling: they count as different classes.",
            tuple(Case((), " / ".join(names)) for names in twins),
        )
