"""Segments as labelling tools export them, after files that the tools wrote."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError
from tests.training.datasets.making import HOSTILE, read_or_refuse, write_clip, write_file
from training.datasets.dataset import Dataset
from training.datasets.reading import detect_format, read_dataset

VIA_CSV = r"""# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# Notes:
# - temporal coordinate of [1.349,2.741] denotes a temporal segment from time 1.346 sec. to 2.741 sec.
# SHAPE_ID = {"POINT":1,"RECTANGLE":2}
# FLAG_ID = {"RESERVED_FOR_FUTURE":1}
# ATTRIBUTE = {"1":{"aname":"Action","type":4,"options":{"0":"wave","1":"walk"}},"2":{"aname":"Note","type":1,"options":{}}}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_j5sJvB9h","[""hall é.mp4""]",0,"[1.124,5.31493]","[]","{""1"":""0"",""2"":""_DEFAULT""}"
"1_zYQJk2sM","[""hall é.mp4""]",0,"[2.41892]","[2,162.262,176.21971,639.45,192.49481]","{""1"":""1""}"
"1_vL68gsEX","[""yard.mp4""]",0,"[0.5,2]","[]","{""1"":""1""}"
"""  # noqa: E501 (as the tool writes it)
VIA_OLD_CSV = (
    "# Exported using VGG Image Annotator\n"
    "# CSV_HEADER = metadata_id,file_list,temporal_segment_start,temporal_segment_end,metadata\n"
    '"1_a","yard.mp4",0.5,2,"{""TEMPORAL-SEGMENTS"":""walk""}"\n'
)
VIA_PROJECT: dict[str, Any] = {
    "project": {"pid": "__VIA_PROJECT_ID__", "vid_list": ["1", "2"]},
    "config": {},
    "attribute": {
        "1": {"aname": "Action", "type": 2, "options": {"0": "wave", "1": "walk"}},
    },
    "file": {
        "1": {"fid": "1", "fname": "hall.mp4", "type": 4, "loc": 1, "src": ""},
        "2": {
            "fid": "2",
            "fname": "",
            "type": 4,
            "loc": 2,
            "src": "https://example.org/v/yard.mp4",
        },
    },
    "metadata": {
        "1_x": {"vid": "1", "flg": 0, "z": [1.5, 3], "xy": [], "av": {"1": "0,1"}},
        "1_y": {"vid": "1", "flg": 0, "z": [2], "xy": [2, 1, 1, 5, 5], "av": {"1": "1"}},
    },
    "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
}
LABEL_STUDIO: list[dict[str, Any]] = [
    {
        "id": 7,
        "data": {"video": "/data/upload/3/0a1b2c3d-hall.mp4", "note": "no video"},
        "annotations": [
            {"was_cancelled": True, "result": []},
            {
                "ground_truth": True,
                "result": [
                    {
                        "type": "timelinelabels",
                        "value": {
                            "ranges": [{"start": 26, "end": 50}],
                            "timelinelabels": ["wave"],
                        },
                    },
                    {"type": "videorectangle", "value": {"sequence": [], "labels": ["person"]}},
                ],
            },
        ],
    },
    {"id": 8, "data": {"video": "/data/local-files/?d=clips/yard.mp4"}, "annotations": []},
]
ELAN_NAMED = (
    '"#file:///home/me/session.eaf -- offset: 0, duration: 00:01:00.000 / 60000 / 60.0"\n'
    "Tier\tBegin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tEnd Time - hh:mm:ss.ms\t"
    "End Time - ss.msec\tDuration - hh:mm:ss.ms\tDuration - ss.msec\tdefault\n"
    "Person\t00:00:01.500\t1.5\t00:00:03.250\t3.25\t00:00:01.750\t1.75\twave\n"
    'Person\t01:00:00.000\t3600.0\t01:00:02.000\t3602.0\t00:00:02.000\t2.0\twalk "fast\n'
)
ELAN_TIERS = (
    "Begin Time - msec\tEnd Time - msec\tDuration - msec\tleft hand\tright hand\n"
    "1500\t3250\t1750\twave\t\n2000\t4000\t2000\t\tpoint\n"
)
ELAN_UNNAMED = (
    "Person\t\t00:00:01.500\t1.5\t00:00:03.250\t3.25\t00:00:01.750\t1.75\twave\n"
    "Person\t\t00:00:05.000\t5.0\t00:00:06.000\t6.0\t00:00:01.000\t1.0\twalk\n"
)


def spans_of(dataset: Dataset) -> dict[str, list[tuple[str, float, float]]]:
    """Return label, start and end of every video's annotations."""
    return {
        video.name: [(span.label, span.start_s, span.end_s) for span in video.annotations]
        for video in dataset.videos
    }


