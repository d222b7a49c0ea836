"""The datasets by name, in the parts of their fixed splits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from contracts.errors import ConfigError
from contracts.types import Annotation
from training import figures
from training.data import (
    INTERACTIONS,
    LABEL_NAMES,
    UT_SPLIT,
    WEIZMANN_ACTORS,
    WEIZMANN_SPLIT,
    find_data,
    load_fights,
    load_interactions,
    load_weizmann,
    split_by_group,
)
from training.recode import StreamedFrames
from training.samples import (
    FrameCache,
    Frames,
    Sample,
    default_cache,
    shrink_frames,
)
from training.stills import empty_scenes, still_scenes

PARTS = ("train", "validation", "test")
FIRST_SEED = {"train": 0, "validation": 1_000_000, "test": 2_000_000}
"""What is drawn for the parts never shares a seed."""

_DRAWN_SIZE = (192, 144)
_DRAWN_FPS = 25.0
# Interactions come with people walking up to each other, and away again.
_DRAWN_S, _DRAWN_INTERACTION_S = 2.4, 3.2
_STILLS = {"train": 0, "validation": 60, "test": 100}


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where data come from and how much is drawn.

    Attributes:
        root: Folder that holds the datasets; None for ``../shared/data`` beside the checkout.
        cache: Folder for decoded frames.
        width: Width of the frames in pixels.
        height: Height of the frames in pixels.
        drawn: Drawn clips per class, by part; `none` has three times as many.
    """

    root: Path | None = None
    cache: Path = field(default_factory=default_cache)
    width: int = 128
    height: int = 96
    drawn: tuple[int, int, int] = (90, 10, 20)

    @property
    def frames(self) -> FrameCache:
        """The cache for frames of the size."""
        return FrameCache(self.cache, self.width, self.height)


def load_dataset(name: str, part: str, options: DataOptions) -> list[Sample]:
    """Load one part of a dataset.

    Args:
        name: One of `DATASETS`.
        part: One of `PARTS`.
        options: Where data come from.

    Returns:
        Its trimmed samples, sorted by key.

    Raises:
        ConfigError: No such dataset or part, or its folder is missing.
        SourceError: A video cannot be decoded.
    """
    if name not in DATASETS:
        raise ConfigError(f"No dataset {name!r}.", f"There are {', '.join(DATASETS)}.")
    if part not in PARTS:
        raise ConfigError(f"No part {part!r}.", f"There are {', '.join(PARTS)}.")
    return DATASETS[name](part, options)


def _weizmann(part: str, options: DataOptions) -> list[Sample]:
    folder = find_data(options.root, "weizmann")
    return load_weizmann(folder, options.frames, actors=_actors(part))


def _weizmann_h264(part: str, options: DataOptions) -> list[Sample]:
    """The same clips as a stream brings them: enlarged to 640x360 and coded as H.264."""
    folder = find_data(options.root, "weizmann")
    frames = StreamedFrames(options.cache, options.width, options.height)
    return load_weizmann(folder, frames, actors=_actors(part))


def _actors(part: str) -> list[str]:
    return [actor for actor in WEIZMANN_ACTORS if WEIZMANN_SPLIT.part_of(actor) == part]


def _interactions(part: str, options: DataOptions) -> list[Sample]:
    folder = find_data(options.root, "ut_interaction")
    return UT_SPLIT.select(load_interactions(folder, options.frames), part)


def _fights(part: str, options: DataOptions) -> list[Sample]:
    samples = load_fights(find_data(options.root, "fight"), options.frames)
    return split_by_group(samples).select(samples, part)


def _empty(part: str, options: DataOptions) -> list[Sample]:
    return empty_scenes(_weizmann(part, options))


def _still(part: str, options: DataOptions) -> list[Sample]:
    """Empty scenes and people who stand still, with light and noise that change."""
    scenes = _weizmann(part, options)
    frozen = [*scenes, *empty_scenes(scenes)]
    return still_scenes(frozen, count=_STILLS[part], fps=_DRAWN_FPS, seed=FIRST_SEED[part])


def _figures(part: str, options: DataOptions) -> list[Sample]:
    count = options.drawn[PARTS.index(part)]
    samples = []
    for label in LABEL_NAMES:
        wanted = 3 * count if label == figures.NONE_LABEL else count
        for seed in range(FIRST_SEED[part], FIRST_SEED[part] + wanted):
            samples.append(_drawn(label, seed, options.frames))
    return samples


def _drawn(label: str, seed: int, store: FrameCache) -> Sample:
    duration_s = _DRAWN_INTERACTION_S if label in INTERACTIONS else _DRAWN_S
    identity = f"figures|{_renderer()}|{label}|{seed}|{_DRAWN_SIZE}|{_DRAWN_FPS}|{duration_s}"

    def make() -> Frames:
        clip = figures.draw_clip(label, seed, _DRAWN_SIZE, _DRAWN_FPS, duration_s)
        return shrink_frames(clip, store.width, store.height), np.arange(len(clip)) / _DRAWN_FPS

    frames, times_s = store.get(identity, make)
    return Sample(
        key=f"figures/{label}/{seed:07d}",
        frames=frames,
        times_s=times_s,
        segments=(Annotation(label, 0.0, np.inf),),
        group=f"seed-{seed}",
        source="figures",
    )


@cache
def _renderer() -> str:
    """Hash of the drawing code: other code draws other clips."""
    digest = hashlib.sha256()
    for path in sorted(Path(figures.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def describe(samples: Iterable[Sample]) -> dict[str, dict[str, object]]:
    """Summarise samples for a run's record.

    Args:
        samples: Any samples.

    Returns:
        Count, seconds and groups of each source.
    """
    everything = list(samples)
    sources: dict[str, dict[str, object]] = {}
    for source in sorted({sample.source for sample in everything}):
        own = [sample for sample in everything if sample.source == source]
        groups = {sample.group for sample in own}
        sources[source] = {
            "samples": len(own),
            "seconds": round(sum(sample.duration_s for sample in own), 1),
            "groups": sorted(groups) if len(groups) <= 20 else len(groups),
        }
    return sources


DATASETS: dict[str, Callable[[str, DataOptions], list[Sample]]] = {
    "weizmann": _weizmann,
    "weizmann-h264": _weizmann_h264,
    "figures": _figures,
    "still": _still,
    "empty": _empty,
    "interactions": _interactions,
    "fights": _fights,
}
"""Names of datasets and what loads a part of them."""

MEASURED_ON = {
    "everyday": ("weizmann", "weizmann-h264", "interactions", "figures", "still"),
    "fight": ("fights",),
    "drawn": ("figures",),
}
"""By name of a bundle that ships, the datasets whose test parts stand in its card."""
