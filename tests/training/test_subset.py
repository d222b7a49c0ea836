"""Small versions of datasets: balanced, grouped, the same for the same seed; clips cut exactly."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError, NotAVideoError
from contracts.types import Annotation
from stack.commands.data_tools import subset as subset_command
from streaming.files import probe
from training.datasets import activitynet
from training.datasets.cut import Clip, How, clip_spans, cut, place_videos, trim_videos
from training.datasets.dataset import PARTS, Dataset, Video, make_dataset
from training.datasets.subset import BACKGROUND, Plan, classes_of, make_subset
from training.figures.numbered import numbered_frame, read_number
from training.figures.video import Coding, write_video
from training.samples import decode_video

_SIZE = (96, 64)


def video(
    name: str,
    labels: Sequence[str],
    group: str = "",
    part: str | None = None,
    *,
    path: Path | None = None,
) -> Video:
    """A video in which the labels come one after another, a second each, a second apart."""
    spans = tuple(Annotation(label, 2.0 * n, 2.0 * n + 1) for n, label in enumerate(labels))
    return Video(name, path, 2.0 * len(labels) + 1, 25.0, part, group or name, spans)


def singles(classes: int, each: int, groups: int) -> Dataset:
    """Videos of one class each, class by class in as many groups of their own."""
    return make_dataset(
        "singles",
        (
            video(f"c{label}-{n}", [f"c{label}"], f"c{label}-g{n % groups}")
            for label in range(classes)
            for n in range(each)
        ),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Any mixture of labels, groups and parts."""
    count = draw(st.integers(1, 40))
    labels = st.lists(st.sampled_from("abcd"), max_size=3)
    parts = st.sampled_from(PARTS) if draw(st.booleans()) else st.none()
    groups = st.integers(0, draw(st.integers(1, 20)))
    return make_dataset(
        "any",
        (
            video(f"v{n:02d}", draw(labels), f"g{draw(groups)}", draw(parts | st.none()))
            for n in range(count)
        ),
        "abcd",
    )


def shares() -> st.SearchStrategy[tuple[float, float, float]]:
    """Shares of the parts, some without one."""
    return st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.0, 0.2), (1.0, 0.0, 0.0), (0.34, 0.33, 0.33)])


@given(datasets(), st.integers(1, 12), shares(), st.integers(0, 5), st.booleans())
@settings(deadline=None, max_examples=40)
def test_no_group_stands_in_two_parts(
    dataset: Dataset, per_class: int, parts: tuple[float, float, float], seed: int, keep: bool
) -> None:
    plan = Plan(("a", "b"), per_class, parts, seed, keep)
    try:
        made = make_subset(dataset, plan)
    except ConfigError as error:
        assert "part that is asked for" in error.message
        return
    sides = defaultdict(set)
    for chosen in made.dataset.videos:
        sides[chosen.group].add(chosen.part)
        assert chosen.part is not None
        assert parts[PARTS.index(chosen.part)] > 0
        assert {span.label for span in chosen.annotations} <= {"a", "b"}
    assert all(len(found) == 1 for found in sides.values())
    assert make_subset(dataset, plan) == made
    if keep:
        own = {v.name: v.part for v in dataset.videos}
        lacking = set(PARTS) - set(own.values())
        for chosen in made.dataset.videos:
            moved = own[chosen.name] == "train" and chosen.part in lacking
            assert own[chosen.name] in (None, chosen.part) or moved
    assert made.shortages() == [
        line for line in made.shortages() if line.partition(":")[0] in ("a", "b", "nothing happens")
    ]


