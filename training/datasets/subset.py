"""A small version of a dataset: fewer classes and videos, balanced, its groups kept apart.

Three steps, each pure and the same for the same seed:

1. `choose_labels`: the classes asked for, or as many as asked for among those with enough videos.
2. `assign_groups`: every group gets one part. Greedy, largest group first: it goes where it fills
   most of what is wanted, at equal gain where most is missing. Then groups are moved as long as a
   move gives a class to a part that had none of it and takes none away.
3. Within each part videos are taken class by class, rarest first, each from the group used least so
   far, until the class has what it should have there.

Whole videos are chosen, never segments, so the background between actions stays. What happens in
them besides the chosen classes becomes `ignored`, not background. Videos in which nothing happens
are taken too, as many as of one class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.errors import ConfigError
from training.datasets.dataset import PARTS, Dataset, Video, make_dataset

BACKGROUND: Final = ""
"""Stands for videos in which nothing happens, where videos are counted by class."""

Cell = tuple[str, str]
"""A class and a part."""
_Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the subset should be.

    Attributes:
        classes: Names of the classes, or how many.
        per_class: Videos of each class, over all parts.
        shares: Share of each of `PARTS`, summing to one; a part may have none.
        seed: Source of chance; the same seed gives the same subset.
        keep_parts: Keep the dataset's own split where it has one; parts that it lacks are made of
            its training groups.
    """

    classes: tuple[str, ...] | int
    per_class: int
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    keep_parts: bool = True


@dataclass(frozen=True, slots=True)
class Subset:
    """What was chosen.

    Attributes:
        dataset: The chosen videos, each with its part.
        wanted: Videos wanted by class and part; over the parts at most as many as there are.
        found: Videos chosen, by class and part; a video of two classes counts for both.
        torn: Groups that the dataset's own split puts into several parts; only their videos in the
            part where most of them are could be chosen.
    """

    dataset: Dataset
    wanted: Mapping[Cell, int]
    found: Mapping[Cell, int]
    torn: tuple[str, ...]

    def shortages(self) -> list[str]:
        """Say where there are fewer videos than wanted, one line per class and part."""
        lines = []
        for (label, part), wanted in self.wanted.items():
            found = self.found.get((label, part), 0)
            if found < wanted:
                number = f"only {found}" if found else "none"
                lines.append(f"{label or 'nothing happens'}: {number} of {wanted} in {part}")
        return lines


