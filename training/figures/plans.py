"""Untrimmed videos: the demo clip, and random ones for tests and training."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from training.figures.camera import Camera, random_camera
from training.figures.choreography import LABELS, NONE_LABEL, Shot, Step, room
from training.figures.encounters import INTERACTIONS, Encounter, random_manner, unhurried_encounter
from training.figures.idling import random_idle_style
from training.figures.pairs import random_place, whole
from training.figures.people import Clothes, Figure, random_figure
from training.figures.rhythm import SIDE_VIEW, Style, random_style
from training.figures.scenes import Scene, random_scene
from training.figures.skeleton import Build

DEMO_SIZE = (640, 360)
DEMO_FPS = 25

# 109 frames: ten actions and the gaps between them make sixty seconds.
_ACTION_S = 4.36
_GAP_S = 1.4
# Idle time on either side of a cut.
_CUT_S = 0.92

_ANNA = Figure(
    build=Build(height=0.98, girth=0.92, shoulders=0.102, hips=0.058),
    skin=(226, 178, 146),
    hair=(92, 58, 36),
    haircut="long",
    clothes=Clothes(
        (196, 62, 58), (240, 236, 226), "plain", (44, 58, 96), 2, 1, 1.05, (235, 235, 232)
    ),
)
_BEN = Figure(
    build=Build(height=1.03, girth=1.02, shoulders=0.12, hips=0.056),
    skin=(124, 84, 58),
    hair=(30, 26, 24),
    haircut="short",
    clothes=Clothes(
        (242, 196, 72), (52, 60, 78), "stripes", (40, 44, 54), 1, 1, 1.05, (230, 230, 228)
    ),
)
_CARL = Figure(
    build=Build(height=1.0, girth=1.12, shoulders=0.117, hips=0.058),
    skin=(238, 200, 172),
    hair=(178, 138, 84),
    haircut="short",
    clothes=Clothes(
        (48, 110, 122), (232, 228, 216), "jacket", (150, 134, 108), 2, 1, 1.1, (72, 48, 36)
    ),
)


def demo_shots() -> tuple[Shot, ...]:
    """The demo clip: sixty seconds, all ten actions once, three people in three places.

    Returns:
        Shots to play one after another; they begin and end idle, so the clip loops.
    """
    park = Scene(
        "park", 5, light=-0.7, shadow=0.45, sun=(0.5, 0.2), warmth=0.15, clutter=5, grain=0.1
    )
    hall = Scene(
        "hall", 8, light=0.4, shadow=0.35, sun=(-0.12, 0.3), warmth=0.1, clutter=5, grain=0.1
    )
    home = Scene(
        "room", 8, light=-0.6, shadow=0.3, sun=(0.2, 0.15), warmth=0.2, clutter=5, grain=0.1
    )
    return (
        Shot(
            scene=park,
            camera=Camera(person=0.52, feet=0.88, height=0.8),
            figure=_ANNA,
            steps=_steps(("wave1", "walk", "bend"), 1.48, _CUT_S),
            start_x=-1.35,
        ),
        Shot(
            scene=hall,
            camera=Camera(person=0.44, feet=0.87, height=0.8),
            figure=_BEN,
            steps=_steps(("jack", "run", "skip", "side"), _CUT_S, _CUT_S),
            start_x=-0.9,
        ),
        Shot(
            scene=home,
            camera=Camera(person=0.56, feet=0.92, height=0.75),
            figure=_CARL,
            steps=_steps(("wave2", "pjump", "jump"), _CUT_S, 1.44),
            start_x=0.15,
        ),
    )


_DEMO_STYLES = {
    "bend": Style(2 / _ACTION_S, variant=0.3, lead=-1),
    "jack": Style(0.9, flight=0.48, variant=0.7),
    "jump": Style(1.9, speed=0.85, flight=0.52, variant=0.5),
    "pjump": Style(1.55, flight=0.6, variant=0.5),
    "run": Style(1.3, speed=1.35, flight=0.28, variant=0.5),
    "side": Style(1.6, speed=0.95, flight=0.32, variant=0.4),
    "skip": Style(2.0, speed=1.0, flight=0.52, variant=0.4),
    "walk": Style(0.86, speed=0.62, variant=0.5),
    "wave1": Style(0.88, variant=0.4),
    "wave2": Style(0.85, variant=0.4, poise=0.2),
}


def _steps(labels: tuple[str, ...], before_s: float, after_s: float) -> tuple[Step, ...]:
    """Stand, act, stand, act, …, stand."""
    steps = [_stand(before_s, 0)]
    for k, label in enumerate(labels):
        side = -90.0 if label == "bend" else 4.0
        steps.append(Step(label, _ACTION_S, _DEMO_STYLES[label], side))
        steps.append(_stand(after_s if k == len(labels) - 1 else _GAP_S, k + 1))
    return tuple(steps)


def _stand(duration_s: float, index: int) -> Step:
    return Step("stand", duration_s, Style(1.0, variant=0.4, offset=0.21 * index), 6.0)


def random_plan(
    labels: tuple[str, ...], seconds: float, seed: int, size: tuple[int, int]
) -> tuple[Shot, ...]:
    """Random people in one place do some things, idle before, between and after.

    Where actions of one person and interactions of two follow each other, the place changes.

    Args:
        labels: Actions and interactions in order; `none` makes the pause there longer.
        seconds: Duration of each action; interactions take their own time.
        seed: Source of every choice.
        size: Width and height in pixels of the video to come.

    Returns:
        One shot, or several with hard cuts between them.

    Raises:
        ValueError: a label is neither an action nor an interaction nor `none`.
    """
    for label in labels:
        if label not in LABELS:
            raise ValueError(f"label must be one of {', '.join(LABELS)}, not {label!r}")
    rng = np.random.default_rng([seed, len(labels)])
    shots: list[Shot] = []
    for group in _groups(labels):
        pair = any(label in INTERACTIONS for label in group)
        shots.append((_pair_plan if pair else _solo_plan)(group, seconds, rng, size))
    return tuple(shots)


def _groups(labels: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Split where one person must become two or two one; `none` stays with what comes before."""
    group: list[str] = []
    kinds: set[bool] = set()
    for label in labels:
        kind = set() if label == NONE_LABEL else {label in INTERACTIONS}
        if len(kinds | kind) > 1:
            yield tuple(group)
            group, kinds = [], set()
        group.append(label)
        kinds |= kind
    if group:
        yield tuple(group)


