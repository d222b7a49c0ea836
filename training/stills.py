"""Scenes in which nobody acts, made of frames in which somebody does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.types import Annotation
from training.augment import AugmentConfig, augment
from training.data import NONE
from training.samples import Sample

_TRAVELLING = frozenset({"run", "walk", "side", "skip", "jump"})


def empty_scenes(samples: Sequence[Sample]) -> list[Sample]:
    """Make empty scenes of clips that somebody crosses: the median over time loses who moves.

    Args:
        samples: Trimmed clips; those of actions done on one spot are left out.

    Returns:
        Samples of one frame each, labelled `NONE`, with the groups of their clips.
    """
    return [
        Sample(
            key=f"{sample.key}/empty",
            frames=np.median(sample.frames, axis=0).astype(np.uint8)[np.newaxis],
            times_s=np.zeros(1),
            segments=(Annotation(NONE, 0.0, np.inf),),
            group=sample.group,
            source="empty",
        )
        for sample in samples
        if sample.label in _TRAVELLING
    ]


def still_scenes(
    samples: Sequence[Sample], *, count: int, fps: float, seed: int = 0, frames: int = 50
) -> list[Sample]:
    """Make videos of one frame held still, under the light and noise of a real camera.

    Args:
        samples: Their frames are held; empty scenes and people alike.
        count: Number of videos.
        fps: Frames per second of the videos.
        seed: Start of all chance.
        frames: Frames per video.

    Returns:
        Samples labelled `NONE`, with the groups of the samples their frame came from.
    """
    rng = np.random.default_rng(seed)
    scenes = []
    for number in range(count):
        sample = samples[int(rng.integers(len(samples)))]
        frame = np.asarray(sample.frames[rng.integers(len(sample.frames))])
        held = np.repeat(frame[np.newaxis], frames, axis=0)
        scenes.append(
            Sample(
                key=f"still/{number:04d}/{sample.key}",
                frames=augment(held, rng, AugmentConfig(), still=True),
                times_s=np.arange(frames) / fps,
                segments=(Annotation(NONE, 0.0, np.inf),),
                group=sample.group,
                source="still",
            )
        )
    return scenes
