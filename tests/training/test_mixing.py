"""Mixing clips: what is seen of each is what the target says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position  # the configuration imports torch, which may be missing
from pydantic import ValidationError

from training.config import MixingConfig
from training.mixing import mix_batch

_SHADES = np.arange(0, 250, 50, dtype=np.uint8)


def _batch() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Five clips of one shade each, each of a class of its own."""
    clips = np.broadcast_to(_SHADES[:, None, None, None, None], (5, 3, 12, 16, 3)).copy()
    return clips, np.eye(5, dtype=np.float32)


def test_nothing_is_mixed_unless_asked_for() -> None:
    clips, targets = _batch()
    mixed, shared = mix_batch(clips, targets, np.random.default_rng(0), MixingConfig())
    assert mixed is clips
    assert shared is targets


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_blended_shades_are_as_the_targets_say(seed: int) -> None:
    clips, targets = _batch()
    config = MixingConfig(mixup=1, mixup_alpha=1)
    mixed, shared = mix_batch(clips, targets, np.random.default_rng(seed), config)
    assert (mixed == mixed[:, :1, :1, :1, :1]).all()
    np.testing.assert_allclose(mixed[:, 0, 0, 0, 0], shared @ _SHADES, atol=1)
    np.testing.assert_allclose(shared.sum(axis=1), 1, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_pasted_area_is_as_the_targets_say(seed: int) -> None:
    """The same box in all frames, and its true share of the picture."""
    clips, targets = _batch()
    mixed, shared = mix_batch(clips, targets, np.random.default_rng(seed), MixingConfig(cutmix=1))
    assert (mixed == mixed[:, :1]).all()
    for frames, target in zip(mixed, shared, strict=True):
        seen = [(frames[0, :, :, 0] == shade).mean() for shade in _SHADES]
        np.testing.assert_allclose(seen, target, atol=1e-6)
    assert np.array_equal(clips, _batch()[0])


def test_a_box_is_cut_out_of_all_frames() -> None:
    clips, targets = _batch()
    config = MixingConfig(cutout=1, cutout_size=0.9)
    mixed, shared = mix_batch(clips, targets, np.random.default_rng(3), config)
    assert np.array_equal(shared, targets)
    assert (mixed == mixed[:, :1]).all()
    share = (mixed[:, 0, :, :, 0] != _SHADES[:, None, None]).mean(axis=(1, 2))
    assert share.max() > 0.05
    assert share.max() <= 0.81


def test_blending_and_pasting_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="together at most 1"):
        MixingConfig(mixup=0.6, cutmix=0.6)
