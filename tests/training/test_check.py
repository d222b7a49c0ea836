"""The check of a dataset: every trouble, made once in a small video, is found; clean ones pass."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.types import Annotation
from stack.commands.data_tools import check as check_command
from training.datasets import activitynet
from training.datasets.checking import Check, Finding, Severity, check_dataset, write_report
from training.datasets.checking.balance import effective_classes
from training.datasets.checking.measure import PROBES, measure_video, relative_sharpness
from training.datasets.checking.prints import clusters, difference_hashes, same_footage
from training.datasets.dataset import Dataset, Video, make_dataset

Picture = NDArray[np.uint8]
_SIZE = (160, 120)
_FPS = 25


class Walker(NamedTuple):
    """Someone who crosses a scene.

    Attributes:
        scene: Seed of the background.
        start: Where he starts, in pixels.
        step: Pixels per frame.
    """

    scene: int
    start: float = 20.0
    step: float = 1.0


def pictures(walker: Walker, frames: int = 60) -> list[Picture]:
    """A textured scene, through which a light block moves."""
    rng = np.random.default_rng(walker.scene)
    width, height = _SIZE
    rough = rng.integers(40, 190, (12, 16, 3), np.uint8)
    ground = cv2.resize(rough, _SIZE, interpolation=cv2.INTER_NEAREST)
    made = []
    for number in range(frames):
        frame = np.array(ground, np.uint8)
        left = int(walker.start + walker.step * number) % (width - 24)
        frame[height // 3 : height - 10, left : left + 20] = (235, 225, 60)
        made.append(frame)
    return made


def write(path: Path, frames: Iterable[Picture], *, codec: str = "libx264", crf: int = 20) -> Path:
    """Encode pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"crf": str(crf), "threads": "1"} if codec == "libx264" else {"qscale": "3"}
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream(codec, rate=_FPS, options=options)
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = pixels.shape[:2]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def entry(
    path: Path | None, *, part: str | None = None, group: str | None = None, label: str = "walk"
) -> Video:
    """A trimmed clip, its own group unless another is named."""
    name = path.stem if path else "absent"
    whole = (Annotation(label, 0.0, math.inf),)
    return Video(name, path, None, None, part, group or name, whole)


def dataset(*videos: Video, labels: Sequence[str] = ()) -> Dataset:
    """The videos as a dataset."""
    return make_dataset("made", videos, labels)


def found(check: Check) -> dict[str, Finding]:
    """Findings by kind."""
    return {finding.kind: finding for finding in check.findings}


def finding_of(kind: str, *videos: Video) -> Finding:
    """Check videos, and return the finding that must be there."""
    findings = found(check_dataset(dataset(*videos)))
    assert kind in findings, sorted(findings)
    return findings[kind]


