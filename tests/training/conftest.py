"""Small made-up data: a square that moves in one of two ways, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.types import Annotation
from training.samples import Sample

LABELS = ("left", "right", "none")


def moving_square(
    label: str, number: int, *, frames: int = 40, size: tuple[int, int] = (32, 32)
) -> Sample:
    """Make a video at 25 fps of a square that moves left, right or not at all."""
    rng = np.random.default_rng([number, LABELS.index(label)])
    width, height = size
    step = {"left": -0.5, "right": 0.5, "none": 0.0}[label]
    clip = np.empty((frames, height, width, 3), np.uint8)
    clip[:] = rng.integers(30, 120, 3)
    top, start = int(rng.integers(2, height - 10)), rng.uniform(0, width)
    for index, frame in enumerate(clip):
        left = int(start + step * index) % width
        frame[top : top + 8, left : left + 8] = 220
    return Sample(
        key=f"squares/{label}/{number}",
        frames=clip,
        times_s=np.arange(frames) / 25,
        segments=(Annotation(label, 0.0, np.inf),),
        group=f"g{number}",
        source="squares",
    )


@pytest.fixture(name="squares", scope="session")
def fixture_squares() -> list[Sample]:
    """Twelve videos of each label."""
    return [moving_square(label, number) for label in LABELS for number in range(12)]
