"""The six interactions by label; the friendly ones are written here, the others in `blows`."""

import numpy as np

from training.figures.blows import kick, punch, push
from training.figures.bodywork import Key, hand_of, posture, raised
from training.figures.encounters import Encounter, Manner
from training.figures.skeleton import FloatArray, joints, pose
from training.figures.stage import REST, Role, Scenario, Stage, paths, turned


def handshake(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Handshake: both step up, reach out one hand, shake, step back.

    Args:
        encounter: When and how.
        stage: Who and where.

    Returns:
        Roles of actor and partner.
    """
    m, beat = encounter.manner, encounter.beats
    bodies = [stage.body(who, beat.first) for who in (0, 1)]
    held = [_reaching(bodies[who], m, stage, who) for who in (0, 1)]
    (hand,) = hand_of(m.limb)[1]
    ends = [joints(held[who][None], stage.builds[who])[0, hand] for who in (0, 1)]
    ways = paths(encounter, stage, (ends[0] - ends[1])[:2])
    wave = _shakes(stage.time_s, encounter, 1.8 + 1.6 * m.phase)
    extra = wave[:, None] * posture(m.limb, main_flex=3 + 6 * m.poise)
    roles = []
    for who in (0, 1):
        reach = held[who] - bodies[who]
        keys: list[Key] = [(beat.begin + 0.35 * m.force * who * encounter.reach_s, REST)]
        keys += [(beat.first, reach), (beat.last, reach), (beat.end, REST)]
        roles.append(Role(keys, ways[who], extra))
    return roles[0], roles[1]


def _reaching(body: FloatArray, m: Manner, stage: Stage, who: int) -> FloatArray:
    """One of them (len(Dof),) with the hand where both can reach it."""
    bent = (1 - m.poise) if who else m.variant
    out = body + posture(
        m.limb, main_elbow=6 + 34 * bent, main_abduct=-12, main_twist=-15, lean=1 + 7 * m.poise,
        nod=6,
    )  # fmt: skip
    mean = (stage.builds[0].height + stage.builds[1].height) / 2
    return raised(out, stage.builds[who], hand_of(m.limb), (0.51 + 0.1 * m.height) * mean)


def _shakes(time_s: FloatArray, encounter: Encounter, rate_hz: float) -> FloatArray:
    """Up and down (T,) while they touch, fading at both ends."""
    first, last = encounter.beats.first, encounter.beats.last
    inside = np.clip(np.minimum(time_s - first, last - time_s) / 0.15, 0, 1)
    out: FloatArray = inside * np.sin(2 * np.pi * rate_hz * (time_s - first))
    return out


def hug(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Hug: both open their arms, close them round each other, stay, let go.

    Args:
        encounter: When and how.
        stage: Who and where.

    Returns:
        Roles of actor and partner.
    """
    m = encounter.manner
    girth = (stage.builds[0].girth + stage.builds[1].girth) / 2
    touch = np.array([0.15 + 0.05 * girth, 0.05 * m.limb])
    ways = paths(encounter, stage, touch)
    sway = pose(stage.time_s, tilt=2.5 * m.poise * _shakes(stage.time_s, encounter, 0.8))
    taller = stage.builds[0].height - stage.builds[1].height
    first = Role(_embrace(encounter, 0.0, taller), ways[0], sway)
    return first, Role(_embrace(encounter, 0.3 * m.force, -taller), ways[1], sway)


def _embrace(encounter: Encounter, late: float, taller: float) -> list[Key]:
    """Postures of one of them, who begins `late` and is `taller` by some body heights."""
    m, beat = encounter.manner, encounter.beats
    opened = posture(
        m.limb, main_flex=70 + 20 * m.variant, main_abduct=28, main_elbow=20,
        other_flex=50 + 25 * m.poise, other_abduct=30, other_elbow=25, lean=6,
    )  # fmt: skip
    # One arm goes over the other's shoulder, one under the arm; shorter people reach up.
    closed = posture(
        m.limb, main_flex=88 + 12 * m.height - 60 * taller, main_abduct=18, main_elbow=84,
        main_twist=-86, other_flex=56 + 12 * m.variant, other_abduct=20, other_elbow=88,
        other_twist=-84, lean=5 + 6 * m.poise, nod=10, spine=3,
    )  # fmt: skip
    start = beat.begin + late * (beat.first - beat.begin)
    half = start + 0.6 * (beat.first - start)
    free = beat.last + 0.5 * (beat.end - beat.last)
    keys: list[Key] = [(start, REST), (half, opened), (beat.first, closed)]
    return [*keys, (beat.last, closed), (free, 0.7 * opened), (beat.end, REST)]


def point(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Point: the actor stretches out an arm at something and keeps it there.

    Args:
        encounter: When and how.
        stage: Who and where; the partner, if there is one, only stands by.

    Returns:
        Roles of actor and bystander.
    """
    m, beat = encounter.manner, encounter.beats
    aim = posture(
        m.limb, main_flex=74 + 36 * m.height, main_abduct=-6 + 22 * m.poise,
        main_elbow=2 + 16 * m.variant**2, lean=-2 + 4 * m.poise, nod=4 - 10 * m.height,
        heading=0.3 * m.turn_deg,
    )  # fmt: skip
    keys: list[Key] = [(beat.begin, REST), (beat.first, aim)]
    keys += [(beat.last, aim + posture(lean=1)), (beat.end, REST)]
    sway = _shakes(stage.time_s, encounter, 0.7)
    extra = sway[:, None] * posture(m.limb, main_flex=2)
    places = stage.places
    if places is None:
        places = np.array([[0.0, 0.0], [0.7 + m.away + m.leave, 0.5 * m.lateral]])
    bystander = Role(turned(encounter, stage, 1.2 * m.turn_deg), [(0.0, places[1])])
    return Role(keys, [(0.0, places[0])], extra), bystander


SCENARIOS: dict[str, Scenario] = {
    "handshake": handshake,
    "hug": hug,
    "kick": kick,
    "point": point,
    "punch": punch,
    "push": push,
}
