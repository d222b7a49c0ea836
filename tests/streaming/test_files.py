"""Files of every kind, read whole: right frames, right indices, clear errors."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from contracts.errors import NotAVideoError, SourceError, SourceNotFoundError
from contracts.types import Clock, Sampling, VideoInfo
from streaming.files import probe, read_frames
from tests.conftest import find_peer
from tests.streaming.live import SAMPLING, Recipe, make_sound, make_video, numbers

NTSC = Fraction(30000, 1001)
H265 = (("x265-params", "log-level=none:keyint=25"),)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("plain.mp4", Recipe()),
        ("b_frames.mp4", Recipe(options=(("g", "25"), ("bf", "3")))),
        ("ntsc.mkv", Recipe(rate=NTSC)),
        ("hevc.mp4", Recipe(codec="libx265", options=H265)),
        ("mpeg4.avi", Recipe(codec="mpeg4", options=(("b", "2000000"),))),
        ("mpeg4_b.avi", Recipe(codec="mpeg4", options=(("bf", "2"), ("b", "2000000")))),
        ("transport.ts", Recipe()),
        ("pictures.avi", Recipe(codec="mjpeg", options=(("strict", "-1"),))),
    ],
)
def test_every_container_gives_the_frames_of_the_grid(
    tmp_path: Path, name: str, recipe: Recipe
) -> None:
    frames = list(read_frames(make_video(tmp_path / name, recipe), SAMPLING))
    rate = float(recipe.rate)
    expected: dict[int, int] = {}
    for n in range(recipe.frames):
        expected.setdefault(int((n / rate + 0.021) / 0.08), n)
    assert [frame.index for frame in frames] == list(expected)
    assert numbers(frames) == list(expected.values())
    assert {frame.run for frame in frames} == {0}


def test_frames_are_small_rgb_and_read_only(tmp_path: Path) -> None:
    frame = next(read_frames(make_video(tmp_path / "a.mp4"), Sampling(12.5, 112, 80)))
    assert frame.image.shape == (80, 112, 3)
    assert frame.image.dtype == np.uint8
    assert not frame.image.flags.writeable
    assert frame.clock is Clock.ARRIVAL
    assert frame.decode_ms > 0


def test_variable_frame_rate_keeps_media_time(tmp_path: Path) -> None:
    times = [0, 40, 80, 120, 400, 440, 480, 1000, 1040, 3000, 3040, 3080]
    video = make_video(tmp_path / "vfr.mkv", Recipe(frames=len(times)), times)
    frames = list(read_frames(video, SAMPLING))
    # 1.96 s without a picture break continuity; shorter pauses are holes.
    shown = zip(frames, numbers(frames), strict=True)
    assert [(frame.run, frame.index, number) for frame, number in shown] == [
        (0, 0, 0), (0, 1, 2), (0, 5, 4), (0, 6, 6), (0, 12, 7), (0, 13, 8), (1, 0, 9), (1, 1, 11),
    ]  # fmt: skip


def test_a_file_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.ts").read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    frames = list(read_frames(cut, SAMPLING))
    assert 5 < len(frames) < 25
    assert numbers(frames) == [2 * n for n in range(len(frames))]


def test_damage_in_the_middle_costs_frames_not_the_run_of_the_program(tmp_path: Path) -> None:
    recipe = Recipe(frames=125)
    data = bytearray(make_video(tmp_path / "whole.ts", recipe).read_bytes())
    rng = np.random.default_rng(1)
    middle = len(data) // 2
    data[middle : middle + 6000] = rng.bytes(6000)
    broken = tmp_path / "broken.ts"
    broken.write_bytes(data)
    shown = numbers(list(read_frames(broken, SAMPLING)))
    assert len(shown) > 30
    assert shown == sorted(shown)
    assert shown[-1] >= 122


def test_a_directory_is_one_stream_with_a_run_per_file(tmp_path: Path) -> None:
    make_video(tmp_path / "b.mp4", Recipe(frames=10, first=100))
    make_video(tmp_path / "a.mp4", Recipe(frames=10))
    (tmp_path / "notes.txt").write_text("not a video")
    frames = list(read_frames(tmp_path, SAMPLING))
    assert numbers(frames) == [0, 2, 4, 6, 8, 100, 102, 104, 106, 108]
    assert [(frame.run, frame.index) for frame in frames] == [
        (run, index) for run in (0, 1) for index in range(5)
    ]


def test_probe_says_what_a_file_holds(tmp_path: Path) -> None:
    assert probe(make_video(tmp_path / "a.mp4")) == VideoInfo(192, 128, 25.0, "h264", 2.0)
    assert probe(make_video(tmp_path / "b.mkv", Recipe(rate=NTSC))).fps == pytest.approx(
        float(NTSC)
    )


@pytest.mark.peer("ffmpeg")
def test_rotated_phone_video_comes_upright(tmp_path: Path) -> None:
    video, turned = make_video(tmp_path / "a.mp4"), tmp_path / "turned.mp4"
    ffmpeg = str(find_peer("ffmpeg"))
    flags = ["-v", "error", "-metadata:s:v", "rotate=90", "-c", "copy"]
    subprocess.run([ffmpeg, "-i", video, *flags, turned], check=True)
    with av.open(str(turned)) as container:
        rotation = next(container.decode(video=0)).rotation
    if rotation == 0:
        pytest.skip("this ffmpeg writes no rotation that way")
    upright = next(read_frames(turned, Sampling(12.5, 64, 96))).image
    lying = next(read_frames(video, Sampling(12.5, 96, 64))).image
    assert np.array_equal(upright, np.rot90(lying, rotation // 90))


def test_what_is_no_video_is_said_in_words(tmp_path: Path) -> None:
    garbage, empty = tmp_path / "garbage.mp4", tmp_path / "empty.mp4"
    garbage.write_bytes(np.random.default_rng(0).bytes(5000))
    empty.touch()
    truncated = tmp_path / "truncated.mp4"
    truncated.write_bytes(make_video(tmp_path / "whole.mp4").read_bytes()[:2000])
    for path in (garbage, empty, truncated):
        with pytest.raises(NotAVideoError, match=f"{path.name} is not a video"):
            list(read_frames(path, SAMPLING))
        with pytest.raises(NotAVideoError):
            probe(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="holds no video"):
        list(read_frames(make_sound(tmp_path / "sound.m4a"), SAMPLING))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"There is no file .*nothing\.mp4"):
        list(read_frames(tmp_path / "nothing.mp4", SAMPLING))
    with pytest.raises(SourceNotFoundError, match="holds no video file"):
        list(read_frames(tmp_path, SAMPLING))


def test_a_name_is_never_taken_for_a_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "take.mp4").rename(tmp_path / "concat:take.mp4")
    assert len(list(read_frames("concat:take.mp4", SAMPLING))) == 25
    with pytest.raises(SourceError):
        list(read_frames("pipe:0", SAMPLING))


@pytest.mark.parametrize(
    "clip",
    ["clips/one-by-one-person-detection.mp4", "weizmann/walk/daria_walk.avi", "fight/fight"],
)
def test_real_clips_are_read_in_full(research_data: Path, clip: str) -> None:
    path = research_data / clip
    if path.is_dir():
        path = min(path.glob("*.mp4"))
    info = probe(path)
    frames = list(read_frames(path, SAMPLING))
    assert info.duration_s is not None
    assert info.fps is not None
    assert len(frames) == pytest.approx(info.duration_s * min(info.fps, SAMPLING.fps), abs=2)
    assert frames[-1].index == pytest.approx(info.duration_s * SAMPLING.fps, abs=3)
    assert {frame.run for frame in frames} == {0}
