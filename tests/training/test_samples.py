"""Samples: decoding, the cache, and sampling as live does it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from contracts.errors import NotAVideoError, SourceNotFoundError
from contracts.types import Annotation, Sampling
from streaming.files import read_frames
from training.samples import (
    FrameCache,
    Frames,
    Sample,
    decode_video,
    default_cache,
    fingerprint,
    sample_frames,
    shrink_frames,
)


def _write_video(path: Path, frames: int = 30, rate: int = 25) -> Path:
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            picture = np.full((48, 64, 3), 8 * index, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode(None))
    return path


def test_every_frame_is_decoded_with_its_time(tmp_path: Path) -> None:
    """No frame is left out, times start at zero."""
    frames, times_s = decode_video(_write_video(tmp_path / "a.avi"), 32, 24)
    assert frames.shape == (30, 24, 32, 3)
    np.testing.assert_allclose(times_s, np.arange(30) / 25, atol=1e-6)
    assert np.diff(frames[:, 12, 16, 0].astype(int)).min() > 0


def test_cache_decodes_once_and_notices_change(tmp_path: Path) -> None:
    """A second call reads the cache; a changed file is decoded again."""
    path = _write_video(tmp_path / "a.avi")
    cache = FrameCache(tmp_path / "cache", 32, 24)
    first, _ = cache.video(path)
    written = {file: file.stat().st_mtime_ns for file in cache.folder.iterdir()}
    second, times_s = cache.video(path)
    assert {file: file.stat().st_mtime_ns for file in cache.folder.iterdir()} == written
    np.testing.assert_array_equal(first, second)
    assert len(times_s) == 30
    assert not second.flags.writeable
    _write_video(path, frames=20)
    assert len(cache.video(path)[0]) == 20


def test_failed_making_leaves_no_file(tmp_path: Path) -> None:
    """Nothing half is kept."""
    cache = FrameCache(tmp_path / "cache")

    def fail() -> Frames:
        raise NotAVideoError("no")

    with pytest.raises(NotAVideoError):
        cache.get("x", fail)
    assert not cache.folder.exists()


def test_missing_and_broken_videos_are_told_apart(tmp_path: Path) -> None:
    """Each has its error."""
    cache = FrameCache(tmp_path / "cache")
    with pytest.raises(SourceNotFoundError):
        cache.video(tmp_path / "none.avi")
    (tmp_path / "broken.avi").write_bytes(b"no video" * 100)
    with pytest.raises(NotAVideoError):
        cache.video(tmp_path / "broken.avi")


def test_samples_are_taken_as_live_takes_them(tmp_path: Path) -> None:
    """The cached frames give the same pictures and places as reading the file does."""
    path = _write_video(tmp_path / "a.avi", rate=30)
    frames, times_s = decode_video(path, 32, 24)
    sample = Sample("k", frames, times_s, (Annotation("x", 0, np.inf),), "g", "s")
    sampling = Sampling(12.5, 32, 24)
    cached, read = list(sample_frames(sample, sampling)), list(read_frames(path, sampling))
    assert [frame.index for frame in cached] == [frame.index for frame in read]
    for one, other in zip(cached, read, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_labels_and_duration() -> None:
    """Segments are half open."""
    segments = (Annotation("a", 0, 1), Annotation("b", 1.5, 2))
    sample = Sample("k", np.zeros((4, 2, 2, 3), np.uint8), np.arange(4) / 2, segments, "g", "s")
    assert sample.duration_s == 2.0
    assert [sample.label_at(t) for t in (0, 1, 1.5, 2)] == ["a", None, "b", None]
    with pytest.raises(ValueError, match="too many"):
        _ = sample.label


def test_shrinking_goes_through_the_one_conversion() -> None:
    """Drawn pictures become what the same video would become."""
    picture = np.full((48, 64, 3), (200, 30, 5), np.uint8)
    small = shrink_frames([picture], 16, 12)
    assert small.shape == (1, 12, 16, 3)
    assert small[0, 6, 8].tolist() == [200, 30, 5]


def test_fingerprint_follows_the_data_not_the_order(squares: list[Sample]) -> None:
    """Two runs on the same data agree; one changed pixel shows."""
    one = fingerprint(squares[:3])
    assert one == fingerprint(squares[2::-1])
    frames = squares[0].frames.copy()
    frames[0, 0, 0, 0] ^= 1
    first = squares[0]
    changed = Sample("squares/left/0", frames, first.times_s, first.segments, "g0", "squares")
    assert fingerprint([changed, *squares[1:3]]) != one


def test_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The XDG base directory is respected."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "actionstream" / "frames"