@dataclass(frozen=True, slots=True)
class Split:
    """A dataset's own split, as far as it is kept.

    Attributes:
        homes: The one part of each group that has some: where most of its candidates are.
        parts: Parts that the dataset has.
    """

    homes: Mapping[str, str] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, videos: Iterable[Video], candidates: Iterable[Video]) -> Split:
        """Find the parts among all videos, and the homes among the candidates."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for video in candidates:
            if video.part is not None:
                counts[video.group][video.part] += 1
        # At equal numbers the later part: what was meant for testing is not trained on.
        homes = {
            group: max((number, PARTS.index(part), part) for part, number in found.items())[2]
            for group, found in counts.items()
        }
        return cls(homes, frozenset(video.part for video in videos if video.part is not None))


def make_subset(dataset: Dataset, plan: Plan) -> Subset:
    """Choose a small, balanced version of a dataset in which no group stands in two parts.

    Args:
        dataset: Any dataset.
        plan: What to choose.

    Returns:
        The subset; where the groups do not allow what was wanted, its `shortages` say so.

    Raises:
        ConfigError: No such class, or fewer than asked for; none of their videos is in a part that
            is asked for.
    """
    labels, placed, wanted = _place(dataset, plan)
    chosen = _pick(placed, wanted, plan.seed)
    if not chosen:
        raise ConfigError(
            "No video of these classes is in a part that is asked for.",
            "Ask for other shares, or for grouped parts in place of the dataset's own.",
        )
    torn = _torn(dataset.videos) if plan.keep_parts else ()
    return Subset(make_dataset(dataset.name, chosen, labels), wanted, count_videos(chosen), torn)


def split_dataset(dataset: Dataset, plan: Plan) -> Subset:
    """Give all videos of the chosen classes a part, so that no group stands in two parts.

    Args:
        dataset: Any dataset.
        plan: Classes, shares and seed; `per_class` says what the parts should have, no video is
            left out for it.

    Returns:
        As `make_subset`, with every video but those of torn groups and of parts without a share.

    Raises:
        ConfigError: No such class, or fewer than asked for.
    """
    labels, placed, wanted = _place(dataset, plan)
    torn = _torn(dataset.videos) if plan.keep_parts else ()
    return Subset(make_dataset(dataset.name, placed, labels), wanted, count_videos(placed), torn)


def _place(dataset: Dataset, plan: Plan) -> tuple[tuple[str, ...], list[Video], Mapping[Cell, int]]:
    """Choose the labels, give their videos parts, and say how many each part should have."""
    labels = choose_labels(dataset, plan)
    videos = [_only(video, labels) for video in dataset.videos if _matters(video, labels)]
    own = Split.of(dataset.videos, videos) if plan.keep_parts else Split()
    # A group torn between parts counts with the videos of one of them only.
    videos = [v for v in videos if v.part is None or own.homes.get(v.group) in (None, v.part)]
    wanted = quotas(videos, plan)
    parts = assign_groups(videos, own, wanted, plan)
    placed = [replace(v, part=parts[v.group]) for v in videos if v.group in parts]
    return labels, placed, wanted


def choose_labels(dataset: Dataset, plan: Plan) -> tuple[str, ...]:
    """Choose the classes, in the dataset's order.

    Those named; or a number of them, drawn among the classes that have enough videos and a group
    for every part. If those are too few, the classes with most videos fill up.

    Raises:
        ConfigError: No such class, or fewer than asked for.
    """
    if isinstance(plan.classes, tuple):
        for name in plan.classes:
            if name not in dataset.labels:
                raise ConfigError(f"{dataset.name} has no class {name!r}.", _nearest(name, dataset))
        return tuple(label for label in dataset.labels if label in plan.classes)
    videos: Counter[str] = Counter()
    groups: dict[str, set[str]] = defaultdict(set)
    for video in dataset.videos:
        for label in labels_of(video):
            videos[label] += 1
            groups[label].add(video.group)
    known = [label for label in dataset.labels if videos[label]]
    if plan.classes > len(known):
        raise ConfigError(
            f"{dataset.name} has {len(known)} classes with videos, not {plan.classes}."
        )
    parts = sum(share > 0 for share in plan.shares)
    enough = [x for x in known if videos[x] >= plan.per_class and len(groups[x]) >= parts]
    drawn = np.random.default_rng(plan.seed).permutation(len(enough))[: plan.classes]
    chosen = [enough[index] for index in drawn]
    rest = sorted(set(known) - set(enough), key=lambda label: (-videos[label], label))
    chosen += rest[: plan.classes - len(chosen)]
    return tuple(label for label in dataset.labels if label in chosen)


def quotas(videos: Sequence[Video], plan: Plan) -> dict[Cell, int]:
    """Say how many videos of each class each part should have.

    The wanted number, or all there are if they are fewer, by largest remainder; each part that is
    asked for gets one as long as there is one for each.

    Returns:
        Numbers by class and part, for parts with a share.
    """
    available = Counter(label for video in videos for label in classes_of(video))
    wanted = {}
    for label in sorted(available):
        numbers = _apportion(min(plan.per_class, available[label]), plan.shares)
        for part, share, number in zip(PARTS, plan.shares, numbers, strict=True):
            if share > 0:
                wanted[label, part] = number
    return wanted


def _apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Divide a number by shares with the largest remainders, leaving none empty if possible."""
    asked = [index for index, share in enumerate(shares) if share > 0]
    least = 1 if total >= len(asked) else 0
    numbers = [max(least, int(total * share + 1e-9)) if share > 0 else 0 for share in shares]
    while sum(numbers) != total:
        step = 1 if sum(numbers) < total else -1
        missing = [step * (total * share - n) for share, n in zip(shares, numbers, strict=True)]
        able = [index for index in asked if step > 0 or numbers[index] > least]
        numbers[max(able, key=missing.__getitem__)] += step
    return numbers


