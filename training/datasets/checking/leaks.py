"""Judge what videos share: footage, scene, group; worst where parts of a split share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.datasets.checking.findings import Case, Checked, Finding, Severity, count
from training.datasets.checking.measure import PROBES
from training.datasets.checking.prints import clusters, equal_files, same_footage, same_scene
from training.datasets.dataset import Video

_MAX_NAMED = 4


def judge_groups(videos: Sequence[Video]) -> Iterator[Finding]:
    """Find groups that stand in several parts, and splits that are missing.

    Args:
        videos: All videos of the dataset.

    Yields:
        The findings.
    """
    members: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        members[video.group].append(video)
    torn = {name: group for name, group in members.items() if len(_parts(group)) > 1}
    if torn:
        yield Finding(
            "group-leak",
            Severity.ERROR,
            f"{count(len(torn), 'group')} in several parts: what is measured there is flattered.",
            "Keep each group in one part; `actionstream data subset --regroup` makes such parts.",
            tuple(
                Case(
                    tuple(video.name for video in torn[name]),
                    f"group {name}: {_spread(torn[name])}",
                    {"videos": float(len(torn[name]))},
                )
                for name in sorted(torn, key=lambda name: (-len(torn[name]), name))
            ),
        )
    if not any(video.part for video in videos):
        yield Finding(
            "no-split",
            Severity.NOTE,
            "The dataset has no parts to train, choose and test on.",
            "`actionstream data subset` makes them, with groups kept apart.",
            (Case((), f"{count(len(videos), 'video')} in {count(len(members), 'group')}"),),
        )


def judge_likeness(items: Sequence[Checked]) -> Iterator[Finding]:
    """Find the same footage and the same scene in several videos.

    Args:
        items: Videos with their measures.

    Yields:
        The findings.
    """
    present = [item for item in items if item.measures is not None and item.measures.frames]
    copies = _copies(present)
    yield from _judge_copies(copies)
    alike = {name for copy in copies for name in copy.names}
    yield from _judge_scenes([item for item in present if item.video.name not in alike])


@dataclass(frozen=True, slots=True)
class _Copies:
    """Videos that show the same.

    Attributes:
        videos: Two and more.
        exact: Whether all their bytes are equal.
        difference: Grey levels by which two of them differ at most.
    """

    videos: tuple[Video, ...]
    exact: bool
    difference: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the videos."""
        return tuple(video.name for video in self.videos)

    def case(self) -> Case:
        """Describe them."""
        how = "equal bytes" if self.exact else f"alike to {self.difference:.1f} grey levels"
        said = [how]
        if len(_parts(self.videos)) > 1:
            said.append(_spread(self.videos))
        if len(_labels(self.videos)) > 1:
            said.append("labelled " + ", ".join(" + ".join(x) for x in _labels(self.videos)))
        return Case(self.names, "; ".join(said), {"grey levels": round(self.difference, 2)})


def _copies(present: Sequence[Checked]) -> list[_Copies]:
    """Find exact and near duplicates."""
    paths = [item.video.path for item in present]
    equal = equal_files([path for path in paths if path is not None])
    whole = [index for index, item in enumerate(present) if _thumbs(item) is not None]
    pairs = {(a, b): 0.0 for group in equal for a, b in pairwise(group)}
    for a, b, difference in same_footage(_stack([present[index] for index in whole])):
        pairs.setdefault((whole[a], whole[b]), difference)
    exact = {member: number for number, group in enumerate(equal) for member in group}
    found = []
    for group in clusters(pairs):
        inside = [value for (a, _), value in pairs.items() if a in group]
        one = len({exact.get(member, -1 - member) for member in group}) == 1
        videos = tuple(present[member].video for member in group)
        found.append(_Copies(videos, one, 0.0 if one else max(inside)))
    return found


