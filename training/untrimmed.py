"""Untrimmed video with exact boundaries: clips of one actor or place, with idle time between.

    python -m training.untrimmed OUT [--dataset weizmann] [--part validation] [--count 4]

writes ``OUT/<name>.mp4`` and ``OUT/annotations.json``, in the format of ActivityNet. Clips come in
a random order. Idle time is what the everyday data call `none`: nobody in front of the clips' own
background, a person who stands still as the last clip left or the next one finds them, or clips
labelled so. What is held still gets the noise of a camera, drawn anew for each frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from contracts.errors import ActionstreamError, ConfigError
from contracts.types import Annotation
from streaming.pixels import FrameScaler
from training import figures
from training.catalogue import FIRST_SEED
from training.data import (
    NONE,
    UT_SPLIT,
    WEIZMANN_ACTORS,
    WEIZMANN_SPLIT,
    find_data,
    load_weizmann,
)
from training.datasets import activitynet, ut_interaction
from training.datasets.dataset import PARTS, Video, make_dataset
from training.datasets.loading import load_samples
from training.figures.plans import random_plan
from training.figures.rhythm import ACTIONS
from training.figures.video import Coding, write_video
from training.samples import FrameCache, Sample, default_cache, shrink_frames
from training.stills import empty_scenes

FPS = 25.0
VIDEO_SIZE = (640, 360)
"""As a camera brings it; clips are enlarged to it, and the model shrinks it again."""

_WEIZMANN_SIZE, _INTERACTION_SIZE, _DRAWN_SIZE = (180, 144), (320, 192), (192, 144)
_DRAWN_ACTION_S = 3.0

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Idle:
    """How idle time is made.

    Attributes:
        shortest_s: Least length of a gap.
        longest_s: Greatest length.
        noise: Greatest deviation of the noise on pictures that are held still, in 0..255.
    """

    shortest_s: float = 1.0
    longest_s: float = 4.0
    noise: float = 3.0


def join_clips(
    name: str, clips: Sequence[Sample], nobody: Sequence[Sample], seed: int, idle: Idle = Idle()
) -> Sample:
    """Join clips in a random order, with idle time before, between and after them.

    Args:
        name: Key of the stream.
        clips: Trimmed samples of one group, all of one picture size.
        nobody: Idle scenes of the same group: one picture each, which is held, or video.
        seed: Start of all chance.
        idle: Lengths of the gaps.

    Returns:
        One sample at `FPS` whose segments are the clips, on whole frames; the rest is idle.
    """
    rng = np.random.default_rng(seed)
    order = [clips[index] for index in rng.permutation(len(clips))]
    frames: list[Pixels] = []
    segments: list[Annotation] = []
    for before, after in zip([None, *order], [*order, None], strict=True):
        frames.append(_gap(before, after, nobody, rng, idle))
        if after is not None:
            start_s = sum(map(len, frames)) / FPS
            frames.append(on_grid(after))
            end_s = sum(map(len, frames)) / FPS
            segments.append(Annotation(after.label, start_s, end_s))
    whole = np.concatenate(frames)
    times_s = np.arange(len(whole)) / FPS
    return Sample(name, whole, times_s, tuple(segments), clips[0].group, clips[0].source)


def on_grid(clip: Sample) -> Pixels:
    """Return a clip's frames at `FPS`, each the nearest in time: (F, H, W, 3) uint8 RGB."""
    wanted = np.arange(max(1, round(clip.duration_s * FPS))) / FPS
    middles = (clip.times_s[1:] + clip.times_s[:-1]) / 2
    return np.asarray(clip.frames[np.searchsorted(middles, wanted)])


def resized(stream: Sample, width: int, height: int) -> Sample:
    """Return the same stream with pictures of another size."""
    frames = shrink_frames(stream.frames, width, height)
    return Sample(stream.key, frames, stream.times_s, stream.segments, stream.group, stream.source)


def _gap(
    before: Sample | None,
    after: Sample | None,
    nobody: Sequence[Sample],
    rng: np.random.Generator,
    idle: Idle,
) -> Pixels:
    """Make idle time: an idle scene, the last picture before it or the first one after it."""
    count = round(rng.uniform(idle.shortest_s, idle.longest_s) * FPS)
    still = [clip.frames[place] for clip, place in ((before, -1), (after, 0)) if clip is not None]
    kind = int(rng.integers(len(still) + 1)) if nobody else 1 + int(rng.integers(len(still)))
    if kind:
        return _held(np.asarray(still[kind - 1]), count, rng, idle.noise)
    scene = nobody[int(rng.integers(len(nobody)))]
    if len(scene.frames) == 1:
        return _held(np.asarray(scene.frames[0]), count, rng, idle.noise)
    return on_grid(scene)[:count]