@pytest.fixture(name="clean", scope="module")
def fixture_clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good video."""
    return write(tmp_path_factory.mktemp("clean") / "clean.mp4", pictures(Walker(1)))


def test_good_videos_give_no_warning(clean: Path, tmp_path: Path) -> None:
    others = [write(tmp_path / f"v{n}.avi", pictures(Walker(n)), codec="mpeg4") for n in (2, 3, 4)]
    parts = ("train", "validation", "test")
    videos = [entry(path, part=part) for path, part in zip(others, parts, strict=True)]
    checked = check_dataset(dataset(entry(clean, part="train"), *videos))
    assert not checked.findings
    measures = measure_video(clean)
    assert measures.thumbs.shape == (PROBES, 3, 32, 32)
    assert measures.frames == 60
    assert measures.reached_s == pytest.approx(59 / _FPS)


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("blurred", lambda frame: cv2.GaussianBlur(cv2.resize(frame, (480, 360)), (0, 0), 6)),
        ("dark", lambda frame: frame // 12),
        ("overexposed", lambda frame: 255 - frame // 16),
        ("black-bars", lambda frame: cv2.copyMakeBorder(frame, 20, 20, 0, 0, cv2.BORDER_CONSTANT)),
    ],
)
def test_pictures_that_are_hard_to_see_are_found(
    clean: Path, tmp_path: Path, kind: str, spoil: object
) -> None:
    assert callable(spoil)
    bad = write(tmp_path / "bad.mp4", [np.asarray(spoil(f), np.uint8) for f in pictures(Walker(2))])
    finding = finding_of(kind, entry(clean), entry(bad))
    assert [case.videos for case in finding.cases] == [("bad",)]
    assert finding.severity is Severity.WARNING


def test_a_frozen_video_is_found_and_a_raised_frame_rate_is_not(tmp_path: Path) -> None:
    moving = pictures(Walker(2))
    frozen = write(tmp_path / "frozen.mp4", moving[:20] + [moving[19]] * 40)
    raised = write(
        tmp_path / "raised.mp4", [f for n, f in enumerate(moving) for f in [f] * (1 + (n % 9 == 8))]
    )
    finding = finding_of("frozen", entry(frozen), entry(raised))
    assert [case.videos for case in finding.cases] == [("frozen",)]
    assert finding.cases[0].numbers["frozen"] == pytest.approx(40 / 59, abs=0.05)
    assert measure_video(raised).repeated < 0.2


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_truncated_file_is_found(tmp_path: Path, codec: str) -> None:
    suffix = ".mp4" if codec == "libx264" else ".avi"
    path = write(tmp_path / f"cut{suffix}", pictures(Walker(2), 100), codec=codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    kinds = set(found(check_dataset(dataset(entry(path)))))
    assert kinds & {"truncated", "damaged"}, kinds


def test_unreadable_and_absent_files_are_told_apart(tmp_path: Path, clean: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    check = check_dataset(
        dataset(entry(clean), entry(noise), entry(None), entry(tmp_path / "no.mp4"))
    )
    findings = found(check)
    assert [case.videos for case in findings["broken"].cases] == [("noise",)]
    assert [case.videos for case in findings["missing"].cases] == [("absent",), ("no",)]
    assert check.findings[0].kind == "broken"


def test_a_very_short_clip_is_found(tmp_path: Path, clean: Path) -> None:
    short = write(tmp_path / "short.mp4", pictures(Walker(2), 6))
    assert finding_of("short", entry(clean), entry(short)).cases[0].videos == ("short",)


def copy_of(path: Path, walker: Walker, how: str) -> Path:
    """Make a copy as they circulate: bytes, recoded and scaled, lighter, at another rate."""
    frames = pictures(walker)
    if how == "bytes":
        shutil.copy(path, path.with_name("copy.mp4"))
    elif how == "scaled":
        write(
            path.with_name("copy.mp4"),
            [np.asarray(cv2.resize(f, (96, 72)), np.uint8) for f in frames],
            crf=30,
        )
    elif how == "lighter":
        paler = [np.asarray(40 + 0.75 * f, np.uint8) for f in frames]
        write(path.with_name("copy.avi"), paler, codec="mpeg4")
    return next(path.parent.glob("copy.*"))


@pytest.mark.parametrize("how", ["bytes", "scaled", "lighter"])
def test_copies_are_found_and_are_the_worst_leak_across_parts(tmp_path: Path, how: str) -> None:
    walker = Walker(2)
    original = write(tmp_path / "original.mp4", pictures(walker))
    # The same scene and another walk: no copy.
    other = write(tmp_path / "other.mp4", pictures(Walker(2, 90.0, -1.5)))
    copy = copy_of(original, walker, how)
    together = [entry(path, group="g") for path in (original, copy, other)]
    inside = finding_of("duplicate", *together)
    assert [case.videos for case in inside.cases] == [("copy", "original")]
    assert ("equal bytes" in inside.cases[0].detail) == (how == "bytes")
    parts = ("train", "test", "train")
    torn = [replace(v, part=part) for v, part in zip(together, parts, strict=True)]
    check = check_dataset(dataset(*torn))
    assert [finding.kind for finding in check.findings[:2]] == ["duplicate-leak", "group-leak"]
    assert "1 in test, 1 in train" in check.findings[0].cases[0].detail
    clash = [together[0], replace(together[1], annotations=(Annotation("run", 0, 1),))]
    assert "run, walk" in finding_of("label-conflict", *clash).cases[0].detail


def test_one_scene_in_several_groups_is_found(tmp_path: Path) -> None:
    seen = [
        write(tmp_path / f"s{n}.mp4", pictures(Walker(2, 20.0 + 40 * n, (-1.0) ** n)))
        for n in (0, 1)
    ]
    elsewhere = write(tmp_path / "elsewhere.mp4", pictures(Walker(5)))
    videos = [entry(path) for path in (*seen, elsewhere)]
    unknown = finding_of("unknown-group", *videos)
    assert [case.videos for case in unknown.cases] == [("s0", "s1")]
    named = [replace(video, group=f"actor {video.name}") for video in videos]
    assert finding_of("shared-scene", *named).severity is Severity.NOTE
    parts = [replace(v, part=p) for v, p in zip(named, ("train", "test", "test"), strict=True)]
    assert finding_of("scene-leak", *parts).severity is Severity.WARNING
    assert "group-leak" not in found(check_dataset(dataset(*parts)))


def test_a_group_in_several_parts_is_found_without_any_video() -> None:
    videos = [
        replace(entry(None), name=f"v{n}", group=f"g{n // 2}", part=part)
        for n, part in enumerate(("train", "test", "train", "train"))
    ]
    finding = finding_of("group-leak", *videos)
    assert finding.severity is Severity.ERROR
    assert [case.videos for case in finding.cases] == [("v0", "v1")]


def test_annotations_that_cannot_be_right_are_found(clean: Path) -> None:
    spans = (
        Annotation("walk", 0.0, 1.0),
        Annotation("walk", 0.5, 1.5),
        Annotation("run", 0.6, 0.6),
        Annotation("run", 30.0, 90.0),
        Annotation("hop", 1.0, 2.0),
    )
    bad = replace(entry(clean), annotations=spans)
    # Straight into the form: `make_dataset` would refuse the unknown label.
    findings = found(check_dataset(Dataset("made", ("walk", "run", "Walk ", "unused"), (bad,))))
    details = {kind: [case.detail for case in finding.cases] for kind, finding in findings.items()}
    assert details["overlap"] == ["walk 0.50 s to 1.50 s"]
    assert details["empty"] == ["run 0.60 s to 0.60 s"]
    assert details["outside"] == ["run 30.00 s to 90.00 s, the video has 2.40 s"]
    assert details["unknown-label"] == ["hop 1.00 s to 2.00 s"]
    assert details["confusable-labels"] == ["walk / Walk "]
    assert "unused" in details["unused-class"]


def test_rare_and_absent_classes_are_found() -> None:
    videos = [
        replace(entry(None, label=label), name=f"{label}{n}", part=part)
        for label, number, part in (
            ("walk", 20, "train"),
            ("run", 2, "train"),
            ("walk", 5, "test"),
            ("hop", 3, "test"),
        )
        for n in range(number * 10, number * 11)
    ]
    findings = found(check_dataset(dataset(*videos)))
    assert findings["imbalance"].severity is Severity.WARNING
    assert findings["imbalance"].cases[0].numbers["ratio"] == 12.5
    assert [case.detail for case in findings["untrained-class"].cases] == ["hop: none in train"]
    assert [case.detail for case in findings["untested-class"].cases] == ["run: none in test"]


@given(st.lists(st.integers(0, 1000), max_size=20))
def test_effective_classes_lie_between_one_and_all(numbers: list[int]) -> None:
    present = sum(number > 0 for number in numbers)
    value = effective_classes(numbers)
    assert min(1, present) - 1e-9 <= value <= present + 1e-9


def test_effective_classes_of_known_cases() -> None:
    assert effective_classes([5, 5, 5, 5]) == pytest.approx(4)
    # Shares 1/2, 1/4, 1/4: entropy 1.5 bits.
    assert effective_classes([8, 4, 4]) == pytest.approx(2**1.5)


def test_sharpness_does_not_depend_on_contrast() -> None:
    sharp = np.asarray(cv2.cvtColor(pictures(Walker(3), 1)[0], cv2.COLOR_RGB2GRAY), np.uint8)
    foggy = np.asarray(100 + 0.3 * sharp, np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 3), np.uint8)
    assert relative_sharpness(foggy) == pytest.approx(relative_sharpness(sharp), rel=0.2)
    assert relative_sharpness(blurred) < 0.2 * relative_sharpness(sharp)
    assert relative_sharpness(np.full((9, 9), 7, np.uint8)) == 0.0


def test_hashes_compare_neighbours() -> None:
    rising = np.tile(np.arange(32, dtype=np.uint8) * 8, (1, 32, 1))
    hashes = difference_hashes(np.concatenate([rising, rising[:, :, ::-1]]))
    assert [int(value).bit_count() for value in hashes] == [64, 0]


def test_pairs_join_into_clusters() -> None:
    assert clusters([(1, 2), (5, 6), (2, 9)]) == [(1, 2, 9), (5, 6)]
    assert not same_footage(np.empty((0, PROBES, 3, 32, 32), np.uint8))


def test_long_videos_are_looked_at_in_places(tmp_path: Path) -> None:
    """Of 1,500 frames some hundred are looked at, from the whole length."""
    shown = pictures(Walker(2), 100)
    path = write(tmp_path / "long.mp4", (shown[n % 100] for n in range(1500)))
    measures = measure_video(path)
    assert measures.frames == PROBES * 12
    assert len(measures.thumbs) == PROBES
    assert measures.reached_s > 0.9 * 60
    assert not set(found(check_dataset(dataset(entry(path, part="train"))))) - {"untested-class"}


def test_the_page_stands_alone_and_escapes_names(clean: Path, tmp_path: Path) -> None:
    evil = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    shutil.copy(clean, evil)
    label = "<script>alert(1)</script>"
    write_report(
        check_dataset(dataset(entry(clean), entry(evil, label=label))), tmp_path / "r.html"
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    elements = _Elements()
    elements.feed(page)
    assert {tag for tag, _ in elements.found} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "section",
            "details",
            "summary",
        ),
        *("h1", "h2", "h3", "p", "div", "span", "img", "table", "tr", "th", "td"),
    }
    attributes = [item for _, attrs in elements.found for item in attrs]
    assert {name for name, _ in attributes} & {"href", "onerror", "srcset"} == set()
    sources = [value or "" for name, value in attributes if name == "src"]
    assert len(sources) == 2
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "http" not in page
    assert "prefers-color-scheme: dark" in page
    assert "label-conflict" in page


class _Elements(HTMLParser):
    """Lists the elements of a page as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def run(*arguments: str) -> Result:
    """Call the command."""
    return CliRunner().invoke(check_command, arguments)


