"""Shots become frames; random shots become training clips."""

from collections.abc import Iterator

import cv2
import numpy as np

from training.figures.camera import Frame, Lens, random_camera
from training.figures.choreography import LABELS, NONE_LABEL, Shot, Step, people, room
from training.figures.drawing import FigurePainter, draw_people
from training.figures.encounters import INTERACTIONS, MEETINGS
from training.figures.extras import draw_extra, random_extra
from training.figures.idling import IDLES, random_idle_style
from training.figures.pairs import random_pair_shot
from training.figures.people import random_figure
from training.figures.rhythm import ACTIONS, SIDE_VIEW, TRAVELLING, random_style
from training.figures.scenes import paint, random_scene

# Exposure is integrated over this many instants when the shutter is open for long.
_INSTANTS = 3
# Each label draws from its own random source; numbers never change, lest its clips do.
_STREAMS = {label: k for k, label in enumerate((*ACTIONS, NONE_LABEL, *INTERACTIONS))}
_PAIRS = len(_STREAMS)
# Part of the clips without action that show two people, and what these do: `MEETINGS`.
_PAIRED = 0.4
_MEETING_SHARES = (0.28, 0.12, 0.14, 0.12, 0.12, 0.12, 0.1)


def render(shot: Shot, size: tuple[int, int], fps: float) -> Iterator[Frame]:
    """Draw a shot frame by frame.

    Args:
        shot: What happens.
        size: Width and height in pixels.
        fps: Frames per second.

    Yields:
        `round(duration_s * fps)` frames (H, W, 3), uint8 RGB, each a new array.
    """
    count = round(shot.duration_s * fps)
    instants = _INSTANTS if shot.camera.shutter > 0 else 1
    seen = shot.camera.sensor(size)
    background = paint(shot.scene, shot.camera, seen)
    lens = Lens(shot.camera, size, np.random.default_rng(shot.seed))
    open_s = shot.camera.shutter / fps
    # Instants of one frame are neighbours: painter index = frame * instants + instant.
    time_s = np.arange(count) / fps
    moments = (time_s[:, None] + np.linspace(0, open_s, instants)[None, :]).ravel()
    painters = _painters(shot, moments, instants, seen)
    for k in range(count):
        frame = background.copy()
        for extra in shot.extras:
            draw_extra(frame, extra, float(time_s[k]))
        if painters:
            frame = _with_people(frame, painters, range(k * instants, (k + 1) * instants))
        if seen != size:
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        yield lens.expose(frame, float(time_s[k]))


def _painters(
    shot: Shot, moments: np.ndarray, instants: int, size: tuple[int, int]
) -> list[FigurePainter]:
    """Poses are computed at the frames' times; instants in between are interpolated."""
    frames = moments[::instants]
    painters = []
    for figure, poses in people(shot, frames, room(shot.camera, size)):
        between = poses
        if instants > 1:
            columns = [np.interp(moments, frames, poses[:, k]) for k in range(poses.shape[1])]
            between = np.stack(columns, axis=1)
        painters.append(FigurePainter((figure, between), shot.camera, shot.scene, size))
    return painters


