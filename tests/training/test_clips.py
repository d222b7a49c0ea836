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
    mixture = Mixture(none=1000, frozen=1, recorded=0)
    clip = ClipMixer(squares, LABELS, _SHAPE, mixture).draw(np.random.default_rng(0))
    assert clip.still
    assert clip.target.tolist() == [0, 0, 1]
    assert (clip.frames == clip.frames[0]).all()


def test_the_label_is_what_happens_at_the_reference(squares: list[Sample]) -> None:
    """A window in which a square begins or ceases to move has the label of its reference."""
    shape = ClipShape(frames=8, fps=12.5, reference=0.5)
    mixer = ClipMixer(squares, LABELS, shape, Mixture(none=0, joined=1))
    rng = np.random.default_rng(0)
    for clip in (mixer.draw(rng) for _ in range(200)):
        moves = (clip.frames[1:] != clip.frames[:-1]).any(axis=(1, 2, 3))  # place by place
        acting = 1 - clip.target[LABELS.index("none")]
        assert np.isclose(clip.target.sum(), 1)
        assert np.isclose(clip.marks[2], acting)
        if moves[2:6].all() and not moves[6:].any():
            assert acting > 0.6
        if not moves[:6].any():
            assert acting < 0.4
        if 0 < acting < 1:
            assert clip.marks[:2].max() > 0


def test_starts_and_ends_are_marked(squares: list[Sample]) -> None:
    """Of clips with one action that begins or ends near the reference, just that is marked."""
    mixer = ClipMixer(squares, LABELS, _SHAPE, Mixture(none=0, joined=1))
    clips = [mixer.draw(np.random.default_rng(seed)) for seed in range(200)]
    starting = [clip for clip in clips if clip.marks[0] > 0.5]
    ending = [clip for clip in clips if clip.marks[1] > 0.5]
    assert starting
    assert ending
    whole = ClipMixer(squares, LABELS, _SHAPE, Mixture(none=0, joined=0))
    for seed in range(20):
        assert whole.draw(np.random.default_rng(seed)).marks.tolist() == [0, 0, 1]


def test_same_seed_same_clips(squares: list[Sample]) -> None:
    """All chance comes from the generator."""
    mixer = ClipMixer(squares, LABELS, _SHAPE)
    one, other = (mixer.draw(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.frames, other.frames)