def test_the_command_prints_reports_and_is_strict_on_demand(clean: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copy(clean, tmp_path / f"{name}.mp4")
    halves = [
        replace(entry(None), name=name, part=part) for name, part in (("a", "train"), ("b", "test"))
    ]
    activitynet.write(dataset(*halves), tmp_path / "d.json")
    common = ("activitynet", str(tmp_path / "d.json"), "--videos", str(tmp_path))
    done = run(*common, "--report", str(tmp_path / "out" / "r.html"))
    assert done.exit_code == 0, done.output
    assert done.output.index("duplicate-leak") < done.output.index("errors")
    assert (tmp_path / "out" / "r.html").stat().st_size < 200_000
    listed = json.loads(run(*common, "--json").stdout)
    assert listed["videos_at_hand"] == 2
    assert listed["findings"][0]["kind"] == "duplicate-leak"
    assert listed["findings"][0]["cases"][0]["videos"] == ["a", "b"]
    assert run(*common, "--strict").exit_code == 1


@pytest.mark.slow
def test_real_clips_of_one_camera_without_a_named_source(
    research_data: Path, tmp_path: Path
) -> None:
    """Peaceful clips 77 to 83 of the fight data come from one camera; their source is not named."""
    names = [f"nofi{n:03d}" for n in (77, 78, 79, 100, 120)]
    videos = [entry(research_data / "fight" / "no_fight" / f"{name}.mp4") for name in names]
    scenes = finding_of("unknown-group", *videos)
    assert scenes.cases[0].videos == ("nofi077", "nofi078", "nofi079")
    assert tmp_path.is_dir()