@pytest.mark.parametrize(
    "text",
    [
        "video,label,start,end\nhall.mp4,wave,1.5,3.25\nhall.mp4,walk,0,1\nyard.mp4,,,\n",
        "\ufeffFile;Action;Start_s;End_s\r\nhall;wave;1,5;3,25\r\nhall;walk;0;1\r\nyard;;;\r\n",
        "start\tend\tclass\tvideo_id\n00:01.5\t00:00:03.250\twave\thall\n"
        "0\t1\twalk\thall\n\t\t\tyard\n",
        'label,video,start,end,note\n"wave","hall.mp4",00:00:01.500,3.25,"a, b"\n'
        "walk,hall,0,1\n,yard,\n",
    ],
)
def test_plain_tables(text: str, tmp_path: Path) -> None:
    """Commas, semicolons, tabs; seconds and clock times; any order; videos without segments."""
    dataset = read_dataset("auto", write_file(tmp_path / "mine.csv", text))
    assert spans_of(dataset) == {
        "hall": [("walk", 0.0, 1.0), ("wave", 1.5, 3.25)],
        "yard": [],
    }
    assert (dataset.name, dataset.labels) == ("segments", ("walk", "wave"))


def test_plain_tables_may_say_part_and_group(tmp_path: Path) -> None:
    """Once is enough; two answers are an error that names the line."""
    head = "video,label,start,end,split,group\ncam1/a.mp4,wave,0,1,val,anna\n"
    path = write_file(tmp_path / "mine.csv", head + "cam1/a.mp4,walk,1,2,,\n")
    clip = write_clip(tmp_path / "videos" / "cam1" / "a.mkv")
    write_clip(tmp_path / "videos" / "cam2" / "a.mkv")
    (video,) = read_dataset("segments", path, tmp_path / "videos").videos
    assert (video.name, video.part, video.group) == ("cam1/a", "validation", "anna")
    assert video.path == clip
    write_file(path, head + "cam1/a.mp4,walk,1,2,test,anna\n")
    with pytest.raises(ConfigError, match=r"line 3: cam1/a is in part validation and test"):
        read_dataset("segments", path)


def test_a_table_without_videos_is_about_its_namesake(tmp_path: Path) -> None:
    """One file per video, in a folder."""
    for name, label in (("hall", "wave"), ("yard", "walk")):
        write_file(tmp_path / f"{name}.csv", f"label,start,end\n{label},1,2\n")
    dataset = read_dataset("segments", tmp_path)
    assert spans_of(dataset) == {"hall": [("wave", 1.0, 2.0)], "yard": [("walk", 1.0, 2.0)]}


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ([{"video": "hall.mp4", "label": "wave", "start": 1.5, "end": "00:03.25"}], "hall"),
        ({"segments": [{"video": "hall", "label": "wave", "start": 1.5, "end": 3.25}]}, "hall"),
        ({"duration": 9, "annotations": [{"label": "wave", "segment": [1.5, 3.25]}]}, "mine"),
    ],
)
def test_plain_json(document: Any, name: str, tmp_path: Path) -> None:
    """A list of segments, under a key or not; and one video's annotations in our own form."""
    path = write_file(tmp_path / "mine.json", json.dumps(document))
    assert spans_of(read_dataset("auto", path)) == {name: [("wave", 1.5, 3.25)]}


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        (VIA_CSV, {"hall é": [("wave", 1.124, 5.31493)], "yard": [("walk", 0.5, 2.0)]}),
        (VIA_OLD_CSV, {"yard": [("walk", 0.5, 2.0)]}),
        (ELAN_NAMED, {"mine": [("wave", 1.5, 3.25), ('walk "fast', 3600.0, 3602.0)]}),
        (ELAN_TIERS, {"mine": [("wave", 1.5, 3.25), ("point", 2.0, 4.0)]}),
        (ELAN_UNNAMED, {"mine": [("wave", 1.5, 3.25), ("walk", 5.0, 6.0)]}),
    ],
)
def test_exports_as_text(text: str, spans: dict[str, Any], tmp_path: Path) -> None:
    """VIA's and ELAN's, recognised by themselves, whatever the line ends."""
    for ends in ("\n", "\r\n"):
        path = write_file(tmp_path / "mine.txt", text.replace("\n", ends))
        assert detect_format(path) == "segments"
        assert spans_of(read_dataset("auto", path)) == spans


def test_via_projects(tmp_path: Path) -> None:
    """Several ticked options are several labels; regions and stills are passed over."""
    path = write_file(tmp_path / "via.json", json.dumps(VIA_PROJECT))
    assert spans_of(read_dataset("auto", path)) == {
        "hall": [("wave", 1.5, 3.0), ("walk", 1.5, 3.0)],
        "yard": [],
    }


def test_label_studio_frames_need_the_video(tmp_path: Path) -> None:
    """Frames 26 to 50 of 25 per second are the second second."""
    path = write_file(tmp_path / "export.json", json.dumps(LABEL_STUDIO))
    write_clip(tmp_path / "videos" / "hall.mp4")
    dataset = read_dataset("auto", path, tmp_path / "videos")
    assert spans_of(dataset) == {"hall": [("wave", 1.0, 2.0)], "yard": []}
    with pytest.raises(ConfigError, match=r"task 1: .*frame rate of hall is unknown.*--videos"):
        read_dataset("segments", path)


