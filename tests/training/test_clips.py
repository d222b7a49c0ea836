"""Training clips: frames chosen as live chooses them, labels and balance."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.types import Sampling
from tests.training.conftest import LABELS
from training.clips import ClipMixer, ClipShape, Mixture, clip_indices
from training.samples import Sample, sample_frames

_SHAPE = ClipShape(frames=8)


def test_clip_at_normal_speed_is_what_live_samples(squares: list[Sample]) -> None:
    """From the start of a video the clip is the first window, with no frame before it."""
    sample = squares[0]
    indices = clip_indices(sample.times_s, 0.0, 1.0, _SHAPE)
    live = list(sample_frames(sample, Sampling(12.5, 32, 32)))[:8]
    np.testing.assert_array_equal(sample.frames[indices[1:]], [frame.image for frame in live])
    assert indices[0] == indices[1]


@given(
    fps=st.floats(5, 120),
    start_s=st.floats(0, 3),
    speed=st.floats(0.5, 2),
    count=st.integers(1, 200),
)
def test_indices_ascend_and_exist(fps: float, start_s: float, speed: float, count: int) -> None:
    """Whatever the rate: in order, inside the video, one more than a window."""
    indices = clip_indices(np.arange(count) / fps, start_s, speed, _SHAPE)
    assert len(indices) == 9
    assert (np.diff(indices) >= 0).all()
    assert indices[0] >= 0
    assert indices[-1] < count


def test_classes_are_balanced_and_targets_sum_to_one(squares: list[Sample]) -> None:
    """Each action as often as another, `none` by its weight."""
    # Twice the samples of one class must not make it more frequent.
    lopsided = [*squares, *(sample for sample in squares if sample.label == "left")]
    mixer = ClipMixer(lopsided, LABELS, _SHAPE, Mixture(none=2))
    rng = np.random.default_rng(0)
    clips = [mixer.draw(rng) for _ in range(400)]
    count = Counter(LABELS[int(clip.target.argmax())] for clip in clips)
    assert 70 < count["left"] < 130
    assert 70 < count["right"] < 130
    assert 160 < count["none"] < 250
    for clip in clips:
        assert clip.frames.shape == (9, 32, 32, 3)
        assert np.isclose(clip.target.sum(), 1)


def test_what_is_held_still_is_none(squares: list[Sample]) -> None:
    """A frame held still is labelled so, and says that nothing moves."""
    mixture = Mixture(none=1000, frozen=1, cut=0, recorded=0)
    clip = ClipMixer(squares, LABELS, _SHAPE, mixture).draw(np.random.default_rng(0))
    assert clip.still
    assert clip.target.tolist() == [0, 0, 1]
    assert (clip.frames == clip.frames[0]).all()


def test_a_pause_shares_the_label(squares: list[Sample]) -> None:
    """A clip that moves for a part belongs to the action by that part."""
    mixer = ClipMixer(squares, LABELS, _SHAPE, Mixture(none=0, pause=1))
    rng = np.random.default_rng(0)
    for _ in range(20):
        clip = mixer.draw(rng)
        assert 0.3 < clip.target[2] < 0.7
        steps = (clip.frames[1:] != clip.frames[:-1]).any(axis=(1, 2, 3))
        assert not steps.all()


def test_same_seed_same_clips(squares: list[Sample]) -> None:
    """All chance comes from the generator."""
    mixer = ClipMixer(squares, LABELS, _SHAPE)
    one, other = (mixer.draw(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.frames, other.frames)