def _with_people(frame: Frame, painters: list[FigurePainter], instants: range) -> Frame:
    for painter in painters:
        painter.draw_shadow(frame, instants[0])
    if len(instants) == 1:
        draw_people(frame, painters, instants[0])
        return frame
    total = np.zeros(frame.shape, np.uint16)
    for instant in instants:
        sharp = frame.copy()
        draw_people(sharp, painters, instant)
        total += sharp
    return (total // len(instants)).astype(np.uint8)


def draw_stream(shots: tuple[Shot, ...], size: tuple[int, int], fps: float) -> Iterator[Frame]:
    """Draw shots one after another, with hard cuts between them.

    Args:
        shots: What happens; `choreography.annotations` says when.
        size: Width and height in pixels.
        fps: Frames per second.

    Yields:
        Frames (H, W, 3), uint8 RGB.
    """
    for shot in shots:
        yield from render(shot, size, fps)


def draw_clip(
    label: str,
    seed: int,
    size: tuple[int, int] = (160, 120),
    fps: float = 12.5,
    duration_s: float = 2.0,
) -> Frame:
    """Draw one training clip: random people, place and camera.

    Args:
        label: One of `LABELS`.
        seed: The same seed gives the same clip, bit for bit.
        size: Width and height in pixels.
        fps: Frames per second.
        duration_s: Length. An action fills all of it; an interaction begins and ends in it, as in
            segmented recordings (from 2.4 s on the touch and the reaction are complete).

    Returns:
        Clip (T, H, W, 3), uint8 RGB.

    Raises:
        ValueError: unknown label.
    """
    return np.stack(list(render(random_shot(label, seed, size, duration_s), size, fps)))


def random_shot(label: str, seed: int, size: tuple[int, int], duration_s: float) -> Shot:
    """Invent a shot of one label.

    Args:
        label: One of `LABELS`.
        seed: Source of every choice.
        size: Width and height in pixels of the frames to come.
        duration_s: Length.

    Returns:
        A shot with one step, or one encounter.

    Raises:
        ValueError: unknown label.
    """
    if label not in LABELS:
        raise ValueError(f"label must be one of {', '.join(LABELS)}, not {label!r}")
    rng = np.random.default_rng([seed, _STREAMS[label]])
    if label in INTERACTIONS:
        return random_pair_shot(label, rng, size, duration_s)
    if label == NONE_LABEL:
        # A source of its own, so that the other clips stay as they were without pairs.
        pairs = np.random.default_rng([seed, _PAIRS])
        if pairs.uniform() < _PAIRED:
            kind = str(pairs.choice(MEETINGS, p=_MEETING_SHARES))
            return random_pair_shot(kind, pairs, size, duration_s)
    scene, camera = random_scene(rng), random_camera(rng)
    if label == NONE_LABEL:
        return _random_none(rng, Shot(scene, camera, None, ()), duration_s)
    heading = _heading(label, rng)
    step = Step(label, duration_s, random_style(label, rng), heading)
    extras = (random_extra(rng),) if rng.uniform() < 0.12 else ()
    start = _start(step, room(camera, size), rng)
    noise = int(rng.integers(1 << 31))
    return Shot(scene, camera, random_figure(rng), (step,), start, extras, noise)


def _heading(label: str, rng: np.random.Generator) -> float:
    """Facing the camera more or less squarely, or to one side."""
    if label in SIDE_VIEW:
        return 90.0 if rng.uniform() < 0.5 else -90.0
    if label == "side":
        # Many turn a little towards where they go.
        return float(rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 32))
    return float(rng.normal(0, 9)) or 1.0


def _start(step: Step, limit: float, rng: np.random.Generator) -> float:
    """Travellers start where they can go on for the whole clip, if there is such a place."""
    if step.motion not in TRAVELLING:
        return float(rng.uniform(-0.6, 0.6) * limit)
    way = np.sign(step.heading_deg)
    spare = 2 * limit - step.style.speed * step.duration_s
    behind = rng.uniform(0, max(spare, 0.3 * limit))
    return float(way * (-limit + behind))


def _random_none(rng: np.random.Generator, place: Shot, duration_s: float) -> Shot:
    """Nobody, somebody idle, things that move: in any mixture, also none of all."""
    someone = rng.uniform() < 0.62
    name = str(rng.choice(list(IDLES), p=[0.4, 0.14, 0.08, 0.1, 0.1, 0.1, 0.08]))
    step = Step(name, duration_s, random_idle_style(rng), float(rng.uniform(-100, 100)))
    count = int(rng.choice([0, 1, 2, 3], p=[0.45, 0.35, 0.15, 0.05]))
    return Shot(
        scene=place.scene,
        camera=place.camera,
        figure=random_figure(rng) if someone else None,
        steps=(step,),
        start_x=float(rng.uniform(-0.8, 0.8)),
        extras=tuple(random_extra(rng) for _ in range(count)),
        seed=int(rng.integers(1 << 31)),
    )
