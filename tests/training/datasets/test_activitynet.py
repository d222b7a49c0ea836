"""ActivityNet's form: what others wrote, what we write, and what is refused."""

from __future__ import annotations

import json
import math
import string
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError
from contracts.types import Annotation
from tests.training.datasets.making import write_clip, write_file
from training.datasets import activitynet
from training.datasets.dataset import PARTS, Dataset, Video, make_dataset

_NAMES = st.text(string.ascii_letters + string.digits + "é_- /.", min_size=1, max_size=12)
_TIMES = st.floats(0, 1e6, allow_nan=False)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Annotation, ...]:
    """Some annotations by start, the last of which may be open."""
    found = []
    for label, *ends in draw(
        st.lists(st.tuples(st.sampled_from("abc"), _TIMES, _TIMES), max_size=4)
    ):
        end_s = draw(st.sampled_from([max(ends), math.inf]))
        found.append(Annotation(label, min(ends), end_s))
    return tuple(sorted(found, key=lambda span: span.start_s))


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Any dataset without files."""
    videos = [
        Video(
            name=name,
            path=None,
            duration_s=draw(st.none() | _TIMES),
            fps=draw(st.none() | st.floats(1, 240)),
            part=draw(st.sampled_from([None, *PARTS])),
            group=draw(st.just(name) | _NAMES),
            annotations=draw(spans()),
            ignored=draw(spans()),
        )
        for name in draw(st.lists(_NAMES, unique=True, min_size=1, max_size=4))
    ]
    return make_dataset("made", videos, draw(st.permutations("abc")))


@settings(deadline=None)
@given(dataset=datasets())
def test_what_is_written_reads_the_same(dataset: Dataset) -> None:
    """Every field but the files, and labels that no video has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "made.json"
        activitynet.write(dataset, path)
        assert activitynet.read(path) == dataset


def test_the_official_shape_is_read(tmp_path: Path) -> None:
    """The taxonomy's leaves in their order; files as ActivityNet's are named."""
    document = {
        "version": "VERSION 1.3",
        "taxonomy": [
            {"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None},
            {"nodeId": 1, "nodeName": "Sports", "parentId": 0, "parentName": "Root"},
            {"nodeId": 2, "nodeName": "Zumba", "parentId": 1, "parentName": "Sports"},
            {"nodeId": 3, "nodeName": "Archery", "parentId": 1, "parentName": "Sports"},
        ],
        "database": {
            "abc": {
                "duration": 9,
                "subset": "testing",
                "resolution": "320x240",
                "url": "https://example.org/watch?v=abc",
                "annotations": [],
            },
            "xyz": {
                "duration": 12.5,
                "subset": "training",
                "annotations": [
                    {"segment": [5, 6.5], "label": "Archery"},
                    {"segment": [0.5, 2], "label": "Zumba"},
                ],
            },
        },
    }
    path = write_file(tmp_path / "official.json", "\ufeff" + json.dumps(document))
    clip = write_clip(tmp_path / "videos" / "v_xyz.mkv")
    dataset = activitynet.read(path, tmp_path / "videos")
    assert (dataset.name, dataset.labels) == ("activitynet", ("Zumba", "Archery"))
    test, train = dataset.videos
    assert (test.part, test.duration_s, test.path, test.annotations) == ("test", 9.0, None, ())
    assert (train.part, train.group, train.path) == ("train", "xyz", clip)
    assert [span.label for span in train.annotations] == ["Zumba", "Archery"]


def test_what_is_written_is_what_other_tools_take(tmp_path: Path) -> None:
    """Official names of subsets, and no number that JSON does not have."""
    video = Video("a", None, None, None, "train", "a", (Annotation("wave", 0.0, math.inf),))
    path = tmp_path / "made.json"
    activitynet.write(make_dataset("made", [video]), path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    assert document["version"]
    assert document["taxonomy"][1] == {
        "nodeId": 1,
        "nodeName": "wave",
        "parentId": 0,
        "parentName": "Root",
    }
    entry = document["database"]["a"]
    assert (entry["subset"], entry["duration"]) == ("training", None)
    assert entry["annotations"] == [{"label": "wave", "segment": [0.0, None]}]


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    """Whole or not at all, and nothing beside it."""
    dataset = make_dataset("made", [Video("a", None, None, None, None, "a", ())])
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(ConfigError, match=r"Cannot write .*taken\.json: Is a directory"):
        activitynet.write(dataset, tmp_path / "taken.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.json"]


@pytest.mark.parametrize(
    ("database", "problem"),
    [
        ({"v": 1}, "v: expected an object with annotations"),
        ({"v": {"annotations": [{"label": "a"}]}}, "v: no such keys; expected"),
        ({"v": {"annotations": [{"segment": [3, 1], "label": "a"}]}}, "ends before it starts"),
        ({"v": {"annotations": [{"segment": ["1", 2], "label": "a"}]}}, "'1' is not a number"),
        ({"v": {"annotations": [{"segment": [1, 2], "label": 3}]}}, "has no label"),
        ({"v": {"annotations": 5}}, "expected"),
        ({"v": {"duration": -1}}, "v: duration: -1 is not a time"),
        ({"v": {"subset": "held out"}}, "v: no part 'held out'"),
        ({}, "names no video"),
    ],
)
def test_what_is_wrong_is_said_with_its_video(database: Any, problem: str, tmp_path: Path) -> None:
    """The file and the entry."""
    path = write_file(tmp_path / "a.json", json.dumps({"database": database}))
    with pytest.raises(ConfigError, match=rf"a\.json.*{problem}"):
        activitynet.read(path)


def test_labels_beyond_the_taxonomy_are_refused(tmp_path: Path) -> None:
    """Their numbers would be anybody's guess."""
    document = {
        "taxonomy": [{"nodeId": 1, "nodeName": "wave", "parentId": 0}],
        "database": {"v": {"annotations": [{"segment": [1, 2], "label": "walk"}]}},
    }
    path = write_file(tmp_path / "a.json", json.dumps(document))
    with pytest.raises(ConfigError, match=r"a\.json: .*labels that are not in its list: walk"):
        activitynet.read(path)
    with pytest.raises(ConfigError, match="expected nodes with nodeId"):
        activitynet.read(write_file(path, json.dumps(document | {"taxonomy": [1]})))
    with pytest.raises(ConfigError, match="not in ActivityNet's form"):
        activitynet.read(write_file(path, "[]"))
