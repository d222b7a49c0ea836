"""Two drawn people: they touch when they should, stay in the picture, and mirror exactly."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from training.figures import LABELS, NONE_LABEL, annotations, draw_clip, draw_stream, random_shot
from training.figures.camera import project
from training.figures.choreography import Shot, people
from training.figures.duets import duet, reflected
from training.figures.encounters import INTERACTIONS, MEETINGS, random_encounter, random_manner
from training.figures.plans import random_plan
from training.figures.rhythm import ACTIONS
from training.figures.skeleton import Build, Dof, FloatArray, Joint, joints

SIZE = (160, 120)
STEP_S = 0.02
BUILDS = (Build(height=0.95, girth=1.1), Build(height=1.06, girth=0.9))
HANDS = [Joint.LEFT_HAND, Joint.RIGHT_HAND]
ANKLES = [Joint.LEFT_ANKLE, Joint.RIGHT_ANKLE]
TOUCHING = tuple(label for label in INTERACTIONS if label != "point")


def _acted(label: str, seed: int) -> tuple[Shot, FloatArray, FloatArray]:
    """A clip's shot, and the joints of actor and partner in space, every `STEP_S`."""
    shot = random_shot(label, seed, SIZE, 2.4)
    drawn = people(shot, np.arange(0, 2.4, STEP_S), 9.0)
    space = [joints(poses, figure.build) for figure, poses in drawn]
    actor = shot.encounters[0].actor if len(space) == 2 else 0
    return shot, space[actor], space[1 - actor] if len(space) == 2 else space[0]


def _from_body(point: FloatArray, body: FloatArray) -> float:
    """Distance from a point to the middle line of a body, from a knee to the head."""
    knee = body[[Joint.LEFT_KNEE, Joint.RIGHT_KNEE]].mean(axis=0)
    line = [knee, *body[[Joint.PELVIS, Joint.WAIST, Joint.NECK, Joint.HEAD]]]
    dense = [np.linspace(a, b, 16) for a, b in pairwise(line)]
    return float(np.linalg.norm(np.concatenate(dense) - point, axis=1).min())


def test_labels_are_actions_interactions_none() -> None:
    """The order that models are trained in."""
    assert list(LABELS) == [*ACTIONS, *INTERACTIONS, NONE_LABEL]
    assert tuple(sorted(INTERACTIONS)) == INTERACTIONS


@pytest.mark.parametrize("label", TOUCHING)
def test_they_touch_when_the_encounter_says(label: str) -> None:
    """At the touch a hand is at a hand, a hand or foot at the other body; before it is far off."""
    for seed in range(15):
        shot, actor, partner = _acted(label, seed)
        contact_s = shot.encounters[0].contact[0]
        k = round(contact_s / STEP_S)
        if label == "handshake":
            ends = [actor[k, a] - partner[k, b] for a in HANDS for b in HANDS]
            assert min(float(np.linalg.norm(end)) for end in ends) < 0.05
            continue
        limbs = ANKLES if label == "kick" else HANDS
        apart = sorted(_from_body(actor[k, limb], partner[k]) for limb in limbs)
        needed = apart[1] if label in ("hug", "push") else apart[0]
        assert needed < 0.19
        if contact_s > 0.5:
            early = min(_from_body(actor[0, limb], partner[0]) for limb in limbs)
            assert early > needed + 0.1


@pytest.mark.parametrize("label", ["handshake", "hug"])
def test_they_hold_on_until_they_let_go(label: str) -> None:
    """The distance between both does not change during the hold."""
    for seed in range(10):
        shot, actor, partner = _acted(label, seed)
        first, last = (round(at / STEP_S) for at in shot.encounters[0].contact)
        gap = np.abs(actor[first:last, Joint.PELVIS, 0] - partner[first:last, Joint.PELVIS, 0])
        assert np.ptp(gap) < 0.02


