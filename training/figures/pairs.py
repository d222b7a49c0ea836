"""Clips of two people: framed like cut-outs of a recording, or seen from farther away."""

from dataclasses import replace

import numpy as np

from training.figures.camera import Camera, random_camera
from training.figures.choreography import Shot, people
from training.figures.encounters import INTERACTIONS, random_encounter
from training.figures.extras import random_extra
from training.figures.people import random_figure
from training.figures.scenes import Scene, random_scene
from training.figures.skeleton import Dof

# Part of the clips that show little more than both people, as segmented recordings do.
_CROPPED = 0.6
# Width by height of such cut-outs.
_NARROWEST, _WIDEST = 0.55, 2.3
# Half the width of a standing person with a little room, body heights.
_BESIDE = 0.2


def random_pair_shot(
    kind: str, rng: np.random.Generator, size: tuple[int, int], duration_s: float
) -> Shot:
    """Invent a shot of two people.

    Args:
        kind: One of `INTERACTIONS` or `MEETINGS`.
        rng: Source of every choice.
        size: Width and height in pixels of the frames to come.
        duration_s: Length.

    Returns:
        A shot with one encounter; `point` is often done by one person alone.
    """
    encounter = random_encounter(kind, rng, duration_s)
    scene, camera = random_place(rng)
    figures = random_figure(rng), random_figure(rng)
    alone = kind == "point" and rng.uniform() < 0.7
    shot = Shot(
        scene=scene,
        camera=camera,
        figure=figures[encounter.actor if alone else 0],
        steps=(),
        extras=(random_extra(rng),) if rng.uniform() < 0.12 else (),
        seed=int(rng.integers(1 << 31)),
        partner=None if alone else figures[1],
        encounters=(encounter,),
    )
    return _framed(shot, size, rng)


def random_place(rng: np.random.Generator) -> tuple[Scene, Camera]:
    """Draw a scene and a camera for two people seen more or less from the side.

    Args:
        rng: Source of every choice.

    Returns:
        Scene and camera; whoever stands in the picture's middle is whole in it.
    """
    scene, camera = random_scene(rng), random_camera(rng)
    wide = rng.uniform() < 0.3
    camera = replace(
        camera,
        yaw_deg=float(rng.uniform(-35, 35) if wide else rng.normal(0, 10)),
        person=rng.uniform(0.27, 0.7),
        distance=rng.uniform(4.5, 12),
        noise=camera.noise * 0.8,
    )
    if rng.uniform() < 0.55:
        scene = replace(scene, kind="ground", shadow=scene.shadow * 0.6)
        camera = replace(camera, height=rng.uniform(0.9, 2.4))
    return scene, camera


def _framed(shot: Shot, size: tuple[int, int], rng: np.random.Generator) -> Shot:
    """Choose a section of the place in which both can be seen, at least until they touch."""
    if rng.uniform() < _CROPPED:
        left, right = _extent(shot)
        middle = (left + right) / 2
        wide = right - left + 2 * _BESIDE
        tall = max(one.build.height for one in (shot.figure, shot.partner) if one is not None)
        room = wide + rng.uniform(0.0, 0.5)
        person = min(rng.uniform(0.72, 0.92) / tall, _WIDEST / room)
        aspect = max(room * person, _NARROWEST)
        # Whatever the cut-out, the picture is stretched to one size.
        camera = replace(shot.camera, person=person, aspect=float(aspect))
        feet = _feet(1.06 * tall * person, rng)
        return replace(shot, camera=replace(camera, feet=feet), start_x=-middle)
    return whole(shot, size, rng)


def whole(shot: Shot, size: tuple[int, int], rng: np.random.Generator) -> Shot:
    """Move the camera back and to the side until all that two people do is in its picture.

    Args:
        shot: Two people.
        size: Width and height in pixels of the frames to come.
        rng: Source of every choice.

    Returns:
        The shot with another camera and another start; after a push someone may still leave.
    """
    left, right = _extent(shot)
    wide, aspect = right - left + 2 * _BESIDE, size[0] / size[1]
    person = min(shot.camera.person, aspect / wide)
    spare = max(aspect / person - wide, 0.0)
    shift = rng.uniform(-0.5, 0.5) * spare
    feet = _feet(1.06 * 1.08 * person, rng)
    camera = replace(shot.camera, person=person, feet=feet)
    return replace(shot, camera=camera, start_x=float(shift - (left + right) / 2))


def _feet(tall: float, rng: np.random.Generator) -> float:
    """Where feet stand in a picture in which people are `tall`."""
    return float(rng.uniform(min(tall + 0.02, 0.97), 0.98))


def _extent(shot: Shot) -> tuple[float, float]:
    """From where to where heads, arms and feet go until shortly after the last touch."""
    encounter = shot.encounters[-1]
    time_s = np.arange(0.0, shot.duration_s, 0.1)
    until = np.inf
    if encounter.kind in INTERACTIONS:
        until = shot.duration_s - encounter.duration_s + encounter.contact[1] + 0.25
    places = [poses[time_s <= until, Dof.X] for _, poses in people(shot, time_s, 9.0)]
    left, right = (float(f([f(x) for x in places])) for f in (np.min, np.max))
    if encounter.kind == "point":
        # The arm takes room on one side.
        reach = 0.28
        left, right = (left - reach, right) if encounter.actor else (left, right + reach)
    return left, right
