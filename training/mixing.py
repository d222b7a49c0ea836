"""Clips of a batch mixed with each other: MixUp, CutMix and CutOut, the same in all frames.

All in numpy and OpenCV on uint8, on the thread that makes batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.augment import Pixels
from training.config import MixingConfig

Targets = NDArray[np.float32]
_GREY = 114


@dataclass(frozen=True, slots=True)
class _Box:
    left: int
    top: int
    right: int
    bottom: int

    def share(self, height: int, width: int) -> float:
        """How much of the picture it covers."""
        return (self.right - self.left) * (self.bottom - self.top) / (height * width)


def mix_batch(
    clips: Pixels, targets: Targets, rng: np.random.Generator, config: MixingConfig
) -> tuple[Pixels, Targets]:
    """Mix clips at random, each with one other of the batch as it was before.

    Args:
        clips: (B, T, H, W, 3) uint8 RGB.
        targets: (B, classes) float32 rows that sum to one.
        rng: Source of chance.
        config: How often which kind; MixUp and CutMix exclude each other.

    Returns:
        Clips and targets of the same shapes; the given ones if nothing is to be mixed.
    """
    if not (config.mixup or config.cutmix or config.cutout):
        return clips, targets
    mixed, shared = clips.copy(), targets.copy()
    partners = rng.permutation(len(clips))
    for index, partner in enumerate(partners):
        kind = rng.random()
        kept = 1.0
        if kind < config.mixup:
            kept = float(rng.beta(config.mixup_alpha, config.mixup_alpha))
            _blend(clips[index], clips[partner], kept, mixed[index])
        elif kind < config.mixup + config.cutmix:
            kept = _paste(clips[partner], mixed[index], rng, config)
        shared[index] = kept * targets[index] + (1 - kept) * targets[partner]
        if rng.random() < config.cutout:
            _cut_out(mixed[index], rng, config)
    return mixed, shared


def _blend(clip: Pixels, other: Pixels, kept: float, target: Pixels) -> None:
    """MixUp (Zhang et al. 2018, section 2), rounded to whole colour values."""
    width = clip.shape[-2]
    flat = target.reshape(-1, width, 3)  # one tall picture: a view, the batch is contiguous
    cv2.addWeighted(
        clip.reshape(-1, width, 3), kept, other.reshape(-1, width, 3), 1 - kept, 0, flat
    )


def _paste(other: Pixels, target: Pixels, rng: np.random.Generator, config: MixingConfig) -> float:
    """CutMix (Yun et al. 2019, section 3.1); returns the share of the picture that is kept."""
    height, width = target.shape[1:3]
    area = 1 - rng.beta(config.cutmix_alpha, config.cutmix_alpha)
    box = _box(rng, height, width, (np.sqrt(area), np.sqrt(area)))
    target[:, box.top : box.bottom, box.left : box.right] = other[
        :, box.top : box.bottom, box.left : box.right
    ]
    # What truly was pasted: a box at the border is smaller than was drawn.
    return 1 - box.share(height, width)


def _cut_out(target: Pixels, rng: np.random.Generator, config: MixingConfig) -> None:
    """CutOut (DeVries, Taylor 2017), with a box of random size; the target stays."""
    height, width = target.shape[1:3]
    tall, wide = rng.uniform(0, config.cutout_size, size=2)
    box = _box(rng, height, width, (tall, wide))
    target[:, box.top : box.bottom, box.left : box.right] = _GREY


def _box(rng: np.random.Generator, height: int, width: int, shares: tuple[float, float]) -> _Box:
    """Draw a box around a point anywhere in the picture, cut at its border."""
    tall, wide = shares[0] * height, shares[1] * width
    middle_y, middle_x = rng.uniform(0, height), rng.uniform(0, width)
    return _Box(
        left=round(max(0.0, middle_x - wide / 2)),
        top=round(max(0.0, middle_y - tall / 2)),
        right=round(min(float(width), middle_x + wide / 2)),
        bottom=round(min(float(height), middle_y + tall / 2)),
    )
