"""The datasets: labels agree, splits keep actors apart, and real folders are read."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from contracts.errors import ConfigError
from inference.bundle import find_bundle
from training import figures
from training.catalogue import DATASETS, PARTS, DataOptions, describe, load_dataset
from training.data import (
    INTERACTIONS,
    LABEL_NAMES,
    UT_SPLIT,
    WEIZMANN_ACTORS,
    WEIZMANN_SPLIT,
    find_data,
)

_MODELS = Path(__file__).resolve().parents[2] / "models"


def test_labels_are_those_that_are_drawn_and_shipped() -> None:
    """One set of names in training data, drawn figures and the shipped bundle."""
    assert set(LABEL_NAMES) == set(figures.LABELS)
    assert find_bundle("everyday", _MODELS).label_names == LABEL_NAMES


def test_no_actor_stands_on_both_sides() -> None:
    """The parts of the split share nobody."""
    parts = {
        part: {a for a in WEIZMANN_ACTORS if WEIZMANN_SPLIT.part_of(a) == part} for part in PARTS
    }
    assert parts["test"] == {"lyova", "shahar"}
    assert parts["validation"] == {"lena"}
    assert len(parts["train"]) == 5
    assert not UT_SPLIT.validation & UT_SPLIT.test


def test_unknown_names_say_which_there_are() -> None:
    """Datasets and parts."""
    with pytest.raises(ConfigError, match=r"No dataset 'x'.*weizmann"):
        load_dataset("x", "test", DataOptions())
    with pytest.raises(ConfigError, match=r"No part 'x'.*validation"):
        load_dataset("weizmann", "x", DataOptions())


def test_missing_data_say_where_they_were_looked_for(tmp_path: Path) -> None:
    """The message names the folder and the flag."""
    with pytest.raises(ConfigError, match=r"No folder 'weizmann' in .*--data"):
        find_data(tmp_path, "weizmann")
    (tmp_path / "weizmann").mkdir()
    options = DataOptions(root=tmp_path, cache=tmp_path / "cache")
    with pytest.raises(ConfigError, match=r"weizmann"):
        load_dataset("weizmann", "test", options)


def test_drawn_parts_share_no_seed(tmp_path: Path) -> None:
    """Drawn clips: every label, other pictures in every part, the same on a second call."""
    options = DataOptions(cache=tmp_path, drawn=(1, 1, 1), width=64, height=48)
    seen = {}
    for part in ("train", "test"):  # a part takes some seconds to draw
        samples = load_dataset("figures", part, options)
        assert {sample.label for sample in samples} == set(LABEL_NAMES)
        assert samples[0].frames.shape[1:] == (48, 64, 3)
        seen[part] = samples
    groups = [{sample.group for sample in samples} for samples in seen.values()]
    assert not groups[0] & groups[1]
    assert (seen["train"][0].frames != seen["test"][0].frames).any()
    again = load_dataset("figures", "test", options)
    np.testing.assert_array_equal(again[3].frames, seen["test"][3].frames)


@pytest.mark.slow
def test_real_data_are_read_in_all_parts(research_data: Path, tmp_path: Path) -> None:
    """Eighty clips of eight actors, empty scenes, still ones, interactions."""
    options = DataOptions(root=research_data, cache=tmp_path, width=32, height=24)
    sizes = {part: len(load_dataset("weizmann", part, options)) for part in PARTS}
    assert sizes == {"train": 50, "validation": 10, "test": 20}
    empty = load_dataset("empty", "test", options)
    assert {sample.label for sample in empty} == {"none"}
    stills = load_dataset("still", "test", options)
    assert {sample.group for sample in stills} <= {"lyova", "shahar"}
    pairs = load_dataset("interactions", "test", options)
    assert {sample.group for sample in pairs} == {"seq07", "seq08", "seq17", "seq18"}
    assert {sample.label for sample in pairs} == {*INTERACTIONS, "none"}
    assert "seq07" in json.dumps(describe(pairs))


def _fight(folder: Path, clip: str) -> None:
    path = folder / clip
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            target.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        target.mux(stream.encode(None))


def test_fights_are_split_by_source_and_unknown_sources_left_out(tmp_path: Path) -> None:
    """Clips of one source stand on one side; without a source a clip stands on none."""
    rows = [f"fight/f{n}.mp4,fight,source{n // 2}" for n in range(20)]
    rows += ["fight/unknown.mp4,fight,", "no_fight/calm.mp4,no_fight,source0"]
    for row in rows:
        _fight(tmp_path / "fight", row.partition(",")[0])
    listed = "\n".join(["clip,label,source", *rows])
    (tmp_path / "fight" / "sources.csv").write_text(listed, encoding="utf-8")
    options = DataOptions(root=tmp_path, cache=tmp_path / "cache", width=16, height=16)
    parts = {part: load_dataset("fights", part, options) for part in PARTS}
    assert {part: len(samples) for part, samples in parts.items()} == {
        "train": 13,
        "validation": 4,
        "test": 4,
    }
    groups = [{sample.group for sample in samples} for samples in parts.values()]
    assert not groups[0] & groups[1]
    assert not (groups[0] | groups[1]) & groups[2]


@pytest.mark.slow
def test_recoded_clips_show_the_same(research_data: Path, tmp_path: Path) -> None:
    """Enlarged and coded as H.264, a clip keeps its frames, times and, nearly, its pictures."""
    options = DataOptions(root=research_data, cache=tmp_path, width=64, height=48)
    plain = load_dataset("weizmann", "validation", options)[0]
    coded = load_dataset("weizmann-h264", "validation", options)[0]
    assert coded.key == plain.key
    np.testing.assert_allclose(coded.times_s, plain.times_s, atol=0.002)
    assert np.abs(coded.frames.astype(int) - plain.frames).mean() < 6
    assert "weizmann-h264" in DATASETS