def test_pointing_stretches_one_arm_forward() -> None:
    """The hand is about as high as the shoulder or higher, and far before it."""
    for seed in range(15):
        shot, actor, _ = _acted("point", seed)
        k = round(min(shot.encounters[0].contact[0] + 0.1, 2.3) / STEP_S)
        shoulders = actor[k, [Joint.LEFT_SHOULDER, Joint.RIGHT_SHOULDER]]
        reach = np.linalg.norm(actor[k, HANDS] - shoulders, axis=1)
        low = shoulders[:, 2] - actor[k, HANDS, 2]
        best = int(np.argmin(low))
        assert low[best] < 0.15
        assert reach[best] > 0.3
        assert low[1 - best] > 0.2


def test_pushed_people_go_back() -> None:
    """Half a second after the touch the partner is farther away, by more the stronger the push."""
    for seed in range(10):
        shot, actor, partner = _acted("push", seed)
        first = round(shot.encounters[0].contact[0] / STEP_S)
        later = min(first + round(0.7 / STEP_S), len(actor) - 1)
        gap = np.abs(actor[:, Joint.PELVIS, 0] - partner[:, Joint.PELVIS, 0])
        assert gap[later] > gap[first] + 0.05


@pytest.mark.parametrize("kind", MEETINGS)
def test_meetings_do_not_touch(kind: str) -> None:
    """Who merely meets keeps hands off and does not walk through the other."""
    for seed in range(10):
        encounter = random_encounter(kind, np.random.default_rng(seed), 2.4)
        both = duet((encounter,), BUILDS, np.arange(0, 2.4, 0.04))
        left, right = (joints(poses, build) for poses, build in zip(both, BUILDS, strict=True))
        apart = np.linalg.norm(left[:, Joint.WAIST] - right[:, Joint.WAIST], axis=1)
        assert apart.min() > 0.2
        hands = np.linalg.norm(left[:, HANDS][:, :, None] - right[:, HANDS][:, None], axis=-1)
        assert hands.min() > 0.02


@pytest.mark.parametrize("kind", [*INTERACTIONS, *MEETINGS])
def test_left_and_right_are_symmetric(kind: str) -> None:
    """The same encounter with the actor on the other side is the mirror image, joint by joint."""
    time_s = np.arange(0, 2.4, 0.04)
    encounter = replace(random_encounter(kind, np.random.default_rng(3), 2.4), actor=0)
    left, right = duet((encounter,), (BUILDS[0], BUILDS[0]), time_s)
    other = duet((replace(encounter, actor=1),), (BUILDS[0], BUILDS[0]), time_s)
    for poses, image in ((left, other[1]), (right, other[0])):
        moved = np.abs(reflected(poses) - image)
        # Standing is a habit of the person, not of the role: small angles may differ.
        assert moved[:, [Dof.X, Dof.DEPTH]].max() < 0.08
        assert np.median(moved) < 0.5
        assert np.allclose(reflected(reflected(poses)), poses)
        space, mirror = joints(poses, BUILDS[0]), joints(reflected(poses), BUILDS[0])
        assert np.allclose(space[:, Joint.LEFT_HAND] * [-1, 1, 1], mirror[:, Joint.RIGHT_HAND])


def test_either_person_acts_with_either_side() -> None:
    """Over many clips left and right persons act, with left and right limbs."""
    seen = {
        (shot.encounters[0].actor, shot.encounters[0].manner.limb)
        for shot in (random_shot("punch", seed, SIZE, 2.4) for seed in range(30))
    }
    assert seen == {(actor, limb) for actor in (0, 1) for limb in (-1, 1)}


@pytest.mark.parametrize("label", INTERACTIONS)
def test_clips_hold_the_act_however_short(label: str) -> None:
    """From one second on the touch lies in the clip, and the clip is as long as asked."""
    for duration_s in (1.0, 2.4, 4.0):
        for seed in range(40):
            encounter = random_encounter(label, np.random.default_rng(seed), duration_s)
            assert encounter.duration_s == pytest.approx(duration_s)
            start, end = encounter.action
            first, last = encounter.contact
            assert 0 <= start <= first <= last <= end <= duration_s + 1e-9
            assert first > 0


