"""Classes of one's own: what is decided about data, background, parts and names."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError
from contracts.types import Annotation
from inference.bundle import Bundle
from training.datasets.dataset import Dataset, Video, make_dataset
from training.samples import FrameCache, Sample

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,ungrouped-imports  # these import torch, which may be missing
from stack.commands.training import train as train_command
from training.config_file import config_from_dict
from training.figures.video import Coding, write_video
from training.finetune import Naming, bundle_name, check_config, own_config, own_plan
from training.own_data import HELD_STILL, OwnData, cut_scenes, load, prepare

_DRAWN = Path(__file__).resolve().parents[2] / "models" / "drawn"


def _clip(
    label: str, number: int, group: str = "", part: str | None = None, path: Path | None = None
) -> Video:
    name = f"{label}/{number}"
    whole = (Annotation(label, 0.0, math.inf),)
    return Video(name, path, None, None, part, group or name, whole)


def _clips(*labels: str, groups: int = 6) -> Dataset:
    """Two clips of each label in each group."""
    return make_dataset(
        "mine",
        [
            _clip(label, 2 * group + number, f"g{group}")
            for label in labels
            for group in range(groups)
            for number in range(2)
        ],
    )


def _parts_by_group(own: OwnData) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for video in own.dataset.videos:
        found.setdefault(video.group, set()).add(video.part)
    return found


def test_groups_are_divided_and_the_background_comes_last() -> None:
    own = prepare(_clips("wave", "none", "bend"))
    assert own.labels == ("bend", "wave", "none")
    assert own.background == "none"
    assert own.recorded
    assert all(len(parts) == 1 for parts in _parts_by_group(own).values())
    assert [own.count("wave", part) for part in ("train", "validation", "test")] == [8, 2, 2]
    assert own.judged_part == "test"
    assert not own.notes
    assert prepare(_clips("wave", "none", "bend")) == own


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=25),
    st.integers(0, 3),
)
def test_whatever_there_is_every_class_can_be_learned(
    videos: list[tuple[str, int]], seed: int
) -> None:
    """No group on two sides, nothing left out, every class in the training part."""
    dataset = make_dataset(
        "mine", [_clip(label, n, f"g{group}") for n, (label, group) in enumerate(videos)]
    )
    own = prepare(dataset, seed=seed)
    assert len(own.dataset.videos) == len(dataset.videos)
    assert all(len(parts) == 1 for parts in _parts_by_group(own).values())
    assert all(own.count(label, "train") for label in own.actions)


def test_with_a_single_recording_nothing_is_held_out_and_that_is_said() -> None:
    own = prepare(_clips("wave", "bend", groups=1))
    assert own.judged_part is None
    assert own.count("wave", "train") == 2
    assert any("Nothing is held out" in note for note in own.notes)
    assert any("held still" in note for note in own.notes)
    two = prepare(_clips("wave", "bend", groups=2))
    assert two.judged_part == "validation"
    assert any("flatter" in note for note in two.notes)


def test_clips_without_groups_are_warned_about() -> None:
    videos = [_clip(label, number) for label in ("wave", "none") for number in range(10)]
    (note,) = prepare(make_dataset("mine", videos)).notes
    assert "recording of its own" in note


@pytest.mark.parametrize("name", ["none", "No Action", "no-action", "Background", "OTHER"])
def test_a_background_is_known_by_its_name(name: str) -> None:
    own = prepare(_clips("wave", name))
    assert (own.background, own.recorded) == (name, True)
    assert own.labels == ("wave", name)


def test_another_background_can_be_named_and_two_are_refused() -> None:
    assert prepare(_clips("wave", "idle"), background="idle").labels == ("wave", "idle")
    assert prepare(_clips("wave", "idle")).labels == ("idle", "wave", "none")
    with pytest.raises(ConfigError, match="--background"):
        prepare(_clips("wave", "none", "other"))
    chosen = prepare(_clips("wave", "none", "other"), ["wave", "other"])
    assert (chosen.labels, chosen.background) == (("wave", "other"), "other")
    with pytest.raises(ConfigError, match="no class 'nobody'"):
        prepare(_clips("wave"), background="nobody")
    with pytest.raises(ConfigError, match="no class beside"):
        prepare(_clips("none"))


def test_of_many_classes_some_are_chosen_and_the_background_stays() -> None:
    own = prepare(_clips("wave", "bend", "kick", "none"), ["wave", "kick"])
    assert own.labels == ("kick", "wave", "none")
    assert {video.annotations[0].label for video in own.dataset.videos} == {"kick", "wave", "none"}
    with pytest.raises(ConfigError, match="wav"):
        prepare(_clips("wave", "bend"), ["wav"])


def test_parts_that_are_there_are_kept() -> None:
    videos = [
        _clip(label, number, f"{part}{number}", part)
        for label in ("wave", "none")
        for part, count in (("train", 5), ("test", 2))
        for number in [n + 10 * (part == "test") for n in range(count)]
    ]
    own = prepare(make_dataset("mine", videos))
    assert own.count("wave", "test") == 2
    assert own.count("wave", "validation") >= 1
    assert own.count("wave", "train") >= 3
    tested = [replace(video, part="test") for video in videos]
    with pytest.raises(ConfigError, match="no training part; it has test"):
        prepare(make_dataset("mine", tested))


def test_untrimmed_video_is_cut_and_unlabelled_time_is_background() -> None:
    spans = (Annotation("wave", 2.0, 4.0), Annotation("bend", 4.5, 6.0))
    ignored = (Annotation("kick", 8.0, 10.0),)
    video = Video("long", None, 12.0, 25.0, "train", "long", spans, ignored)
    frames = np.arange(300, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    sample = Sample("mine/long", frames, np.arange(300) / 25, spans, "long", "mine")
    scenes = cut_scenes(sample, video, "none")
    found = [(scene.label, len(scene.frames), int(scene.frames[0, 0, 0, 0])) for scene in scenes]
    # 6 to 8 s and 10 to 12 s, but not the half second between wave and bend.
    assert found == [
        ("wave", 50, 50),
        ("bend", 37, 113),
        ("none", 50, 0),
        ("none", 50, 150),
        ("none", 50, 250),
    ]
    assert all(scene.times_s[0] == 0 for scene in scenes)
    assert len({scene.key for scene in scenes}) == len(scenes)


def test_without_recorded_background_validation_sees_pictures_held_still(tmp_path: Path) -> None:
    """Real files, one of them broken and one a single picture."""
    rng = np.random.default_rng(0)
    videos = []
    for label in ("wave", "bend"):
        for number in range(4):
            path = tmp_path / f"{label}{number}.mp4"
            frames = list(rng.integers(0, 255, (1 if number == 3 else 12, 32, 32, 3), np.uint8))
            write_video(path, frames, Coding((32, 32), 25.0))
            part = "validation" if number == 0 else "train"
            videos.append(_clip(label, number, part=part, path=path))
    (tmp_path / "wave1.mp4").write_bytes(b"no video")
    own = OwnData(make_dataset("mine", videos), "none", ())
    data = load(own, "mine", FrameCache(tmp_path / "cache", 32, 32))
    assert data.labels == ("bend", "wave", "none")
    assert data.background == "none"
    assert len(data.train) == 5
    assert {sample.source for sample in data.validation} == {"mine", HELD_STILL}
    still = [sample for sample in data.validation if sample.source == HELD_STILL]
    assert {sample.label for sample in still} == {"none"}

    lacking = [video for video in videos if video.annotations[0].label == "wave"]
    lacking = [replace(video, part="validation") for video in lacking]
    others = [video for video in videos if video.annotations[0].label == "bend"]
    with pytest.raises(ConfigError, match="No video of 'wave'"):
        load(
            replace(own, dataset=make_dataset("mine", [*lacking, *others])),
            "mine",
            FrameCache(tmp_path / "cache", 32, 32),
        )


def test_the_network_is_that_of_the_start_for_other_classes() -> None:
    own = prepare(_clips("wave", "bend"))
    config = own_config(_DRAWN, own)
    assert config.net.classes == 3
    assert config.start.path == _DRAWN
    assert config.start.encoder_rate < 1
    wanted = Bundle.load(_DRAWN).input
    shape = config.shape
    assert (shape.frames, shape.fps) == (config.net.frames, wanted.fps)
    assert (shape.reference, config.validation.stride) == (wanted.reference, wanted.stride)
    assert config.changes.mirror > 0
    check_config(config, own)
    with pytest.raises(ConfigError, match=r"`net\.classes` is 7"):
        check_config(replace(config, net=replace(config.net, classes=7)), own)
    with pytest.raises(ConfigError, match=r"`shape\.frames`"):
        check_config(replace(config, net=replace(config.net, frames=8)), own)


def test_where_left_and_right_are_classes_nothing_is_mirrored() -> None:
    assert own_config(_DRAWN, prepare(_clips("swipe-left", "Swipe Right"))).changes.mirror == 0
    assert own_config(_DRAWN, prepare(_clips("bright", "cleft"))).changes.mirror > 0


def test_a_plan_carries_the_terms_of_the_weights_it_starts_from() -> None:
    own = prepare(_clips("signal stop", "pick-up"))
    plan = own_plan(Naming("gestures", "clips", "actionstream train clips"), own, _DRAWN)
    assert [label.title for label in plan.labels] == ["Pick up", "Signal stop", "None"]
    assert plan.background == "none"
    assert plan.data[0].use == "16 videos to learn from, 4 to choose on"
    assert plan.data[1].terms == "as the project"
    assert "drawn@" in plan.data[1].use
    assert any("held still" in limit for limit in plan.limits)
    assert len(own_plan(Naming("g", "clips", ""), own, None).data) == 1


def test_names_of_bundles_are_names_of_folders(tmp_path: Path) -> None:
    assert bundle_name(None, tmp_path / "My clips (2)") == "My-clips-2"
    file = tmp_path / "labels.v2.json"
    file.touch()
    assert bundle_name(None, file) == "labels.v2"
    assert bundle_name("gestures_1", tmp_path) == "gestures_1"
    for name in ("", "../up", "a b", ".hidden", "x" * 65):
        with pytest.raises(ConfigError, match="cannot be called"):
            bundle_name(name, tmp_path)


def test_the_page_names_keys_and_options_that_exist() -> None:
    """Every setting that docs/train-your-own.md recommends is accepted."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "train-your-own.md").read_text("utf-8")
    base = own_config(_DRAWN, prepare(_clips("wave", "bend")))
    snippets = re.findall(r"`([a-z]+: [^`]+)`", page) + re.findall(
        r"# gestures.yaml\n(.*?)```", page, re.S
    )
    taken = [yaml.safe_load(text) for text in snippets if not text.startswith("model:")]
    assert len(taken) >= 8
    for tree in taken:
        config_from_dict(tree, base)
    options = set(re.findall(r"--[a-z]+", page.partition("## 4. Train")[2].partition("## 5.")[0]))
    known = {flag for parameter in train_command.params for flag in parameter.opts}
    assert options <= known
