"""Sources that need no network: files in real time, loops, directories, patterns, errors."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contracts.settings import SourceSettings
from contracts.types import Clock, SampledFrame, StreamState
from streaming.files import read_frames
from tests.conftest import wait_for
from tests.streaming.live import SAMPLING, Recipe, Recorder, make_video, numbers, playing

CONNECTING, LIVE, STALLED, OFFLINE = StreamState


def test_a_file_plays_in_real_time_with_the_frames_that_reading_it_gives(tmp_path: Path) -> None:
    video, recorder = make_video(tmp_path / "a.mp4"), Recorder()
    with playing(str(video), recorder) as source:
        recorder.wait_state(OFFLINE)
        assert source.status.error is None
        assert source.status.frames == 50
    assert recorder.states == [CONNECTING, LIVE, OFFLINE]
    live, read = recorder.frames, list(read_frames(video, SAMPLING))
    assert [(f.run, f.index, f.pts_s) for f in live] == [(f.run, f.index, f.pts_s) for f in read]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(live, read, strict=True))
    first = live[0]
    for frame in live:
        assert frame.clock is Clock.ARRIVAL
        assert frame.captured_at - first.captured_at == pytest.approx(frame.pts_s, abs=0.02)
        assert frame.captured_at <= time.time()
        assert not frame.image.flags.writeable


def test_a_looped_file_starts_again_as_a_new_run(tmp_path: Path) -> None:
    video, recorder = make_video(tmp_path / "a.mp4", Recipe(frames=12)), Recorder()
    with playing(str(video), recorder, loop=True):
        recorder.wait_frames(15)
    seen = [(frame.run, frame.index) for frame in recorder.frames[:15]]
    assert seen == [(run, index) for run in range(3) for index in range(6)][:15]
    assert OFFLINE not in recorder.states


def test_a_directory_plays_file_after_file(tmp_path: Path) -> None:
    make_video(tmp_path / "1.mp4", Recipe(frames=6))
    (tmp_path / "2.mp4").write_bytes(b"not a video at all")
    make_video(tmp_path / "3.avi", Recipe(frames=6, codec="mpeg4", size=(96, 64), first=50))
    recorder = Recorder()
    with playing(str(tmp_path), recorder) as source:
        recorder.wait_state(OFFLINE)
        info = source.status.info
    assert numbers(recorder.frames) == [0, 2, 4, 50, 52, 54]
    assert [frame.run for frame in recorder.frames] == [0, 0, 0, 1, 1, 1]
    assert info is not None
    assert (info.resolution, info.codec) == ("96x64", "mpeg4")


def test_patterns_play_and_stop_at_once() -> None:
    recorder = Recorder()
    with playing("test:testsrc2", recorder) as source:
        recorder.wait_frames(20)
        assert source.status.fps == pytest.approx(25.0, abs=3)
        data = source.preview.jpeg(320)
        assert data is not None
        assert data.startswith(b"\xff\xd8")
        began_s = time.monotonic()
        source.stop()
        assert time.monotonic() - began_s < 0.5
    assert not any(name.startswith("decode cam") for name in _threads())
    count = len(recorder.frames)
    wait_for(lambda: not any(n.startswith("status cam") for n in _threads()), "end of threads")
    assert len(recorder.frames) == count


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_a_missing_file_is_said_and_found_once_it_is_there(tmp_path: Path) -> None:
    path, recorder = tmp_path / "later.mp4", Recorder()
    with playing(str(path), recorder, SourceSettings(retry_max_s=600)) as source:
        recorder.wait_state(OFFLINE)
        assert "There is no file" in (source.status.error or "")
        made = make_video(tmp_path / "made.mp4")
        made.rename(path)
        source.wake()
        recorder.wait_frames(25)
    assert LIVE in recorder.states


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("garbage.mp4", b"\x01\x02\x03" * 2000, "is not a video"),
        ("empty.mp4", b"", "is not a video"),
    ],
)
def test_what_is_no_video_is_offline_for_good(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path, recorder = tmp_path / name, Recorder()
    path.write_bytes(content)
    with playing(str(path), recorder) as source:
        recorder.wait_state(OFFLINE)
        assert words in (source.status.error or "")
        wait_for(lambda: "decode cam" not in _threads(), "end of the decoder")
    assert recorder.states == [CONNECTING, OFFLINE]


def test_unknown_patterns_are_named() -> None:
    recorder = Recorder()
    with playing("test:nothing", recorder) as source:
        recorder.wait_state(OFFLINE)
        assert "test:smptebars" in (source.status.error or "")


def test_a_failing_receiver_is_reported_not_silent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: SampledFrame) -> None:
        raise RuntimeError("receiver is broken")

    recorder = Recorder(receiver=fail)
    with playing(str(make_video(tmp_path / "a.mp4")), recorder) as source:
        recorder.wait_state(OFFLINE)
        assert "receiver is broken" in (source.status.error or "")
    assert "receiver is broken" in caplog.text


def test_a_slow_receiver_makes_frames_late_only_up_to_a_bound(tmp_path: Path) -> None:
    def work(_: SampledFrame) -> None:
        threading.Event().wait(0.16)  # twice the time there is

    recorder = Recorder(receiver=work)
    video = make_video(tmp_path / "a.mp4", Recipe(frames=100))
    with playing(str(video), recorder):
        recorder.wait_frames(30)
    offset_s = time.time() - time.monotonic()
    delays = [frame.ready_at + offset_s - frame.captured_at for frame in recorder.frames]
    assert max(delays) < 1.2
    assert [frame.index for frame in recorder.frames] == list(range(len(recorder.frames)))
    assert all(a.captured_at < b.captured_at for a, b in pairwise(recorder.frames))
