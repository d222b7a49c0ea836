"""The real annotation files: their published counts, and what they say of single videos."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.types import Annotation
from training.datasets import activitynet, merl
from training.datasets.dataset import Dataset, Video
from training.datasets.reading import FORMATS, detect_format, read_dataset

REAL = {
    "activitynet": "annotations/activitynet/activity_net.v1-3.json",
    "thumos14": "annotations/thumos14",
    "ucf101": "annotations/ucf101",
    "ucf101:3": "annotations/ucf101",
    "hmdb51": "annotations/hmdb51",
    "hmdb51:2": "annotations/hmdb51",
    "weizmann": "weizmann",
    "ut_interaction": "ut_interaction",
    "fights": "fight",
}


def find(dataset: Dataset, name: str) -> Video:
    """Return a video by its name."""
    (video,) = (video for video in dataset.videos if video.name == name)
    return video


def count_parts(dataset: Dataset) -> dict[str | None, int]:
    """Return the number of videos of each part."""
    return dict(Counter(video.part for video in dataset.videos))


@pytest.mark.parametrize("name", REAL)
def test_what_is_converted_reads_the_same(name: str, research_data: Path, tmp_path: Path) -> None:
    """Names, labels in their order, segments, splits, groups, lengths: everything but the files."""
    path = research_data / REAL[name]
    dataset = read_dataset(name, path)
    activitynet.write(dataset, tmp_path / "converted.json")
    again = read_dataset("auto", tmp_path / "converted.json")
    assert again == replace(
        dataset, videos=tuple(replace(video, path=None) for video in dataset.videos)
    )
    assert detect_format(path) == name.partition(":")[0]
    assert list(tmp_path.iterdir()) == [tmp_path / "converted.json"]


def test_activitynet_has_its_published_size(research_data: Path) -> None:
    """Release 1.3: training and validation, with the few empty segments it has."""
    dataset = read_dataset("activitynet", research_data / REAL["activitynet"])
    assert count_parts(dataset) == {"train": 10024, "validation": 4926}
    assert len(dataset.labels) == 200
    assert sum(len(video.annotations) for video in dataset.videos) == 23064
    video = find(dataset, "yUSo_xjyGhM")
    assert (video.duration_s, video.part, video.group) == (120.0, "train", "yUSo_xjyGhM")
    assert video.annotations == (
        Annotation("Washing dishes", 1.498, 84.651),
        Annotation("Washing dishes", 106.938, 117.8),
    )


def test_thumos14_has_its_published_size(research_data: Path) -> None:
    """Twenty classes, 200 and 213 videos, 3007 and 3358 segments, and Ambiguous apart."""
    dataset = read_dataset("thumos14", research_data / REAL["thumos14"])
    assert count_parts(dataset) == {"validation": 200, "test": 213}
    assert len(dataset.labels) == 20
    assert "Ambiguous" not in dataset.labels
    for part, segments, ambiguous in (("validation", 3007, 89), ("test", 3358, 99)):
        videos = dataset.part(part)
        assert sum(len(video.annotations) for video in videos) == segments
        assert sum(len(video.ignored) for video in videos) == ambiguous
    assert find(dataset, "video_test_0001292").annotations == ()
    video = find(dataset, "video_test_0000004")
    assert (video.fps, video.duration_s) == (30.0, 1012 / 30)


def test_thumos14_counts_a_dive_from_a_cliff_twice(research_data: Path) -> None:
    """As the official files do: each CliffDiving is a Diving too."""
    dataset = read_dataset("thumos14", research_data / REAL["thumos14"])
    for video in dataset.videos:
        dives = {(s.start_s, s.end_s) for s in video.annotations if s.label == "Diving"}
        cliffs = {(s.start_s, s.end_s) for s in video.annotations if s.label == "CliffDiving"}
        assert cliffs <= dives


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [("ucf101", 9537, 3783), ("ucf101:2", 9586, 3734), ("ucf101:3", 9624, 3696)],
)
def test_ucf101_splits(name: str, train: int, test: int, research_data: Path) -> None:
    """The published numbers of clips; 25 sources in each class, on one side of a split each."""
    dataset = read_dataset(name, research_data / REAL["ucf101"])
    assert count_parts(dataset) == {"train": train, "test": test}
    assert dataset.labels[:2] == ("ApplyEyeMakeup", "ApplyLipstick")
    assert len(dataset.labels) == 101
    assert len({video.group for video in dataset.videos}) == 101 * 25
    sides = [{video.group for video in dataset.part(part)} for part in ("train", "test")]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("name", ["hmdb51", "hmdb51:2", "hmdb51:3"])
def test_hmdb51_splits(name: str, research_data: Path) -> None:
    """70 and 30 clips of each class; a film is on one side within a class, but not across them."""
    dataset = read_dataset(name, research_data / REAL["hmdb51"])
    assert count_parts(dataset) == {"train": 3570, "test": 1530, None: 1666}
    assert len(dataset.labels) == 51
    for part, clips in (("train", 70), ("test", 30)):
        counts = Counter(video.annotations[0].label for video in dataset.part(part))
        assert set(counts.values()) == {clips}
    sides = [
        {(video.group, video.annotations[0].label) for video in dataset.part(part)}
        for part in ("train", "test")
    ]
    assert not sides[0] & sides[1]
    assert len({group for group, _ in sides[0]} & {group for group, _ in sides[1]}) > 100
    clip = find(dataset, "dive/96_Meter_Bungy-Jump__Jauntal_02_dive_f_cm_np1_ri_bad_0")
    assert clip.group == "96_Meter_Bungy-Jump__Jauntal_02"


def test_merl_lists_follow_the_rule_by_subject(research_data: Path) -> None:
    """The split that is read off a name is the published one, for all 106 sessions."""
    lists = research_data / "annotations" / "merl"
    count = 0
    for part in ("train", "validation", "test"):
        for session in (lists / f"{part}.txt").read_text("utf-8").split():
            assert merl.part_of(int(session.partition("_")[0])) == part
            count += 1
    assert count == 106


def test_weizmann_clips(research_data: Path) -> None:
    """Ten actions of eight actors, a file each."""
    dataset = read_dataset("weizmann", research_data / "weizmann")
    actors = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "shahar")
    assert Counter(video.group for video in dataset.videos) == dict.fromkeys(actors, 10)
    clip = find(dataset, "pjump/ido_pjump")
    assert clip.path == research_data / "weizmann" / "pjump" / "ido_pjump.avi"
    assert clip.annotations == (Annotation("pjump", 0.0, math.inf),)
    assert clip.part is None


def test_ut_interaction_clips(research_data: Path) -> None:
    """Eight sequences of each set; one set alone can be read too."""
    dataset = read_dataset("ut_interaction", research_data / "ut_interaction")
    sequences = [*range(1, 9), *range(11, 19)]
    assert {video.group for video in dataset.videos} == {f"seq{n:02d}" for n in sequences}
    assert find(dataset, "set1/punch/seq08_044").group == "seq08"
    one = read_dataset("auto", research_data / "ut_interaction" / "set2")
    assert (one.name, len(one.videos)) == ("ut_interaction", 48)
    assert "none" not in one.labels


def test_fights_of_unknown_source_are_groups_of_their_own(research_data: Path) -> None:
    """Known sources group clips of both labels."""
    dataset = read_dataset("fights", research_data / "fight")
    assert len(dataset.videos) == 248
    assert all(video.path is not None for video in dataset.videos)
    unknown = [video for video in dataset.videos if video.group == video.name]
    assert len(unknown) == 28
    assert find(dataset, "fight/fi001").group == "source03"


def test_every_general_format_has_a_line_of_help() -> None:
    """What the command lists."""
    assert all(reader.summary for reader in FORMATS.values())