@given(st.integers(1, 6), st.integers(5, 30), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_shares_are_met_exactly_where_every_video_is_its_own_group(
    classes: int, per_class: int, seed: int
) -> None:
    made = make_subset(singles(classes, 30, 30), Plan(classes, per_class, seed=seed))
    assert not made.shortages()
    assert dict(made.found) == dict(made.wanted)
    for label in made.dataset.labels:
        counts = [made.found[label, part] for part in PARTS]
        assert sum(counts) == per_class
        for number, share in zip(counts, (0.6, 0.2, 0.2), strict=True):
            assert abs(number - share * per_class) < 1


@given(st.integers(1, 5), st.integers(3, 6), st.integers(3, 20), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_every_class_reaches_every_part_if_it_has_a_group_for_each(
    classes: int, groups: int, each: int, seed: int
) -> None:
    made = make_subset(singles(classes, max(each, groups), groups), Plan(classes, 3, seed=seed))
    assert all(made.found.get(cell, 0) > 0 for cell in made.wanted)


def test_groups_of_all_classes_are_spread_too() -> None:
    """As in Weizmann: every actor does everything, so a part gets whole actors."""
    actors = [f"actor{n}" for n in range(8)]
    everything = make_dataset(
        "actors", (video(f"{a}-{x}", [x], a) for a in actors for x in ("bend", "run", "walk"))
    )
    made = make_subset(everything, Plan(3, 8))
    assert {part: len(made.dataset.part(part)) for part in PARTS} == {
        "train": 15,
        "validation": 6,
        "test": 3,
    }


def test_what_groups_do_not_allow_is_said() -> None:
    few = make_dataset("few", [video("a", ["x"], "g"), video("b", ["x"], "g"), video("c", ["x"])])
    made = make_subset(few, Plan(("x",), 3))
    assert len(made.shortages()) == 1
    assert made.shortages()[0] in ("x: none of 1 in validation", "x: none of 1 in test")


def test_official_parts_are_kept_and_the_lacking_one_is_made_of_training() -> None:
    """As UCF101: train and test are given, validation is not."""
    official = make_dataset(
        "official",
        [video(f"tr{n}", ["x"], f"g{n // 2}", "train") for n in range(20)]
        + [video(f"te{n}", ["x"], f"h{n}", "test") for n in range(10)],
    )
    made = make_subset(official, Plan(1, 20))
    names = {part: {v.name[:2] for v in made.dataset.part(part)} for part in PARTS}
    assert names == {"train": {"tr"}, "validation": {"tr"}, "test": {"te"}}
    assert not made.shortages()
    regrouped = make_subset(official, Plan(1, 20, keep_parts=False))
    assert regrouped.dataset.part("test") != made.dataset.part("test")


def test_a_group_torn_by_the_official_split_is_mended_and_named() -> None:
    torn = make_dataset(
        "torn",
        [video(f"a{n}", ["x"], "g", "train") for n in range(3)]
        + [video("b", ["x"], "g", "test"), video("c", ["x"], "h", "test")],
    )
    made = make_subset(torn, Plan(1, 5, (0.5, 0.0, 0.5)))
    assert made.torn == ("g",)
    assert {v.name for v in made.dataset.part("test")} == {"c"}


def test_videos_keep_their_background_and_other_actions_are_ignored() -> None:
    mixed = make_dataset(
        "mixed", [video(f"v{n}", ["x", "y", "x"]) for n in range(5)] + [video("calm", [])]
    )
    made = make_subset(mixed, Plan(("x",), 5))
    one = made.dataset.videos[-1]
    assert [span.start_s for span in one.annotations] == [0.0, 4.0]
    assert [span.label for span in one.ignored] == ["y"]
    assert one.duration_s == 7.0
    assert classes_of(made.dataset.videos[0]) == (BACKGROUND,)


def test_classes_that_are_not_there_are_said_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no class 'c11'.*Did you mean c1"):
        make_subset(singles(3, 4, 4), Plan(("c11",), 2))
    with pytest.raises(ConfigError, match=r"3 classes with videos, not 4"):
        make_subset(singles(3, 4, 4), Plan(4, 2))


def numbered(path: Path, frames: int = 100) -> Path:
    """Write a video whose pictures carry their numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = (numbered_frame(number, _SIZE) for number in range(frames))
    write_video(path, pictures, Coding(_SIZE, 25.0, crf=18))
    return path


def numbers(path: Path) -> list[int | None]:
    """Read the numbers of a video's pictures."""
    frames, _ = decode_video(path, *_SIZE)
    return [read_number(frame) for frame in frames]


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(0.0, 1.0), (1.3, 2.1), (2.04, 2.08), (3.2, math.inf)]
)
def test_cuts_are_exact_to_the_frame(tmp_path: Path, start_s: float, end_s: float) -> None:
    source = numbered(tmp_path / "long.mp4")
    first_s, length_s = cut(source, Clip(start_s, end_s), tmp_path / "clip.mp4")
    wanted = [n for n in range(100) if start_s - 1e-9 <= n / 25 < end_s - 1e-9]
    assert numbers(tmp_path / "clip.mp4") == wanted
    assert first_s == pytest.approx(wanted[0] / 25)
    assert length_s == pytest.approx(len(wanted) / 25)
    assert probe(tmp_path / "clip.mp4").duration_s == pytest.approx(length_s, abs=0.01)


def test_a_span_beyond_the_video_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    source = numbered(tmp_path / "long.mp4", 10)
    with pytest.raises(NotAVideoError, match=r"no frame from 9.00 s"):
        cut(source, Clip(9.0, 10.0), tmp_path / "clips" / "clip.mp4")
    assert not list((tmp_path / "clips").iterdir())


def test_close_spans_are_one_clip() -> None:
    spans = (Annotation("x", 1.0, 2.0), Annotation("y", 2.5, 3.0), Annotation("x", 9.0, 10.0))
    one = Video("v", None, 20.0, 25.0, None, "v", spans)
    assert clip_spans(one, 0.5) == [Clip(0.5, 3.5), Clip(8.5, 10.5)]
    assert clip_spans(video("calm", []), 0.5) == [Clip(0.0, math.inf)]


