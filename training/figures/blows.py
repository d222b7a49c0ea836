"""The interactions with which one person hits the other: kick, punch, push."""

from training.figures.bodywork import Key, hand_of, posture, raised
from training.figures.encounters import Encounter, Manner
from training.figures.skeleton import Dof, FloatArray, Joint
from training.figures.stage import REST, Role, Stage, paths, touch_trunk


def kick(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Kick: the actor steps up, swings a leg at the partner, who doubles up or starts back.

    Args:
        encounter: When and how.
        stage: Who and where.

    Returns:
        Roles of actor and partner.
    """
    m, beat = encounter.manner, encounter.beats
    body = stage.body(0, beat.first)
    hip, ankle = (
        (Dof.LEFT_HIP, Joint.LEFT_ANKLE) if m.limb > 0 else (Dof.RIGHT_HIP, Joint.RIGHT_ANKLE)
    )
    height = (0.3 + 0.42 * m.height) * stage.builds[1].height
    hit = raised(body + _kicking(m), stage.builds[0], ([hip], [ankle]), height)
    touch = touch_trunk(stage, hit, [ankle], stage.body(1, beat.first))
    ways = paths(encounter, stage, touch, shove=0.35 * m.force * (0.3 + m.variant))
    wide = 20 + 45 * m.variant
    drawn = posture(
        m.limb, main_hip=-22, main_knee=65, main_foot=-60, other_knee=18, other_hip=12, lean=8,
        flex=10, abduct=0.7 * wide, elbow=40,
    )  # fmt: skip
    pulled = posture(m.limb, main_hip=45, main_knee=60, lean=2, abduct=0.5 * wide, elbow=30)
    keys: list[Key] = [(beat.begin, REST), (beat.begin + 0.55 * encounter.reach_s, drawn)]
    keys += [(beat.first, hit - body), (beat.last, hit - body)]
    keys += [(beat.last + 0.5 * encounter.release_s, pulled)]
    keys += [(beat.end, posture(lean=2, elbow=15)), (encounter.duration_s, REST)]
    return Role(keys, ways[0]), Role(_struck(encounter, _doubled_up(m)), ways[1])


def _kicking(m: Manner) -> FloatArray:
    """The stretched leg, before it is raised to where it hits; arms keep the balance."""
    back = 4 + 22 * m.poise
    return posture(
        m.limb, main_knee=6 + 12 * m.variant, main_foot=55, other_knee=8, lean=-back,
        spine=0.4 * back, main_flex=-20, other_flex=30, abduct=20 + 45 * m.variant, elbow=25,
    )  # fmt: skip


def _doubled_up(m: Manner) -> FloatArray:
    """Hands to the belly after a low kick, body thrown back by a high one."""
    low = 1.0 - m.height
    return m.force * posture(
        lean=10 + 34 * low - 22 * m.height, spine=18 * low, nod=18 * low, hip=22 * low,
        knee=20 * low + 6, flex=20 + 15 * low, elbow=55 * low + 20, twist=-40 * low,
        abduct=22 * m.height, heading=0.6 * m.turn_deg,
    )  # fmt: skip


def punch(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Punch: the actor raises the fists, steps in and strikes; the partner reels.

    Args:
        encounter: When and how.
        stage: Who and where.

    Returns:
        Roles of actor and partner.
    """
    m, beat = encounter.manner, encounter.beats
    body = stage.body(0, beat.first)
    hit = body + _lunge(m, 14, 8, 14) + posture(
        m.limb, main_elbow=4 + 18 * m.variant, main_abduct=-4, other_flex=-10 - 30 * m.poise,
        other_elbow=70 * m.variant + 10, lean=5 + 16 * m.poise, spine=4,
    )  # fmt: skip
    height = (0.68 + 0.24 * m.height) * stage.builds[1].height
    hit = raised(hit, stage.builds[0], hand_of(m.limb), height)
    touch = touch_trunk(stage, hit, hand_of(m.limb)[1], stage.body(1, beat.first))
    ways = paths(encounter, stage, touch, shove=0.55 * m.force * (0.15 + m.variant))
    bends = m.phase < 0.3
    reel = m.force * posture(
        lean=34 if bends else -14, spine=14 if bends else -8, nod=-24 if m.height > 0.4 else 10,
        tilt=0.4 * m.turn_deg, heading=1.3 * m.turn_deg, hip=10, knee=16, flex=12, elbow=35,
        abduct=18,
    )  # fmt: skip
    keys = _striking(encounter, hit - body)
    return Role(keys, ways[0]), Role(_struck(encounter, reel), ways[1])


def _striking(encounter: Encounter, hit: FloatArray) -> list[Key]:
    """Fists up, one drawn back, the blow, and either through or back to the fists."""
    m, beat = encounter.manner, encounter.beats
    guard = posture(flex=28, elbow=118, abduct=8, lean=3, hip=4, knee=6)
    guard = guard if m.variant < 0.65 else REST
    back = posture(
        m.limb, main_flex=-22, main_abduct=28, main_elbow=105, other_flex=35, other_elbow=80,
        heading=18.0 * m.limb * m.poise, lean=-4, hip=6, knee=8,
    )  # fmt: skip
    through = posture(
        m.limb, main_flex=62, main_abduct=-24, main_elbow=60, other_flex=18, other_elbow=60,
        lean=14 + 22 * m.poise, spine=8,
    )  # fmt: skip
    after = (through if m.turn_deg > 0 else guard) + _lunge(m, 14, 8, 14)
    keys: list[Key] = [(min(beat.begin - 0.5, 0.0), REST), (beat.begin, guard)]
    keys += [(beat.begin + 0.5 * encounter.reach_s, back), (beat.first, hit), (beat.last, hit)]
    final = max(beat.end, encounter.duration_s)
    return [*keys, (beat.end, after), (final, REST if m.recovers else after)]


def push(encounter: Encounter, stage: Stage) -> tuple[Role, Role]:
    """Push: the actor steps in and shoves with both hands; the partner stumbles back.

    Args:
        encounter: When and how.
        stage: Who and where.

    Returns:
        Roles of actor and partner.
    """
    m, beat = encounter.manner, encounter.beats
    body = stage.body(0, beat.first)
    hit = body + _lunge(m, 12, 10, 18) + posture(
        elbow=28 - 18 * m.variant, abduct=-2, twist=-10, lean=8 + 16 * m.poise, spine=4, nod=-6
    )  # fmt: skip
    hands = [Joint.LEFT_HAND, Joint.RIGHT_HAND]
    height = (0.62 + 0.14 * m.height) * stage.builds[1].height
    hit = raised(hit, stage.builds[0], ([Dof.LEFT_FLEX, Dof.RIGHT_FLEX], hands), height)
    touch = touch_trunk(stage, hit, hands, stage.body(1, beat.first))
    shove = (0.25 + 0.7 * m.force) * (0.5 + 0.6 * m.variant)
    ways = paths(encounter, stage, touch, shove)
    stumble = (0.25 + m.force) * posture(
        lean=-14, spine=-6, nod=8, flex=30, elbow=35, abduct=18, knee=10, hip=6,
        heading=0.5 * m.turn_deg,
    )  # fmt: skip
    return Role(_shoving(encounter, hit - body), ways[0]), Role(
        _struck(encounter, stumble), ways[1]
    )


def _shoving(encounter: Encounter, hit: FloatArray) -> list[Key]:
    """Hands drawn back or arms already stretched, the shove, arms left standing, arms down."""
    m, beat = encounter.manner, encounter.beats
    drawn = posture(flex=8, elbow=105, abduct=8, lean=-2, knee=8, hip=5)
    if m.variant > 0.55:
        drawn = posture(flex=55 + 15 * m.phase, elbow=30, abduct=4, lean=4, knee=6, hip=4)
    follow = hit + posture(lean=6, elbow=9 * m.variant - 14)
    linger = beat.last + (0.35 + 0.35 * m.variant) * encounter.release_s
    keys: list[Key] = [(beat.begin, REST), (beat.begin + 0.5 * encounter.reach_s, drawn)]
    keys += [(beat.first, hit), (beat.last, follow), (linger, follow)]
    return [*keys, (beat.end, 0.35 * follow), (encounter.duration_s, REST)]


def _lunge(m: Manner, least: float, ahead: float, knee: float) -> FloatArray:
    """Legs apart, one bent in front."""
    wide = least + (18 + (ahead - 8)) * m.poise
    return posture(
        m.limb, main_hip=-wide, other_hip=wide + ahead, other_knee=knee, main_foot=-12
    )  # fmt: skip


def _struck(encounter: Encounter, hurt: FloatArray) -> list[Key]:
    """The partner's postures: nothing until the touch, then the reaction."""
    first, end = encounter.beats.first, encounter.beats.end
    quick = first + 0.22
    over = max(end, quick + 0.2)
    last = REST if encounter.manner.recovers else 0.8 * hurt
    return [(first, REST), (quick, hurt), (over, 0.85 * hurt), (over + 0.7, last)]