@pytest.mark.parametrize("label", INTERACTIONS)
def test_both_stay_in_the_picture_until_they_let_go(label: str) -> None:
    """Nobody's trunk or head leaves the picture before the touch is over."""
    for seed in range(12):
        shot = random_shot(label, seed, SIZE, 2.4)
        time_s = np.arange(0, 2.4, 0.08)
        seen = shot.camera.sensor(SIZE)
        before = time_s <= shot.encounters[0].contact[1]
        for figure, poses in people(shot, time_s, 9.0):
            space = joints(poses[before], figure.build)[:, [Joint.PELVIS, Joint.NECK, Joint.HEAD]]
            pixels, _ = project(space, shot.camera, seen)
            assert pixels.min() > -2
            assert (pixels.max(axis=(0, 1)) < np.array(seen) + 2).all()


def test_long_streams_are_annotated_exactly_and_join_without_a_jump() -> None:
    """Each interaction once, on frames; between two of them nobody jumps."""
    labels = ("handshake", "push", NONE_LABEL, "hug", "punch", "kick", "point")
    for seed in range(3):
        shot = random_plan(labels, 2.0, seed, SIZE)[0]
        found = annotations((shot,))
        assert [item.label for item in found] == [label for label in labels if label != NONE_LABEL]
        for item in found:
            for at in (item.start_s, item.end_s):
                assert at * 12.5 == pytest.approx(round(at * 12.5), abs=1e-3)
            assert 0.5 < item.end_s - item.start_s < 5
        ends = np.cumsum([encounter.duration_s for encounter in shot.encounters])[:-1]
        seams = np.round(ends / STEP_S).astype(int)
        for _, poses in people(shot, np.arange(0, shot.duration_s, STEP_S), 9.0):
            assert np.abs(np.diff(poses[:, [Dof.X, Dof.DEPTH]], axis=0)).max() < 0.08
            assert np.abs(poses[seams + 1] - poses[seams - 2])[:, Dof.HEADING :].max() < 6


def test_streams_change_between_one_person_and_two() -> None:
    """Actions of one person and interactions of two become shots of their own."""
    shots = random_plan(("walk", "handshake", NONE_LABEL, "hug", "wave1"), 1.0, 4, (96, 72))
    assert [len(shot.encounters) for shot in shots] == [0, 3, 0]
    assert [item.label for item in annotations(shots)] == ["walk", "handshake", "hug", "wave1"]
    frames = sum(1 for _ in draw_stream(shots, (96, 72), 5))
    assert frames == sum(round(shot.duration_s * 5) for shot in shots)


def test_clips_without_action_show_pairs_too() -> None:
    """Somewhat less than half of them; all kinds of meetings occur."""
    shots = [random_shot(NONE_LABEL, seed, SIZE, 2.4) for seed in range(150)]
    kinds = [shot.encounters[0].kind for shot in shots if shot.encounters]
    assert 40 < len(kinds) < 85
    assert set(kinds) == set(MEETINGS)
    assert not annotations(tuple(shot for shot in shots if shot.encounters))


def test_stretched_pictures_have_the_size_asked_for() -> None:
    """Cut-outs of any shape come in one size."""
    shot = random_shot("hug", 1, (96, 72), 0.4)
    for aspect in (0.6, 2.2):
        stretched = replace(shot, camera=replace(shot.camera, aspect=aspect))
        assert {frame.shape for frame in draw_stream((stretched,), (96, 72), 5)} == {(72, 96, 3)}


def test_manners_differ() -> None:
    """No two seeds give the same way of doing something."""
    manners = {random_manner("kick", np.random.default_rng(seed)) for seed in range(50)}
    assert len(manners) == 50
    assert not np.array_equal(draw_clip("kick", 1, (96, 72)), draw_clip("kick", 2, (96, 72)))
