"""Drawn clips and streams: reproducible, exact, fast to tell apart, and playable."""

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from training.figures import (
    LABELS,
    Shot,
    Step,
    annotations,
    draw_clip,
    draw_stream,
    random_shot,
)
from training.figures.__main__ import main
from training.figures.camera import Camera, project
from training.figures.choreography import BLEND_S, poses_of, room
from training.figures.extras import KINDS as EXTRAS
from training.figures.extras import Extra, draw_extra
from training.figures.people import random_figure
from training.figures.plans import DEMO_FPS, DEMO_SIZE, demo_shots, random_plan
from training.figures.rhythm import ACTIONS, Style
from training.figures.scenes import KINDS, Scene, paint
from training.figures.skeleton import Dof


@pytest.mark.parametrize("label", LABELS)
def test_clips_are_reproducible(label: str) -> None:
    """The same seed gives the same pixels, another seed others."""
    clip = draw_clip(label, 5, size=(96, 72), duration_s=0.8)
    assert clip.shape == (10, 72, 96, 3)
    assert clip.dtype == np.uint8
    assert np.array_equal(clip, draw_clip(label, 5, size=(96, 72), duration_s=0.8))
    assert not np.array_equal(clip, draw_clip(label, 6, size=(96, 72), duration_s=0.8))


def test_unknown_labels_are_refused() -> None:
    """The message names the labels."""
    with pytest.raises(ValueError, match="wave2"):
        draw_clip("dance", 1)
    with pytest.raises(ValueError, match="wave2"):
        random_plan(("dance",), 2.0, 1, (96, 72))


@pytest.mark.parametrize("label", ACTIONS)
def test_people_stay_in_the_picture(label: str) -> None:
    """Whoever acts, acts where it can be seen: the middle of the body is always in the frame."""
    size = (160, 120)
    for seed in range(12):
        shot = random_shot(label, seed, size, 2.5)
        poses = poses_of(shot, np.arange(0, 2.5, 0.04), room(shot.camera, size))
        place = np.stack([poses[:, Dof.X], np.zeros(len(poses)), np.full(len(poses), 0.5)], axis=1)
        pixels, _ = project(place, shot.camera, size)
        assert pixels[:, 0].min() > -12
        assert pixels[:, 0].max() < size[0] + 12


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_can_be_painted(kind: str) -> None:
    """Any camera, any size: a picture with some contrast, the same each time."""
    for seed, camera in enumerate((Camera(), Camera(person=0.36, feet=0.95, height=0.45))):
        scene = Scene(kind, seed, clutter=5)
        picture = paint(scene, camera, (120, 68))
        assert picture.shape == (68, 120, 3)
        assert picture.std() > 1
        assert np.array_equal(picture, paint(scene, camera, (120, 68)))


@pytest.mark.parametrize("kind", EXTRAS)
def test_extras_move(kind: str) -> None:
    """Each moving thing changes the picture over two seconds."""
    extra = Extra(kind, x=0.6, y=0.7, size=1.2, speed=0.6, colour=(200.0, 40.0, 60.0), phase=0.3)
    frames = []
    for time_s in np.arange(0, 2, 0.25):
        frame = np.full((72, 96, 3), 90, np.uint8)
        draw_extra(frame, extra, float(time_s))
        frames.append(frame)
    assert np.stack(frames).std(axis=0).max() > 10


def test_annotations_are_exact() -> None:
    """Actions begin and end with their steps, on frames; idling is not annotated."""
    shots = demo_shots()
    found = annotations(shots)
    assert sorted(item.label for item in found) == sorted(ACTIONS)
    assert sum(shot.duration_s for shot in shots) == pytest.approx(60.0)
    for item, after in pairwise(found):
        assert item.start_s < item.end_s < after.start_s
    for item in found:
        assert item.start_s * DEMO_FPS == pytest.approx(round(item.start_s * DEMO_FPS))
        assert item.end_s * DEMO_FPS == pytest.approx(round(item.end_s * DEMO_FPS))
    assert found[0].start_s > 1
    assert found[-1].end_s < 59