def _judge_copies(copies: Sequence[_Copies]) -> Iterator[Finding]:
    leaks = [copy for copy in copies if len(_parts(copy.videos)) > 1]
    clashes = [copy for copy in copies if len(_labels(copy.videos)) > 1]
    others = [copy for copy in copies if copy not in leaks and copy not in clashes]
    for kind, severity, found, summary, advice in (
        (
            "duplicate-leak",
            Severity.ERROR,
            leaks,
            "{} of the same footage stand in several parts: the worst leak there is.",
            "Keep one of each, in training.",
        ),
        (
            "label-conflict",
            Severity.ERROR,
            clashes,
            "{} of the same footage carry different labels.",
            "Look at them and decide; a clip with two actions is one video with both.",
        ),
        (
            "duplicate",
            Severity.WARNING,
            others,
            "{} of the same footage.",
            "Keep one of each: copies count twice in training and in every figure.",
        ),
    ):
        if found:
            number = count(len(found), "set")
            cases = sorted((copy.case() for copy in found), key=lambda case: -len(case.videos))
            yield Finding(kind, severity, summary.format(number), advice, tuple(cases))


def _judge_scenes(items: Sequence[Checked]) -> Iterator[Finding]:
    """Find videos of different groups that one standing camera saw."""
    items = [item for item in items if _thumbs(item) is not None]
    videos = [item.video for item in items]
    groups = clusters(same_scene(_stack(items)))
    scenes = [tuple(videos[member] for member in group) for group in groups]
    scenes = [scene for scene in scenes if len({video.group for video in scene}) > 1]
    unknown = [s for s in scenes if sum(video.group == video.name for video in s) > 1]
    known = [scene for scene in scenes if scene not in unknown]
    leaking = [scene for scene in scenes if len(_parts(scene)) > 1]
    for kind, severity, found, summary, advice in (
        (
            "scene-leak",
            Severity.WARNING,
            leaking,
            "{} seen in several parts, by different groups.",
            "If the same people act there, make them one group; if only the place is shared, "
            "figures say little about other places.",
        ),
        (
            "unknown-group",
            Severity.WARNING,
            [scene for scene in unknown if scene not in leaking],
            "{} seen by videos of which each counts as a group of its own.",
            "Give them one group, else a split puts one recording on both sides.",
        ),
        (
            "shared-scene",
            Severity.NOTE,
            [scene for scene in known if scene not in leaking],
            "{} seen by several groups.",
            "Figures of a split by group say little about other places.",
        ),
    ):
        if found:
            cases = sorted((_scene_case(scene) for scene in found), key=lambda c: -len(c.videos))
            number = count(len(found), "scene")
            yield Finding(kind, severity, summary.format(number), advice, tuple(cases))


def _scene_case(scene: Sequence[Video]) -> Case:
    groups = sorted({video.group for video in scene})
    more = ", …" if len(groups) > _MAX_NAMED else ""
    alone = set(groups) <= {video.name for video in scene}
    named = "" if alone else f" ({', '.join(groups[:_MAX_NAMED])}{more})"
    parts = f"; {_spread(scene)}" if len(_parts(scene)) > 1 else ""
    return Case(
        tuple(video.name for video in scene),
        f"{count(len(groups), 'group')}{named}{parts}",
        {"videos": float(len(scene)), "groups": float(len(groups))},
    )


def _thumbs(item: Checked) -> NDArray[np.uint8] | None:
    measures = item.measures
    whole = measures is not None and len(measures.thumbs) == PROBES
    return measures.thumbs if measures is not None and whole else None


def _stack(items: Sequence[Checked]) -> NDArray[np.uint8]:
    found = [thumbs for item in items if (thumbs := _thumbs(item)) is not None]
    return np.stack(found) if found else np.empty((0, PROBES, 3, 32, 32), np.uint8)


def _parts(videos: Sequence[Video]) -> set[str]:
    return {video.part for video in videos if video.part is not None}


def _labels(videos: Sequence[Video]) -> list[tuple[str, ...]]:
    """Different sets of labels; videos without annotation may simply not be labelled."""
    found = {tuple(sorted({span.label for span in video.annotations})) for video in videos}
    return sorted(found - {()})


def _spread(videos: Sequence[Video]) -> str:
    numbers: Mapping[str, int] = {
        part: sum(video.part == part for video in videos) for part in sorted(_parts(videos))
    }
    return ", ".join(f"{number} in {part}" for part, number in numbers.items())