def assign_groups(
    videos: Sequence[Video], own: Split, wanted: Mapping[Cell, int], plan: Plan
) -> dict[str, str]:
    """Give each group one part.

    Args:
        videos: The candidates.
        own: The dataset's own split as far as it is kept.
        wanted: Numbers by class and part.
        plan: Shares and seed.

    Returns:
        Parts by group; a group whose own part is not asked for has none.
    """
    table = _Table.of(videos, wanted)
    allowed = _allowed(table.groups, own, plan.shares)
    order = np.random.default_rng(plan.seed).permutation(len(table.groups))
    order = order[np.argsort(-table.counts[order].sum(axis=1), kind="stable")]
    parts = np.full(len(table.groups), -1)
    have = np.zeros_like(table.wanted)
    for group in order[allowed[order].any(axis=1)]:
        missing = table.wanted - have
        gain = np.minimum(table.counts[group], np.maximum(missing, 0)).sum(axis=1)
        need = missing @ table.counts[group]
        best = np.lexsort((-need, -gain, ~allowed[group]))[0]
        parts[group] = best
        have[best] += table.counts[group]
    _fill_empty(table, allowed, parts, have)
    return {
        name: PARTS[part]
        for name, part in zip(table.groups, parts.tolist(), strict=True)
        if part >= 0
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Candidates as numbers.

    Attributes:
        groups: Names of the groups, sorted.
        counts: (G, C) videos of each group and class.
        wanted: (P, C) videos wanted of each class in each part.
    """

    groups: tuple[str, ...]
    counts: _Counts
    wanted: _Counts

    @classmethod
    def of(cls, videos: Iterable[Video], wanted: Mapping[Cell, int]) -> _Table:
        """Count the videos."""
        videos = tuple(videos)
        groups = tuple(sorted({video.group for video in videos}))
        labels = sorted({label for label, _ in wanted})
        rows = {name: row for row, name in enumerate(groups)}
        columns = {label: column for column, label in enumerate(labels)}
        counts = np.zeros((len(groups), len(labels)), np.int64)
        for video in videos:
            for label in classes_of(video):
                counts[rows[video.group], columns[label]] += 1
        asked = [[wanted.get((label, part), 0) for label in labels] for part in PARTS]
        return cls(groups, counts, np.asarray(asked, np.int64).reshape(len(PARTS), len(labels)))


def _allowed(groups: Sequence[str], own: Split, shares: Sequence[float]) -> NDArray[np.bool_]:
    """Return (G, P): where each group may go."""
    asked = np.asarray(shares) > 0
    lacking = asked & np.asarray([part not in own.parts for part in PARTS])
    allowed = np.tile(asked, (len(groups), 1))
    for row, name in enumerate(groups):
        if (home := own.homes.get(name)) is not None:
            there = asked & np.asarray([part == home for part in PARTS])
            allowed[row] = there | lacking if home == "train" else there
    return allowed


def _fill_empty(
    table: _Table, allowed: NDArray[np.bool_], parts: NDArray[np.intp], have: _Counts
) -> None:
    """Move groups into parts that lack a class, while each move leaves fewer such holes."""

    def holes(counts: _Counts, part: NDArray[np.intp] | int) -> _Counts:
        empty = (counts == 0) & (table.wanted[part] > 0)
        return np.asarray(empty.sum(axis=-1), np.int64)

    moved = True
    while moved:
        moved = False
        for part, label in np.argwhere((have == 0) & (table.wanted > 0)):
            able = (table.counts[:, label] > 0) & allowed[:, part] & (parts >= 0) & (parts != part)
            movers = np.flatnonzero(able)
            if have[part, label] or not movers.size:
                continue
            counts, origin = table.counts[movers], parts[movers]
            after = holes(have[part] + counts, int(part)) + holes(have[origin] - counts, origin)
            change = after - holes(have[part], int(part)) - holes(have[origin], origin)
            best = np.lexsort((counts.sum(axis=1), change))[0]
            if change[best] < 0:
                have[origin[best]] -= counts[best]
                have[part] += counts[best]
                parts[movers[best]] = part
                moved = True


def _pick(placed: Sequence[Video], wanted: Mapping[Cell, int], seed: int) -> list[Video]:
    """Take videos, rarest class first, until every class has its number in every part."""
    ranks = np.random.default_rng(seed).permutation(len(placed))
    by_cell: dict[Cell, list[int]] = defaultdict(list)
    for index, video in enumerate(placed):
        for cell in _cells(video):
            by_cell[cell].append(index)
    chosen: set[int] = set()
    found: Counter[Cell] = Counter()
    used: Counter[str] = Counter()

    def cost(index: int) -> tuple[int, int, int]:
        full = sum(found[cell] >= wanted.get(cell, 0) for cell in _cells(placed[index]))
        return full, used[placed[index].group], int(ranks[index])

    for cell in sorted(wanted, key=lambda cell: (len(by_cell[cell]), cell)):
        while found[cell] < wanted[cell] and (rest := set(by_cell[cell]) - chosen):
            best = min(rest, key=cost)
            chosen.add(best)
            used[placed[best].group] += 1
            found.update(_cells(placed[best]))
    return [placed[index] for index in sorted(chosen)]


def count_videos(videos: Iterable[Video]) -> dict[Cell, int]:
    """Count videos by class and part; `BACKGROUND` where nothing happens."""
    return dict(Counter(cell for video in videos for cell in _cells(video)))


def labels_of(video: Video) -> tuple[str, ...]:
    """Return the labels that occur in a video, each once, sorted."""
    return tuple(sorted({span.label for span in video.annotations}))


def classes_of(video: Video) -> tuple[str, ...]:
    """Return the labels of a video, or `BACKGROUND` alone."""
    return labels_of(video) or (BACKGROUND,)


def _cells(video: Video) -> list[Cell]:
    return [(label, video.part or "") for label in classes_of(video)]


def _only(video: Video, labels: Sequence[str]) -> Video:
    """Keep the annotations of some classes; the others can be neither right nor wrong."""
    kept = tuple(span for span in video.annotations if span.label in labels)
    others = tuple(span for span in video.annotations if span.label not in labels)
    ignored = sorted((*video.ignored, *others), key=lambda span: span.start_s)
    return replace(video, annotations=kept, ignored=tuple(ignored))


def _matters(video: Video, labels: Sequence[str]) -> bool:
    """Whether a chosen class occurs in a video, or nothing at all."""
    if not video.annotations:
        return not video.ignored
    return any(span.label in labels for span in video.annotations)


def _torn(videos: Iterable[Video]) -> tuple[str, ...]:
    parts: dict[str, set[str]] = defaultdict(set)
    for video in videos:
        if video.part is not None:
            parts[video.group].add(video.part)
    return tuple(sorted(group for group, found in parts.items() if len(found) > 1))


def _nearest(name: str, dataset: Dataset) -> str:
    near = get_close_matches(name, dataset.labels, n=3)
    return f"Did you mean {', '.join(near)}?" if near else f"It has {', '.join(dataset.labels)}."