def test_movement_begins_where_the_annotation_says() -> None:
    """A stream stands still until half a blend before an action, and moves right after it."""
    camera = Camera(person=0.6)
    stand, jack = Style(1.0, amplitude=0.0), Style(0.9, offset=0.2)
    steps = (Step("stand", 2.0, stand), Step("jack", 2.0, jack), Step("stand", 2.0, stand))
    shot = Shot(Scene("studio", 1), camera, random_figure(np.random.default_rng(1)), steps)
    fps = 25
    frames = np.stack(list(draw_stream((shot,), (160, 120), fps))).astype(np.int16)
    change = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    found = annotations((shot,))
    assert len(found) == 1
    item = found[0]
    margin = BLEND_S / 2 + 0.08
    still = change[: int((item.start_s - margin) * fps)].mean()
    acting = change[int((item.start_s + margin) * fps) : int((item.end_s - margin) * fps)].mean()
    after = change[int((item.end_s + margin) * fps) :].mean()
    assert acting > 5 * still
    assert acting > 5 * after


def test_poses_blend_without_a_jerk() -> None:
    """Between two steps no angle changes faster than the actions themselves allow."""
    for seed in range(4):
        shot = random_plan(("wave1", "walk", "bend", "pjump"), 2.0, seed, (160, 120))[0]
        poses = poses_of(shot, np.arange(0, shot.duration_s, 0.02), 1.2)
        assert np.abs(np.diff(poses[:, Dof.LEAN :], axis=0)).max() < 25
        assert np.abs(np.diff(poses[:, Dof.X])).max() < 0.05


def test_an_empty_place_is_not_annotated() -> None:
    """Steps of a shot without a person only set its duration."""
    shot = Shot(Scene("park", 2), Camera(), None, (Step("walk", 1.0, Style(0.9)),))
    assert not annotations((shot,))
    frames = list(draw_stream((shot,), (96, 72), 10))
    assert len(frames) == 10
    assert np.array_equal(frames[0], frames[9])


def test_test_video_command(tmp_path: Path) -> None:
    """The command writes H.264 without B-frames, a keyframe a second, and the truth beside it."""
    arguments = ["--out", str(tmp_path), "--labels", "walk,wave1", "--seconds", "2", "--seed", "3"]
    assert main([*arguments, "--size", "160x96"]) == 0
    truth = json.loads((tmp_path / "figures.json").read_text())
    assert [item["label"] for item in truth["annotations"]] == ["walk", "wave1"]
    assert truth["made_by"].startswith("python -m training.figures --out")
    with av.open(str(tmp_path / truth["video"])) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.profile in {"Baseline", "Constrained Baseline"}
        assert stream.average_rate == Fraction(25)
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert all(packet.pts == packet.dts for packet in packets)
        keyframes = [k for k, packet in enumerate(packets) if packet.is_keyframe]
    assert set(range(0, len(packets), 25)) <= set(keyframes)
    assert truth["duration"] == pytest.approx(len(packets) / 25)


def test_training_set_command(tmp_path: Path) -> None:
    """One folder per label, clips that decode, and one document of annotations."""
    arguments = ["--out", str(tmp_path), "--count", "2", "--seconds", "1", "--labels", "run,none"]
    assert main([*arguments, "--size", "96x72", "--fps", "12.5"]) == 0
    database = json.loads((tmp_path / "annotations.json").read_text())["database"]
    assert sorted(database) == [
        "none/none_00000.mp4",
        "none/none_00001.mp4",
        "run/run_00000.mp4",
        "run/run_00001.mp4",
    ]
    assert database["none/none_00000.mp4"]["annotations"] == []
    with av.open(str(tmp_path / "run" / "run_00001.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    (segment,) = database["run/run_00001.mp4"]["annotations"]
    assert segment["label"] == "run"
    assert segment["segment"][0] == 0


@pytest.mark.parametrize(
    "arguments", [["--labels", "dance"], ["--size", "63x48"], ["--size", "big"], []]
)
def test_wrong_usage_ends_with_code_two(tmp_path: Path, arguments: list[str]) -> None:
    """As every command of the product does."""
    given = ["--out", str(tmp_path), *arguments] if arguments else []
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2


def test_shipped_demo_is_the_one_the_code_plans() -> None:
    """The committed clip has the length, form and truth of `demo_shots`."""
    folder = Path(__file__).parents[2] / "stack" / "demo"
    truth = json.loads((folder / "demo.json").read_text())
    planned = [(item.label, [item.start_s, item.end_s]) for item in annotations(demo_shots())]
    assert [(item["label"], item["segment"]) for item in truth["annotations"]] == planned
    assert (folder / "demo.mp4").stat().st_size <= 2_000_000
    with av.open(str(folder / "demo.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == DEMO_SIZE
        assert stream.frames == 60 * DEMO_FPS
        assert not stream.codec_context.has_b_frames
