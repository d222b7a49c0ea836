"""Random changes: what they keep and what they must not do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.augment import AugmentConfig, augment, moving_box
from training.samples import Sample

_CALM = AugmentConfig(
    grey=0, swap=0, invert=0, soften=0, jpeg=0, noise=0, flicker=0, shake=0, turn_deg=0
)


@given(seed=st.integers(0, 2**32))
def test_shape_and_kind_stay(seed: int) -> None:
    """Any chance gives a clip of the same shape; the given one is not touched."""
    rng = np.random.default_rng(seed)
    clip = rng.integers(0, 256, (5, 24, 32, 3), dtype=np.uint8)
    before = clip.copy()
    changed = augment(clip, rng, AugmentConfig())
    assert changed.shape == clip.shape
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(clip, before)


def test_box_of_what_moves() -> None:
    """The box holds the places of the moving thing, not the still one."""
    clip = np.full((3, 24, 32, 3), 50, np.uint8)
    clip[:, :4, :4] = 255
    for index, left in enumerate((10, 14, 18)):
        clip[index, 8:16, left : left + 6] = 200
    left, top, right, bottom = moving_box(clip)
    assert (9 <= left <= 11, 7 <= top <= 9, 22 <= right <= 25, 14 <= bottom <= 17) == (True,) * 4
    assert moving_box(clip[:1]) == (0, 0, 32, 24)


@given(seed=st.integers(0, 2**32))
def test_what_moves_stays_in_the_picture(seed: int) -> None:
    """Smaller than the picture it stays inside, wherever it is put."""
    clip = np.zeros((4, 48, 64, 3), np.uint8)
    for index in range(4):
        clip[index, 20:30, 20 + 4 * index : 26 + 4 * index] = 250
    rng = np.random.default_rng(seed)
    changed = augment(clip, rng, replace(_CALM, gamma=1.0))
    spread = np.ptp(changed.astype(int), axis=0).max(axis=2)
    moved = (spread > 40).sum()
    assert moved > 0.4 * 0.36 * (10 * 18), "part of it was pushed out"


def test_stillness_stays_without_noise(squares: list[Sample]) -> None:
    """One decision per clip: without noise, flicker and shake nothing starts to move."""
    held = np.repeat(squares[0].frames[:1], 6, axis=0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        changed = augment(held, rng, AugmentConfig(noise=0, flicker=0, shake=0), still=True)
        assert (changed == changed[0]).all()


def test_noise_differs_from_frame_to_frame() -> None:
    """Noise is drawn per frame, with about the deviation asked for."""
    held = np.full((6, 64, 64, 3), 128, np.uint8)
    config = AugmentConfig(noise=1, flicker=0, shake=0, jpeg=0, noise_deviation=6)
    changed = augment(held, np.random.default_rng(3), config).astype(int)
    steps = np.diff(changed, axis=0)
    assert 0.3 < steps.std() < 6 * 1.5
