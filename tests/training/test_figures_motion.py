"""The drawn people move as bodies do: bones keep their length, feet their ground."""

import numpy as np
import pytest

from training.figures.idling import IDLES, random_idle_style
from training.figures.motions import MOTIONS
from training.figures.rhythm import ACTIONS, TRAVELLING, cycle, random_style
from training.figures.skeleton import Build, Dof, FloatArray, Joint, joints, mirrored, pose

TIME_S = np.arange(0, 3, 0.02)

BONES = (
    (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW),
    (Joint.LEFT_ELBOW, Joint.LEFT_WRIST),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE),
    (Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
    (Joint.RIGHT_HIP, Joint.RIGHT_KNEE),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE),
    (Joint.WAIST, Joint.NECK),
    (Joint.NECK, Joint.HEAD),
)


def _space(label: str, seed: int) -> FloatArray:
    style = random_style(label, np.random.default_rng(seed))
    return joints(MOTIONS[label](TIME_S, style), Build())


@pytest.mark.parametrize("label", ACTIONS)
def test_bones_keep_their_length(label: str) -> None:
    """No pose stretches a bone."""
    for seed in range(5):
        space = _space(label, seed)
        for a, b in BONES:
            length = np.linalg.norm(space[:, a] - space[:, b], axis=1)
            assert np.ptp(length) < 1e-9


@pytest.mark.parametrize("label", ACTIONS)
def test_nobody_sinks_or_floats(label: str) -> None:
    """Ankles stay above the ground, and some foot comes down to it again and again."""
    for seed in range(5):
        space = _space(label, seed)
        lowest = space[:, [Joint.LEFT_TOE, Joint.RIGHT_TOE], 2].min(axis=1)
        assert lowest.min() > -0.001
        assert np.median(lowest) < 0.2
        assert lowest.min() < 0.04


@pytest.mark.parametrize("label", ACTIONS)
def test_movement_is_smooth(label: str) -> None:
    """No joint jumps: under six body heights per second beside the travel itself."""
    for seed in range(5):
        speed = np.linalg.norm(np.diff(_space(label, seed), axis=0), axis=2) / 0.02
        assert speed.max() < 9.0


@pytest.mark.parametrize("label", sorted(TRAVELLING - {"side"}))
def test_standing_feet_do_not_slide(label: str) -> None:
    """While a foot is on the ground it moves backwards under the body about as fast as that goes.

    Measured on the flat middle of the stance, where no heel or toe rolls.
    """
    for seed in range(5):
        style = random_style(label, np.random.default_rng(seed))
        space = joints(MOTIONS[label](TIME_S, style), Build())
        for toe, ankle in (
            (Joint.LEFT_TOE, Joint.LEFT_ANKLE),
            (Joint.RIGHT_TOE, Joint.RIGHT_ANKLE),
        ):
            # Heading 0 faces the camera: forward is towards -Y.
            slide = np.gradient(-space[:, toe, 1], TIME_S) + style.speed
            flat = (space[:, toe, 2] < 0.016) & (space[:, ankle, 2] < 0.042)
            if flat.sum() > 5:
                assert abs(np.median(slide[flat])) < 0.5 * style.speed


def test_arms_tell_the_actions_apart() -> None:
    """Hands go over the head in jack and the waves, and to the ground in bend."""
    for seed in range(8):
        for label, hands in (("jack", 2), ("wave2", 2), ("wave1", 1), ("pjump", 0)):
            space = _space(label, seed)
            wrists = space[:, [Joint.LEFT_HAND, Joint.RIGHT_HAND], 2]
            above = (wrists > space[:, [Joint.NECK], 2]).any(axis=0)
            assert above.sum() == hands, label
        bent = _space("bend", seed)
        assert bent[:, [Joint.LEFT_HAND, Joint.RIGHT_HAND], 2].min() < 0.3
        assert bent[0, Joint.HEAD, 2] > 0.85


def test_mirroring_twice_changes_nothing() -> None:
    """Mirroring swaps the sides and is its own inverse."""
    poses = MOTIONS["wave1"](TIME_S, random_style("wave1", np.random.default_rng(1)))
    assert np.array_equal(mirrored(mirrored(poses)), poses)
    assert not np.allclose(mirrored(poses), poses)


def test_cycle_passes_through_its_knots_and_repeats() -> None:
    """Curves hit their knots and have period one."""
    knots = ((0.0, 1.0), (0.3, 5.0), (0.55, -2.0), (0.9, 0.5))
    phase = np.array([knot[0] for knot in knots])
    assert np.allclose(cycle(phase, *knots), [knot[1] for knot in knots])
    assert np.allclose(cycle(phase + 3, *knots), cycle(phase, *knots))


def test_heading_turns_the_body() -> None:
    """A person with heading 90 reaches forward to the right of the picture."""
    time_s = np.zeros(1)
    reach = joints(pose(time_s, heading=90.0, flex=90.0), Build())[0]
    assert reach[Joint.LEFT_HAND, 0] > 0.3
    assert abs(reach[Joint.LEFT_HAND, 1] - reach[Joint.LEFT_SHOULDER, 1]) < 1e-6
    facing = joints(pose(time_s, flex=90.0), Build())[0]
    assert facing[Joint.LEFT_HAND, 1] < -0.3
    assert facing[Joint.LEFT_HAND, 0] > 0


def test_pose_refuses_unknown_tracks() -> None:
    """A mistyped name is an error, not a resting limb."""
    with pytest.raises(KeyError):
        pose(np.zeros(2), elbwo=3.0)


@pytest.mark.parametrize("name", sorted(IDLES))
def test_idling_stays_on_the_spot(name: str) -> None:
    """Nobody who idles travels, and hands stay below the raised hands of a wave."""
    for seed in range(5):
        poses = IDLES[name](TIME_S, random_idle_style(np.random.default_rng(seed)))
        assert np.all(poses[:, Dof.X] == 0)
        space = joints(poses, Build())
        top = space[:, [Joint.LEFT_HAND, Joint.RIGHT_HAND], 2] - space[:, [Joint.HEAD], 2]
        assert top.max() < 0.12
        assert np.isfinite(space).all()