def _held(picture: Pixels, count: int, rng: np.random.Generator, greatest: float) -> Pixels:
    deviation = np.float32(rng.uniform(0.5, greatest))
    frames = np.empty((count, *picture.shape), np.uint8)
    for frame in frames:
        noise = rng.standard_normal(picture.shape, np.float32) * deviation
        frame[:] = np.clip(np.rint(picture + noise), 0, 255)
    return frames


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Which streams are made.

    Attributes:
        root: Folder that holds the datasets; None for ``../shared/data`` beside the checkout.
        cache: Folder for decoded frames.
        count: Streams per actor or sequence, each in another order and with other gaps.
        seed: Of the first; the others take the next ones.
        idle: How idle time is made.
    """

    root: Path | None = None
    cache: Path = field(default_factory=default_cache)
    count: int = 4
    seed: int = 0
    idle: Idle = Idle()

    def join(
        self, name: str, clips: Sequence[Sample], nobody: Sequence[Sample]
    ) -> Iterator[Sample]:
        """Make the streams of one actor or sequence."""
        for seed in range(self.seed, self.seed + self.count):
            yield join_clips(f"{name}-{seed}", clips, nobody, seed, self.idle)


def load_streams(dataset: str, part: str, options: StreamOptions) -> Iterator[Sample]:
    """Make the streams of one part of a dataset, with pictures about as large as its videos'.

    Args:
        dataset: One of `STREAMS`.
        part: One of `PARTS`.
        options: Which streams are made.

    Returns:
        One stream after another: a minute of pictures takes 0.1 to 0.4 GB.

    Raises:
        ConfigError: No such dataset or part, or its folder is missing.
        SourceError: A video cannot be decoded.
    """
    if dataset not in STREAMS or part not in PARTS:
        raise ConfigError(
            f"No streams of {dataset!r}, {part!r}.",
            f"There are {', '.join(STREAMS)}, each with {', '.join(PARTS)}.",
        )
    return STREAMS[dataset](part, options)


def _weizmann(part: str, options: StreamOptions) -> Iterator[Sample]:
    folder = find_data(options.root, "weizmann")
    frames = FrameCache(options.cache, *_WEIZMANN_SIZE)
    for actor in WEIZMANN_ACTORS:
        if WEIZMANN_SPLIT.part_of(actor) == part:
            clips = load_weizmann(folder, frames, actors=(actor,))
            yield from options.join(f"weizmann-{actor}", clips, empty_scenes(clips))


def _interactions(part: str, options: StreamOptions) -> Iterator[Sample]:
    """Sequences of UT-Interaction; clips without an interaction, where it has some, are idle."""
    dataset = ut_interaction.read(find_data(options.root, "ut_interaction"))
    frames = FrameCache(options.cache, *_INTERACTION_SIZE)
    for group in sorted({video.group for video in dataset.videos}):
        if UT_SPLIT.part_of(group) == part:
            videos = [video for video in dataset.videos if video.group == group]
            samples = load_samples("interactions", videos, frames)
            clips = [sample for sample in samples if sample.label != NONE]
            nobody = [sample for sample in samples if sample.label == NONE]
            yield from options.join(f"interactions-{group}", clips, nobody)


def _figures(part: str, options: StreamOptions) -> Iterator[Sample]:
    """One drawn person who does every action once, with idle movement between."""
    first = FIRST_SEED[part] + options.seed
    for seed in range(first, first + options.count):
        order = np.random.default_rng(seed).permutation(ACTIONS)
        shots = random_plan(tuple(map(str, order)), _DRAWN_ACTION_S, seed, _DRAWN_SIZE)
        frames = np.stack(list(figures.draw_stream(shots, _DRAWN_SIZE, FPS)))
        times_s = np.arange(len(frames)) / FPS
        name, truth = f"figures-{seed}", tuple(figures.annotations(shots))
        yield Sample(name, frames, times_s, truth, name, "figures")


STREAMS: dict[str, Callable[[str, StreamOptions], Iterator[Sample]]] = {
    "weizmann": _weizmann,
    "interactions": _interactions,
    "figures": _figures,
}
"""Names of datasets and what makes the streams of a part of them."""


def write_streams(streams: Iterable[Sample], part: str, folder: Path) -> Path:
    """Write streams as a camera would bring them, and their truth.

    Args:
        streams: Untrimmed samples at `FPS`.
        part: Part of the split that they are of.
        folder: Receives ``<name>.mp4`` (H.264, `VIDEO_SIZE`) and ``annotations.json``.

    Returns:
        The annotations: in ActivityNet's form, times exact to the frame.

    Raises:
        ConfigError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for stream in streams:
        path = folder / f"{stream.key}.mp4"
        write_video(path, _enlarged(stream), Coding(VIDEO_SIZE, FPS))
        truth = stream.segments
        duration_s = len(stream.frames) / FPS
        videos.append(Video(stream.key, path, duration_s, FPS, part, stream.group, truth))
    target = folder / "annotations.json"
    activitynet.write(make_dataset("untrimmed", videos), target)
    return target


def _enlarged(stream: Sample) -> Iterator[Pixels]:
    enlarge = FrameScaler(*VIDEO_SIZE)
    for frame in stream.frames:
        yield enlarge(av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24"))


def main() -> None:
    """Write the streams that the command line asks for."""
    parser = argparse.ArgumentParser("python -m training.untrimmed", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--dataset", choices=STREAMS, default="weizmann")
    parser.add_argument("--part", choices=PARTS, default="validation")
    parser.add_argument("--count", type=int, default=4, help="streams per actor or sequence")
    parser.add_argument("--seed", type=int, default=0, help="of the first stream")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds the datasets")
    given = parser.parse_args()
    options = StreamOptions(root=given.data, count=given.count, seed=given.seed)
    streams = track(load_streams(given.dataset, given.part, options), "streams", transient=True)
    try:
        print(write_streams(streams, given.part, given.out))
    except ActionstreamError as exc:
        raise SystemExit(str(exc)) from exc


if __name__ == "__main__":
    main()
