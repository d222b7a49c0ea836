"""Which clip the network sees next: balanced over classes and datasets, with empty ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.types import Annotation
from training.augment import Pixels
from training.data import NONE
from training.samples import Sample

# A sampled frame may come this share of a period early, as in the live sampler.
_EARLY = 0.25
# Half the length, in frames, of the seam over which one label passes into the next.
_SEAM = 2.0


@dataclass(frozen=True, slots=True)
class ClipShape:
    """Time of a clip.

    Attributes:
        frames: Frames of a window; a clip has one more, the frame before it.
        fps: Sampled frames per second.
        slowest: Least speed a clip is played at.
        fastest: Greatest speed.
        reference: Place in the window, 0 its start and 1 its end, that its scores speak of: what
            happens there is the label of a window in which one thing ends and another begins.
    """

    frames: int = 16
    fps: float = 12.5
    slowest: float = 0.85
    fastest: float = 1.2
    reference: float = 0.8


@dataclass(frozen=True, slots=True)
class Mixture:
    """How often which kind of clip is drawn; weights, not shares. `none` is the background class.

    Attributes:
        none: Of the class `none`, where every other class has one.
        frozen: Within `none`: one frame of any dataset held still, so that only the camera moves.
        recorded: Within `none`: videos labelled so, per dataset that has some.
        joined: Share of action clips of which the action begins or ends inside the window: before
            or after it somebody stands still, or something else is to be seen.
    """

    none: float = 3.0
    frozen: float = 0.3
    recorded: float = 0.4
    joined: float = 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One training example.

    Attributes:
        frames: (T + 1, H, W, 3) uint8 RGB: the frame before the window, and the window.
        target: (classes,) float32 that sums to one.
        marks: (3,) float32 in 0..1: how much an action starts, ends and goes on at the reference.
        still: Nothing moves in it.
    """

    frames: NDArray[np.uint8]
    target: NDArray[np.float32]
    marks: NDArray[np.float32]
    still: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Frames (T + 1, H, W, 3) of one label."""

    label: str
    frames: Pixels


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
        labels: Names of the classes.
        shape: Time of a clip.
        mixture: How often which kind is drawn.
        background: The label that means that no action goes on.
    """

    samples: Sequence[Sample]
    labels: tuple[str, ...]
    shape: ClipShape = field(default_factory=ClipShape)
    mixture: Mixture = field(default_factory=Mixture)
    background: str = NONE
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
        actions = [
            label for label in self.labels if label in self._by_label and label != self.background
        ]
        if rng.random() < self.mixture.none / (self.mixture.none + len(actions)):
            return self._draw_none(rng)
        label = actions[rng.integers(len(actions))]
        action = _Scene(label, self._play(label, rng))
        if rng.random() >= self.mixture.joined:
            return self._join(action, action, 0)
        # Both sides keep at least one frame.
        cut = int(rng.integers(1, len(action.frames)))
        starts = rng.random() < 0.6
        other = self._neighbour(action.frames[cut if starts else cut - 1], rng)
        return self._join(other, action, cut) if starts else self._join(action, other, cut)

    def _neighbour(self, edge: Pixels, rng: np.random.Generator) -> _Scene:
        """What is to be seen before or after an action: mostly its own scene standing still."""
        kind = rng.random()
        if kind < 0.55:
            return _Scene(
                self.background, np.repeat(edge[np.newaxis], self.shape.frames + 1, axis=0)
            )
        if kind < 0.85:
            return _Scene(self.background, self._draw_none(rng).frames)
        actions = [label for label in self._by_label if label != self.background]
        label = actions[rng.integers(len(actions))]
        return _Scene(label, self._play(label, rng))

    def _draw_none(self, rng: np.random.Generator) -> Clip:
        recorded = self._by_label.get(self.background, [])
        weights = [self.mixture.frozen] + [self.mixture.recorded] * len(recorded)
        kind = int(rng.choice(len(weights), p=np.array(weights) / np.sum(weights)))
        if kind == 0:
            samples = self._by_source[rng.integers(len(self._by_source))]
            sample = samples[rng.integers(len(samples))]
            frame = sample.frames[rng.integers(len(sample.frames))]
            frames = np.repeat(frame[np.newaxis], self.shape.frames + 1, axis=0)
        else:
            frames = self._play_one_of(recorded[kind - 1], rng)
        scene = _Scene(self.background, frames)
        return self._join(scene, scene, 0)

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

    def _join(self, first: _Scene, second: _Scene, cut: int) -> Clip:
        """Cut from one scene to another, and say what the window shows at its reference."""
        frames = np.concatenate([first.frames[:cut], second.frames[cut:]])
        # Frames from the cut to the reference; the frame before the window is frame 0.
        passed = self.shape.reference * self.shape.frames - (cut - 1)
        share = float(np.clip(passed / (2 * _SEAM) + 0.5, 0, 1))  # of the second scene
        target = np.zeros(len(self.labels), np.float32)
        target[self.labels.index(first.label)] += 1 - share
        target[self.labels.index(second.label)] += share
        acting = np.array([first.label != self.background, second.label != self.background])
        near = max(0.0, 1 - abs(passed) / (2 * _SEAM)) if first.label != second.label else 0.0
        marks = [near * acting[1], near * acting[0], acting @ [1 - share, share]]
        still = bool((frames == frames[:1]).all())
        return Clip(frames, target, np.asarray(marks, np.float32), still)
