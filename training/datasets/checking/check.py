"""Check a dataset: look into its videos, let every judge speak, sort what they found."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from training.datasets.checking.balance import ClassCount, count_classes, judge_balance
from training.datasets.checking.findings import Checked, Finding, Severity, by_severity
from training.datasets.checking.leaks import judge_groups, judge_likeness
from training.datasets.checking.marks import judge_annotations
from training.datasets.checking.measure import measure_video
from training.datasets.checking.pictures import judge_pictures
from training.datasets.dataset import Dataset, Video

SCHEMA: Final = 1
"""Version of the JSON object; fields are only added."""

# Decoding releases the interpreter lock; more threads than this wait for the disk.
_MAX_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class Check:
    """Everything a check says.

    Attributes:
        dataset: What was checked.
        items: Its videos with their measures, in their order.
        classes: How much there is of each class.
        findings: Worst first.
    """

    dataset: Dataset
    items: tuple[Checked, ...]
    classes: tuple[ClassCount, ...]
    findings: tuple[Finding, ...]

    def number(self, severity: Severity) -> int:
        """Number of findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; thumbnails are left out."""
        return {
            "schema": SCHEMA,
            "dataset": self.dataset.name,
            "videos": len(self.items),
            "videos_at_hand": sum(item.measures is not None for item in self.items),
            "groups": len({video.group for video in self.dataset.videos}),
            "classes": [item.to_dict() for item in self.classes],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def check_dataset(dataset: Dataset, watch: Callable[[int], None] = lambda number: None) -> Check:
    """Look into every video at hand and say what is wrong.

    Args:
        dataset: The dataset; videos without a file are checked by their annotations alone.
        watch: Told how many videos were looked into.

    Returns:
        What was found.
    """
    items = []
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, "check") as pool, ExitStack() as leaving:
        # Left early, as by Ctrl-C, only the videos being looked into are waited for.
        leaving.callback(pool.shutdown, wait=False, cancel_futures=True)
        for number, item in enumerate(pool.map(_check_video, dataset.videos), start=1):
            items.append(item)
            watch(number)
    findings = (
        *judge_likeness(items),
        *judge_groups(dataset.videos),
        *judge_annotations(dataset, items),
        *judge_pictures(items),
        *judge_balance(dataset),
    )
    measured = replace(dataset, videos=tuple(map(_with_length, items)))
    return Check(dataset, tuple(items), count_classes(measured), by_severity(findings))


def _with_length(item: Checked) -> Video:
    """Fill in the length that the annotations do not say."""
    info = item.measures.info if item.measures is not None else None
    if item.video.duration_s is not None or info is None:
        return item.video
    return replace(item.video, duration_s=info.duration_s)


def _check_video(video: Video) -> Checked:
    at_hand = video.path is not None and video.path.is_file()
    return Checked(video, measure_video(video.path) if video.path and at_hand else None)
