"""Frames of annotated videos: what is loaded, what is left out, what files know."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import ConfigError, NotAVideoError
from contracts.types import Annotation
from tests.training.datasets.making import write_clip, write_file
from training.datasets.dataset import Video
from training.datasets.files import VideoFiles
from training.datasets.loading import load_samples, probe
from training.datasets.reading import read_dataset
from training.datasets.summary import NO_PART, summarise
from training.samples import FrameCache


def make_folder(folder: Path) -> Path:
    """Make two clips of a class, one broken file, and a clip of another class."""
    write_clip(folder / "wave" / "kitchen" / "a.mp4", frames=10)
    write_clip(folder / "wave" / "b.mp4", frames=5)
    write_file(folder / "wave" / "broken.mp4", "no video")
    write_clip(folder / "walk" / "c.mp4", frames=20)
    return folder


def test_samples_and_what_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning counts the unreadable; frames are mapped from the cache."""
    videos = read_dataset("folders", make_folder(tmp_path / "clips")).videos
    listed = Video("elsewhere", None, 1.0, None, None, "elsewhere", ())
    seen: list[tuple[int, int]] = []
    cache = FrameCache(tmp_path / "cache", 16, 16)
    with caplog.at_level(logging.WARNING):
        samples = load_samples(
            "mine", [*videos, listed], cache, progress=lambda *done: seen.append(done)
        )
    assert [sample.key for sample in samples] == [
        "mine/walk/c",
        "mine/wave/b",
        "mine/wave/kitchen/a",
    ]
    assert [len(sample.frames) for sample in samples] == [20, 5, 10]
    assert [sample.group for sample in samples] == ["walk/c", "wave/b", "kitchen"]
    assert {sample.source for sample in samples} == {"mine"}
    assert samples[0].segments == (Annotation("walk", 0.0, math.inf),)
    assert samples[0].label == "walk"
    assert isinstance(samples[0].frames, np.memmap)
    assert seen == [(number, 5) for number in range(1, 6)]
    (record,) = caplog.records
    assert "mine: 2 of 5 videos left out: wave/broken (" in record.getMessage()
    assert "elsewhere (no file)" in record.getMessage()


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    """An empty training set would fail later, and say less."""
    cache = FrameCache(tmp_path / "cache", 16, 16)
    video = Video("elsewhere", None, 1.0, None, None, "elsewhere", ())
    with pytest.raises(ConfigError, match=r"None of the 1 videos of mine can be read: elsewhere"):
        load_samples("mine", [video], cache)
    assert not load_samples("mine", [], cache)


def test_probing_fills_what_annotations_lack(tmp_path: Path) -> None:
    """What they say stays; open ends become the length; nothing is opened without need."""
    dataset = read_dataset("folders", make_folder(tmp_path))
    videos = {video.name: video for video in dataset.videos}
    found = probe(videos["walk/c"])
    assert found.fps == 25.0
    assert found.duration_s == pytest.approx(0.8)
    assert found.annotations == (Annotation("walk", 0.0, found.duration_s or 0.0),)
    with pytest.raises(NotAVideoError):
        probe(videos["wave/broken"])
    said = Video("x", videos["wave/broken"].path, 5.0, 30.0, None, "x", ())
    assert probe(said) is said


def test_files_are_found_by_name_and_folder(tmp_path: Path) -> None:
    """Never the namesake in another folder; two that fit are an error."""
    for name in ("walk/001.mp4", "002.avi", "deep/cam/003.mkv", ".hidden/004.mp4", "readme.txt"):
        write_file(tmp_path / name, "")
    files = VideoFiles(tmp_path)
    assert files.find("wave/001") is None
    assert files.find("walk/001") == files.find("001") == tmp_path / "walk" / "001.mp4"
    assert files.find("wave/002") == tmp_path / "002.avi"
    assert files.find("cam/003") == tmp_path / "deep" / "cam" / "003.mkv"
    assert files.find("004") is None
    assert files.find("v_002", "002") == tmp_path / "002.avi"
    write_file(tmp_path / "wave" / "001.mp4", "")
    with pytest.raises(ConfigError, match=r"Which file is the video 001: .*walk.* or .*wave"):
        VideoFiles(tmp_path).find("001")
    with pytest.raises(ConfigError, match="No folder"):
        VideoFiles(tmp_path / "nowhere")
    assert VideoFiles(None).find("001") is None


def test_summary_counts(tmp_path: Path) -> None:
    """Videos, groups, segments and hours by part; lengths are unknown if one is."""
    text = (
        "video,label,start,end,part,group\na,wave,0,1800,train,g\nb,wave,0,3600,train,g\n"
        "b,walk,0,10,,\nc,wave,5,5,,\nd,,,,,\n"
    )
    dataset = read_dataset("segments", write_file(tmp_path / "mine.csv", text))
    summary = summarise(dataset)
    train, rest = summary.parts
    assert (train.part, train.videos, train.groups, train.segments) == ("train", 2, 1, 3)
    assert train.labelled_hours == pytest.approx(1.5 + 10 / 3600)
    assert (rest.part, rest.videos, rest.groups, rest.hours) == (NO_PART, 2, 2, None)
    walk, wave = summary.labels
    assert (walk.label, walk.segments, walk.videos, walk.median_s) == (
        "walk",
        {"train": 1, NO_PART: 0},
        1,
        10.0,
    )
    assert (wave.segments, wave.median_s) == ({"train": 2, NO_PART: 1}, 1800.0)
    assert summary.to_dict()["parts"][0]["videos"] == 2