def test_trimmed_clips_carry_their_annotations(tmp_path: Path) -> None:
    spans = (Annotation("x", 1.0, 1.4), Annotation("y", 3.0, 3.2))
    path = numbered(tmp_path / "long.mp4")
    long = Video("day/long", path, 4.0, 25.0, "train", "g", spans, (Annotation("z", 1.1, 9.0),))
    done: list[int] = []
    clips = trim_videos(make_dataset("d", [long]), tmp_path / "out", 0.2, done.append)
    assert done == [1]
    first, second = clips.videos
    assert (first.name, second.name) == ("day/long-001", "day/long-002")
    assert first.annotations == (Annotation("x", 0.2, 0.6),)
    assert first.ignored == (Annotation("z", 0.3, 0.8),)
    assert (second.part, second.group) == ("train", "g")
    assert second.path == tmp_path / "out" / "day" / "long-002.mp4"
    assert numbers(second.path) == list(range(70, 85))


def test_names_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    source = numbered(tmp_path / "a.mp4", 3)
    bad = make_dataset("d", [video("../evil", ["x"], path=source)])
    with pytest.raises(ConfigError, match=r"leads out of"):
        place_videos(bad, tmp_path / "out", How.COPY)


def _source(folder: Path) -> Path:
    """A dataset of six short videos of two classes, as our JSON beside its videos."""
    videos = [
        Video(
            f"{label}{n}",
            numbered(folder / "videos" / f"{label}{n}.mp4", 25),
            1.0,
            25.0,
            None,
            f"{label}{n}",
            (Annotation(label, 0.2, 0.6),),
        )
        for label in ("run", "walk")
        for n in range(3)
    ]
    activitynet.write(make_dataset("tiny", videos), folder / "tiny.json")
    return folder / "tiny.json"


def call(*arguments: str) -> str:
    """Call the command, which succeeds."""
    done = CliRunner().invoke(subset_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_links_copies_and_cuts(tmp_path: Path) -> None:
    path = _source(tmp_path)
    common = ("activitynet", str(path), "--videos", str(tmp_path / "videos"))
    wanted = ("--classes", "run", "--per-class", "3", "--parts", "34,33,33")
    text = call(*common[:2], str(tmp_path / "linked"), *common[2:], *wanted)
    assert "run" in text
    assert "3 videos, 3 with a file" in " ".join(text.split())
    assert (tmp_path / "linked/videos/run0.mp4").is_symlink()
    call(*common[:2], str(tmp_path / "copied"), *common[2:], *wanted, "--copy")
    copied = tmp_path / "copied/videos/run0.mp4"
    assert not copied.is_symlink()
    assert copied.read_bytes() == (tmp_path / "videos/run0.mp4").read_bytes()
    call(*common[:2], str(tmp_path / "cut"), *common[2:], *wanted, "--trim", "0.2")
    assert numbers(tmp_path / "cut/videos/run0.mp4") == list(range(20))
    read = activitynet.read(tmp_path / "cut/annotations.json", tmp_path / "cut/videos")
    assert {v.part for v in read.videos} == set(PARTS)
    assert read.videos[0].annotations == (Annotation("run", 0.2, 0.6),)
    assert all(v.path is not None for v in read.videos)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--classes", "0", "--per-class", "1"), "--classes takes"),
        (("--classes", "run", "--per-class", "1", "--parts", "50,50"), "three percentages"),
        (("--classes", "rum", "--per-class", "1"), "Did you mean run"),
        (("--classes", "run", "--per-class", "1", "--trim", "1"), "No video is at hand"),
    ],
)
def test_wrong_wishes_are_said(tmp_path: Path, flags: tuple[str, ...], message: str) -> None:
    path = _source(tmp_path)
    arguments = ("activitynet", str(path), str(tmp_path / "out"), *flags)
    done = CliRunner().invoke(subset_command, arguments)
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)


def test_real_annotations_give_a_balanced_version(research_data: Path, tmp_path: Path) -> None:
    """ActivityNet 1.3 has no labelled test part: it is made of training videos."""
    path = research_data / "annotations" / "activitynet" / "activity_net.v1-3.json"
    call("activitynet", str(path), str(tmp_path), "--classes", "5", "--per-class", "20")
    document = json.loads((tmp_path / "annotations.json").read_text(encoding="utf-8"))
    original = json.loads(path.read_text(encoding="utf-8"))["database"]
    assert len(document["database"]) == 100
    for name, entry in document["database"].items():
        own = original[name]["subset"]
        assert entry["subset"] == own or (entry["subset"], own) == ("testing", "training")