def test_label_studio_min_and_seconds(tmp_path: Path) -> None:
    """The smaller export, and regions of a sound track."""
    tasks = [
        {
            "id": 1,
            "video": "s3://bucket/hall.mp4",
            "labels": [{"start": 1.5, "end": 3.25, "labels": ["wave"], "channel": 0}],
        }
    ]
    path = write_file(tmp_path / "export.json", json.dumps(tasks))
    assert spans_of(read_dataset("auto", path)) == {"hall": [("wave", 1.5, 3.25)]}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "video,label,start,end\na,wave,3,1\n", r"line 2: the span 3 to 1 ends before"),
        ("a.csv", "video,label,start,end\na,,3,4\n", r"line 2: a segment has no label"),
        ("a.csv", "video,label,start,end\n,wave,3,4\n", r"line 2: no video is named"),
        ("a.csv", "video,label,start,end\na,wave,soon,4\n", r"line 2: 'soon' to '4' is not a span"),
        ("a.csv", "video,label,start,end\n", "names no video"),
        ("a.csv", "wave,walk\n1,2\n", "no known form of segments. Expected a table"),
        ("a.json", "{", r"a\.json, line 1: not JSON"),
        ("a.json", "[]", "no known form"),
        ("a.json", "[" * 100_000, "not JSON that can be read"),
        (
            "a.json",
            '[{"label": 1, "segment": [1]}]',
            r"segment 1: expected a segment \[start, end\]",
        ),
        (
            "a.json",
            '[{"label": {}, "start": 1, "end": 2}]',
            "segment 1: expected names and numbers",
        ),
        ("a.txt", VIA_CSV.replace('{""1"":""0"",', "{"), r"line 8: the segment has no label"),
        ("a.txt", VIA_CSV.replace("[1.124,", "[1.124"), r"line 8: '\[1\.1245\.31493\]'|line 8"),
        ("a.txt", ELAN_UNNAMED + "Person\t\t5\n", "line 3: expected tier, begin and end"),
        ("a.txt", ELAN_TIERS.replace("1500\t", "\t"), "line 2: no begin time"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    name: str, text: str, problem: str, tmp_path: Path
) -> None:
    """File and line, or entry."""
    with pytest.raises(ConfigError, match=problem):
        read_dataset("segments", write_file(tmp_path / name, text))


def test_damaged_projects_are_refused(tmp_path: Path) -> None:
    """References that lead nowhere."""
    for change, problem in (
        ({"view": {"1": {"fid_list": []}}}, "view 1: there is no file ''"),
        ({"view": {"1": []}}, "view: expected an object at 1"),
        ({"metadata": {"1_x": {"vid": "9"}}}, "metadata 1_x: there is no view 9"),
        ({"metadata": [1]}, "metadata: expected an object"),
    ):
        path = write_file(tmp_path / "via.json", json.dumps(VIA_PROJECT | change))
        with pytest.raises(ConfigError, match=problem):
            read_dataset("segments", path)


@settings(deadline=None, max_examples=150)
@given(text=HOSTILE, suffix=st.sampled_from(["csv", "txt", "tsv", "json"]))
def test_hostile_text_is_read_or_refused(text: str, suffix: str) -> None:
    """No text whatever leads to anything but a dataset or a message."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_file(Path(folder) / f"a.{suffix}", text)
        read_or_refuse(lambda: read_dataset("segments", path))


_LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_KEYS = st.sampled_from(
    [
        *("id", "data", "video", "annotations", "result", "value", "ranges", "timelinelabels"),
        *("start", "end", "labels", "label", "segment", "segments", "file", "view", "metadata"),
        *("fid_list", "1", "vid", "z", "av", "attribute", "options", "database", "taxonomy"),
        *("duration", "subset", "group", "fps", "ignored", "fname", "nodeId", "parentId"),
    ]
)
_TREE = st.recursive(
    _LEAF | st.just("a.mp4"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None, max_examples=200)
@given(tree=_TREE, frame=st.sampled_from(["{}", '{"database": {"v": {}}}', "list"]))
def test_hostile_json_is_read_or_refused(tree: Any, frame: str) -> None:
    """Nor does any JSON of the keys that the formats are made of."""
    if frame == "list":
        tree = [{"id": 1, "data": {"video": "a.mp4"}, "annotations": [{"result": [tree]}]}]
    elif frame != "{}":
        tree = {"database": {"v": tree}, "taxonomy": tree}
    with tempfile.TemporaryDirectory() as folder:
        path = write_file(Path(folder) / "a.json", json.dumps(tree))
        read_or_refuse(lambda: read_dataset("segments", path))
        read_or_refuse(lambda: read_dataset("activitynet", path))
