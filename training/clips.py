"""Which clip the network sees next: balanced over classes and datasets, with empty ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.types import Annotation
from training.data import NONE
from training.samples import Sample

# A sampled frame may come this share of a period early, as in the live sampler.
_EARLY = 0.25


@dataclass(frozen=True, slots=True)
class ClipShape:
    """Time of a clip.

    Attributes:
        frames: Frames of a window; a clip has one more, the frame before it.
        fps: Sampled frames per second.
        slowest: Least speed a clip is played at.
        fastest: Greatest speed.
    """

    frames: int = 16
    fps: float = 12.5
    slowest: float = 0.85
    fastest: float = 1.2


@dataclass(frozen=True, slots=True)
class Mixture:
    """How often which kind of clip is drawn; weights, not shares.

    Attributes:
        none: Of the class `none`, where every other class has one.
        frozen: Within `none`: one frame of any dataset held still, so that only the camera moves.
        cut: Within `none`: the end of one action and the start of another.
        recorded: Within `none`: videos labelled so, per dataset that has some.
        pause: Share of action clips that stand still for a part; their label is shared.
    """

    none: float = 3.0
    frozen: float = 0.3
    cut: float = 0.1
    recorded: float = 0.4
    pause: float = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One training example.

    Attributes:
        frames: (T + 1, H, W, 3) uint8 RGB: the frame before the window, and the window.
        target: (classes,) float32 that sums to one.
        still: Nothing moves in it.
    """

    frames: NDArray[np.uint8]
    target: NDArray[np.float32]
    still: bool = False


def clip_indices(
    times_s: NDArray[np.float64], start_s: float, speed: float, shape: ClipShape
) -> NDArray[np.intp]:
    """Choose frames as the live sampler would: per place of the grid, the first that is not early.

    Args:
        times_s: (F,) ascending times of the frames.
        start_s: Time of the first frame of the window.
        speed: Seconds of video per second of clip.
        shape: Length and rate.

    Returns:
        (T + 1,) indices; the first is the frame before the window, or its first frame where the
        video has none before.
    """
    period_s = speed / shape.fps
    places = start_s + (np.arange(-1, shape.frames) - _EARLY) * period_s
    # A tick against rounding: grid times and frame times are often the same number.
    indices = np.searchsorted(times_s, places - 1e-6)
    return np.minimum(indices, len(times_s) - 1)


@dataclass(slots=True, eq=False)
class ClipMixer:
    """Draws training clips; the same seed draws the same clips.

    Attributes:
        samples: Training data.
        labels: Names of the classes, `none` among them.
        shape: Time of a clip.
        mixture: How often which kind is drawn.
    """

    samples: Sequence[Sample]
    labels: tuple[str, ...]
    shape: ClipShape = field(default_factory=ClipShape)
    mixture: Mixture = field(default_factory=Mixture)
    _by_label: dict[str, list[list[tuple[Sample, Annotation]]]] = field(init=False)
    _by_source: list[list[Sample]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort segments by label and, within it, by dataset."""
        found: dict[str, dict[str, list[tuple[Sample, Annotation]]]] = {}
        by_source: dict[str, list[Sample]] = {}
        for sample in self.samples:
            by_source.setdefault(sample.source, []).append(sample)
            # A single picture is only good for being held still.
            for segment in sample.segments if len(sample.frames) > 1 else ():
                sources = found.setdefault(segment.label, {})
                sources.setdefault(sample.source, []).append((sample, segment))
        self._by_source = list(by_source.values())
        self._by_label = {label: list(sources.values()) for label, sources in found.items()}

    def draw(self, rng: np.random.Generator) -> Clip:
        """Draw one clip.

        Args:
            rng: Source of chance.

        Returns:
            The clip, not augmented yet.
        """
        actions = [label for label in self.labels if label != NONE]
        if rng.random() < self.mixture.none / (self.mixture.none + len(actions)):
            return self._draw_none(rng)
        label = actions[rng.integers(len(actions))]
        frames = self._play(label, rng)
        if rng.random() >= self.mixture.pause:
            return Clip(frames, self._target(label, 1.0))
        moving = int(rng.integers(3, len(frames) - 3))
        share = moving / len(frames)
        if rng.random() < 0.5:
            stopped = np.repeat(frames[moving : moving + 1], len(frames) - moving, axis=0)
            frames = np.concatenate([frames[:moving], stopped])
        else:
            waiting = len(frames) - moving
            held = np.repeat(frames[waiting : waiting + 1], waiting, axis=0)
            frames = np.concatenate([held, frames[waiting:]])
        return Clip(frames, self._target(label, share))

    def _draw_none(self, rng: np.random.Generator) -> Clip:
        recorded = self._by_label.get(NONE, [])
        weights = [self.mixture.frozen, self.mixture.cut] + [self.mixture.recorded] * len(recorded)
        kind = int(rng.choice(len(weights), p=np.array(weights) / np.sum(weights)))
        nothing = self._target(NONE, 1.0)
        if kind == 0:
            samples = self._by_source[rng.integers(len(self._by_source))]
            sample = samples[rng.integers(len(samples))]
            frame = sample.frames[rng.integers(len(sample.frames))]
            return Clip(np.repeat(frame[np.newaxis], self.shape.frames + 1, axis=0), nothing, True)
        if kind == 1:
            actions = [label for label in self._by_label if label != NONE]
            first, second = (
                self._play(actions[i], rng) for i in rng.integers(len(actions), size=2)
            )
            cut = int(rng.integers(len(first) // 3, 2 * len(first) // 3 + 1))
            return Clip(np.concatenate([first[:cut], second[cut:]]), nothing)
        frames = self._play_one_of(recorded[kind - 2], rng)
        return Clip(frames, nothing, still=bool((frames == frames[:1]).all()))

    def _play(self, label: str, rng: np.random.Generator) -> NDArray[np.uint8]:
        sources = self._by_label[label]
        return self._play_one_of(sources[rng.integers(len(sources))], rng)

    def _play_one_of(
        self, items: list[tuple[Sample, Annotation]], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        sample, segment = items[rng.integers(len(items))]
        end_s = min(segment.end_s, float(sample.times_s[-1]))
        room_s = end_s - segment.start_s
        span_s = (self.shape.frames - 1) / self.shape.fps
        speed = rng.uniform(self.shape.slowest, self.shape.fastest)
        # Rather slower than past the end of a short video.
        speed = max(self.shape.slowest, min(speed, room_s / span_s))
        start_s = segment.start_s + rng.uniform(0, max(0.0, room_s - span_s * speed))
        return np.asarray(sample.frames[clip_indices(sample.times_s, start_s, speed, self.shape)])

    def _target(self, label: str, share: float) -> NDArray[np.float32]:
        target = np.zeros(len(self.labels), np.float32)
        target[self.labels.index(NONE)] = 1 - share
        # Of `none` itself there is nothing to share.
        target[self.labels.index(label)] = 1.0 if label == NONE else share
        return target