def _solo_plan(
    labels: tuple[str, ...], seconds: float, rng: np.random.Generator, size: tuple[int, int]
) -> Shot:
    steps = [_random_idle(rng, rng.uniform(1.2, 2.0))]
    for label in labels:
        if label == NONE_LABEL:
            steps.append(_random_idle(rng, seconds))
        else:
            heading = 90.0 * rng.choice([-1.0, 1.0]) if label in SIDE_VIEW else rng.normal(0, 8)
            steps.append(Step(label, seconds, random_style(label, rng), float(heading)))
        steps.append(_random_idle(rng, rng.uniform(1.2, 2.0)))
    camera = replace(random_camera(rng), noise=rng.uniform(0, 2), quality=0)
    return Shot(
        scene=random_scene(rng),
        camera=camera,
        figure=random_figure(rng),
        steps=tuple(steps),
        start_x=float(rng.uniform(-0.6, 0.6) * room(camera, size)),
        seed=int(rng.integers(1 << 31)),
    )


def _pair_plan(
    labels: tuple[str, ...], seconds: float, rng: np.random.Generator, size: tuple[int, int]
) -> Shot:
    """Two people in one place; between the interactions they stand and talk."""
    encounters = []
    for label in labels:
        if label == NONE_LABEL:
            talk = Encounter("talk", seconds, 0.0, 0.0, 0.0, 0.0, random_manner("talk", rng))
            encounters.append(_on_frames(talk))
        else:
            pauses = (rng.uniform(1, 2), rng.uniform(1, 2))
            encounters.append(_on_frames(unhurried_encounter(label, rng, pauses)))
    scene, camera = random_place(rng)
    camera = replace(camera, noise=rng.uniform(0, 2), quality=0)
    figures = random_figure(rng), random_figure(rng)
    shot = Shot(
        scene=scene,
        camera=camera,
        figure=figures[0],
        steps=(),
        seed=int(rng.integers(1 << 31)),
        partner=figures[1],
        encounters=tuple(encounters),
    )
    return whole(shot, size, rng)


def _on_frames(encounter: Encounter) -> Encounter:
    """Phases on frames at 12.5 and 25 frames per second, so that annotations are exact."""
    return replace(
        encounter,
        approach_s=_even(encounter.approach_s),
        reach_s=_even(encounter.reach_s),
        hold_s=_even(encounter.hold_s),
        release_s=_even(encounter.release_s),
        withdraw_s=_even(encounter.withdraw_s),
    )


def _even(seconds: float) -> float:
    return round(seconds * 12.5) / 12.5


def _random_idle(rng: np.random.Generator, duration_s: float) -> Step:
    # To the frame, as in encounters.
    style, heading = random_idle_style(rng), float(rng.normal(0, 12))
    return Step("stand", _even(duration_s), style, heading)
