"""Two people together who do none of the interactions: the hard part of `none` for pairs.

Written for an actor on the left who looks to the right, at a partner who looks back.
"""

import numpy as np

from training.figures.bodywork import Key, posture
from training.figures.encounters import Encounter
from training.figures.idling import bump
from training.figures.skeleton import FloatArray, pose
from training.figures.stage import REST, Role, Scenario, Stage, turned

_AROUND = posture(heading=180.0)


def talk(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Talk: standing face to face, hands moving now and then.

    Args:
        encounter: How long and how.
        stage: Who and where.

    Returns:
        Roles of both.
    """
    m = encounter.manner
    places = _apart(stage, 0.5 + 0.8 * m.away, 0.15 * m.lateral)
    roles = []
    for k in (0, 1):
        extra = _gestures(stage, encounter, k) if m.variant > 0.4 * k else 0.0
        looking = turned(encounter, stage, 0.6 * m.turn_deg * (1 - 2 * k))
        roles.append(Role(looking, [(0.0, places[k])], extra))
    return roles[0], roles[1]


def close(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Close: standing near each other, each for themselves, without touching.

    Args:
        encounter: How long and how.
        stage: Who and where.

    Returns:
        Roles of both.
    """
    m = encounter.manner
    places = _apart(stage, 0.32 + 0.3 * m.share, 0.2 * m.lateral)
    first = posture(heading=3.0 * m.turn_deg)
    second = posture(heading=-2.0 * m.turn_deg * (m.phase - 0.5))
    if m.variant > 0.6:
        first = first + posture(flex=26, elbow=88, twist=-45)
    extra = 0.6 * _gestures(stage, encounter, 0) if m.poise > 0.6 else 0.0
    return Role([(0.0, first)], [(0.0, places[0])], extra), Role(
        [(0.0, second)], [(0.0, places[1])]
    )


def cross(encounter: Encounter, _stage: Stage) -> tuple[Role, Role]:
    """Pass: both walk, each their way, past each other.

    Args:
        encounter: How long and how.
        _stage: Not needed: all of it depends on the manner.

    Returns:
        Roles of both.
    """
    m, seconds = encounter.manner, encounter.duration_s
    aside = _aside(encounter)
    middle = seconds * (0.3 + 0.4 * m.share)
    first = _walk((-_speed(m.poise) * middle, 0.0), _speed(m.poise), seconds)
    pace = _speed(m.variant)
    second = _walk((pace * middle, aside), -pace, seconds)
    return Role([(0.0, REST)], first, swing=24), Role([(0.0, REST)], second, swing=22)


def together(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Walk side by side, or one behind the other, in one direction.

    Args:
        encounter: How long and how.
        stage: Who.

    Returns:
        Roles of both.
    """
    m, seconds = encounter.manner, encounter.duration_s
    pace = _speed(m.poise)
    gap = 0.12 * m.away if m.variant < 0.6 else 0.35 + 0.5 * m.away
    start = -pace * seconds / 2
    first = _walk((start - gap / 2, 0.0), pace, seconds)
    second = _walk((start + gap / 2, _aside(encounter)), pace * (0.94 + 0.12 * m.force), seconds)
    extra = 0.7 * _gestures(stage, encounter, 0) if m.height > 0.6 else 0.0
    return Role([(0.0, REST)], first, extra, swing=20), Role([(0.0, _AROUND)], second, swing=22)


def pass_by(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """One walks past the other, who stands.

    Args:
        encounter: How long and how.
        stage: Who.

    Returns:
        Roles of both.
    """
    m, seconds = encounter.manner, encounter.duration_s
    pace = _speed(m.poise)
    walk = _walk((-pace * seconds * (0.3 + 0.4 * m.share), 0.0), pace, seconds)
    looking = turned(encounter, stage, 3.0 * m.turn_deg)
    extra = _gestures(stage, encounter, 1) if m.variant > 0.6 else 0.0
    return Role([(0.0, REST)], walk, swing=22), Role(
        looking, [(0.0, np.array([0.0, _aside(encounter)]))], extra
    )


def walk_up(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """The actor walks up to the partner and stops within reach, without touching.

    Args:
        encounter: How long and how.
        stage: Who.

    Returns:
        Roles of both.
    """
    m, seconds = encounter.manner, encounter.duration_s
    gap = 0.38 + 0.4 * m.share
    way = min(0.3 + m.away, 0.6 * seconds)
    start, stop = np.array([-gap / 2 - way, 0.0]), np.array([-gap / 2, 0.0])
    path: list[Key] = [(0.1 * seconds * m.phase, start), (seconds * (0.5 + 0.5 * m.variant), stop)]
    extra = _gestures(stage, encounter, 1) if m.poise > 0.5 else 0.0
    return Role([(0.0, REST)], path, swing=16), Role(
        [(0.0, REST)], [(0.0, np.array([gap / 2, 0.12 * m.lateral]))], extra
    )


def part(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """The actor turns round and walks away from the partner.

    Args:
        encounter: How long and how.
        stage: Who.

    Returns:
        Roles of both.
    """
    m, seconds = encounter.manner, encounter.duration_s
    gap, leave = 0.45 + 0.5 * m.share, 0.25 * seconds * m.phase
    stop = max(seconds * 1.1, leave + 0.5)
    start = np.array([-gap / 2, 0.0])
    gone = start - [_speed(m.poise) * (stop - leave), 0.0]
    turning: list[Key] = [(leave, REST), (leave + 0.5, _AROUND * (1 if m.limb > 0 else -1))]
    extra = _gestures(stage, encounter, 1) if m.variant > 0.6 else 0.0
    return Role(turning, [(leave + 0.2, start), (stop, gone)], swing=20), Role(
        [(0.0, REST)], [(0.0, np.array([gap / 2, 0.12 * m.lateral]))], extra
    )


def _speed(amount: float) -> float:
    return 0.5 + 0.4 * amount


def _aside(encounter: Encounter) -> float:
    """Room between two who pass: nobody walks through anybody."""
    lateral = encounter.manner.lateral
    return float(np.copysign(0.26 + 0.3 * abs(lateral), lateral))


def _walk(start: tuple[float, float], pace: float, seconds: float) -> list[Key]:
    """An even walk; its ends lie outside the clip, so that nobody starts or stops in it."""
    at, there = np.array(start), np.array([pace * seconds, 0.0])
    # A smooth step moves at 1.5 times its mean speed, and evenly only about its middle.
    far, middle = 3.0, at + there / 2
    before, after = middle - far / 1.5 * there, middle + far / 1.5 * there
    return [(seconds * (0.5 - far), before), (seconds * (0.5 + far), after)]


def _apart(stage: Stage, gap: float, depth: float) -> FloatArray:
    if stage.places is not None:
        return stage.places
    return np.array([[-gap / 2, 0.0], [gap / 2, depth]])


def _gestures(stage: Stage, encounter: Encounter, who: int) -> FloatArray:
    """Talking hands (T, len(Dof)): now one, now both, before the chest, rarely higher."""
    time_s, lone = stage.time_s, stage.places is None
    rng = np.random.default_rng(round(1e6 * (encounter.manner.phase + who)))
    out = np.zeros((len(time_s), len(REST)))
    at = float(rng.uniform(-0.4 if lone else 0.0, 0.5))
    # Between other encounters the last gesture must be over in time.
    while at < encounter.duration_s - (0.0 if lone else 2.1):
        ramp, hold = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0, 0.9))
        arms = rng.choice(["left_", "right_", ""])
        angles = {
            f"{arms}flex": rng.uniform(8, 48),
            f"{arms}elbow": rng.uniform(35, 110),
            f"{arms}abduct": rng.uniform(-4, 14),
            "nod": rng.uniform(-4, 8),
        }
        beat = 6 * np.sin(2 * np.pi * rng.uniform(1, 3) * time_s)
        amount = bump(time_s, at, ramp, hold)
        out += amount[:, None] * pose(time_s, **angles)
        out += pose(time_s, **{f"{arms}elbow": beat * amount})
        at += 2 * ramp + hold + float(rng.uniform(0.1, 1.2))
    return out


SCENARIOS: dict[str, Scenario] = {
    "talk": talk,
    "close": close,
    "pass": cross,
    "together": together,
    "pass_by": pass_by,
    "walk_up": walk_up,
    "part": part,
}
