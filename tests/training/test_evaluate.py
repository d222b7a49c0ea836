"""`actionstream evaluate`: models on video, files of results, and what is said to be missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner

from contracts.errors import ConfigError
from contracts.types import Annotation
from inference.bundle import SHIPPED, find_bundle
from stack.commands.evaluate import evaluate
from training.datasets.activitynet import write
from training.datasets.dataset import Dataset, Video, make_dataset
from training.evaluate import Collector, ScoredWindow
from training.evaluate_dataset import choose_videos, is_clip
from training.reports.rates import rate

_INPUT = find_bundle("everyday", SHIPPED).input

_LABELS = ("a", "b")


def _window(start_s: float, *scores: float) -> ScoredWindow:
    return ScoredWindow(start_s, start_s + 1, scores)


def _video(name: str, *spans: Annotation, **known: Any) -> Video:
    facts: dict[str, Any] = {"path": None, "duration_s": 10.0, "fps": 25.0, "part": None} | known
    return Video(name=name, group=name, annotations=spans, **facts)


def _film(path: Path, seconds: float) -> Path:
    """Write a small video of a square that moves."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(round(seconds * 25)):
            picture = np.full((48, 64, 3), 60, np.uint8)
            picture[20:30, index % 54 : index % 54 + 10] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _call(*arguments: str | Path) -> dict[str, Any]:
    """Run the command and return the numbers that it wrote."""
    done = CliRunner().invoke(evaluate, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    document: dict[str, Any] = json.loads(done.stdout)
    assert "report: " in done.stderr
    folder = Path(str(arguments[list(arguments).index("--report") + 1]))
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == document
    assert (folder / "report.html").stat().st_size > 1000
    return document


def test_windows_count_where_they_lie_inside_an_action() -> None:
    """Windows across a border are left out; labels the model lacks are counted."""
    found = Collector(_LABELS)
    spans = (Annotation("a", 0, 2), Annotation("x", 2, 5))
    windows = [_window(0, 0.9, 0.1), _window(1.5, 0.2, 0.8), _window(3, 0.5, 0.5)]
    found.add("v", spans, windows, clip=False)
    assert found.windows().items.tolist() == ["v"]
    assert found.windows().times_s.tolist() == [0.5]
    assert found.unknown == {"x": 1}
    assert len(found.clips()) == 0


def test_a_clip_is_judged_by_the_mean_of_its_windows() -> None:
    """Two windows for one label, one for the other, and a clip that is too short for any."""
    found = Collector(_LABELS)
    whole = (Annotation("b", 0, np.inf),)
    found.add("v", whole, [_window(0, 0.6, 0.4), _window(1, 0.6, 0.4), _window(2, 0, 1)], clip=True)
    found.add("w", whole, [], clip=True)
    clips = found.clips()
    assert clips.scores.tolist() == [pytest.approx([0.4, 0.6])]
    assert clips.confusion.accuracy == 1.0
    assert found.windows().confusion.accuracy == pytest.approx(1 / 3)
    assert found.short == 1


@pytest.mark.parametrize(
    ("video", "trimmed"),
    [
        (_video("v", Annotation("a", 0, np.inf), duration_s=None), True),
        (_video("v", Annotation("a", 0, 9.9)), True),
        (_video("v", Annotation("a", 0, 5)), False),
        (_video("v", Annotation("a", 3, 10)), False),
        (_video("v", Annotation("a", 0, 4), Annotation("a", 4, 10)), False),
        (_video("v"), False),
    ],
)
def test_what_a_trimmed_clip_is(video: Video, trimmed: bool) -> None:
    """One label from the first to the last moment."""
    assert is_clip(video) is trimmed


def test_videos_of_a_part(tmp_path: Path) -> None:
    """Those with a file; all where there is no split; an error that says what there is."""
    file = tmp_path / "v.mp4"
    none = make_dataset("d", [_video("v", path=file), _video("w")])
    assert [video.name for video in choose_videos(none, "test")] == ["v"]
    split = make_dataset("d", [_video("v", path=file, part="train")])
    with pytest.raises(ConfigError, match=r"no video of part 'test'.*train: 1"):
        choose_videos(split, "test")
    with pytest.raises(ConfigError, match=r"none of 1 videos has a file.*--videos"):
        choose_videos(make_dataset("d", [_video("v")]), "test")


def _window_starts(seconds: float) -> list[float]:
    """Where the shipped model's windows start in a film of a length."""
    count = (round(seconds * _INPUT.fps) - _INPUT.frames) // _INPUT.stride + 1
    return [index * _INPUT.stride_s for index in range(count)]


def test_trimmed_clips_through_the_shipped_model(tmp_path: Path) -> None:
    """Clips of known labels are judged, one of another is counted, a broken file is named."""
    names = {"one": "walk", "two": "run", "three": "juggle"}
    videos = [
        _video(name, Annotation(label, 0, np.inf), duration_s=None) for name, label in names.items()
    ]
    for name in names:
        _film(tmp_path / f"{name}.mp4", 2.5)
    (tmp_path / "four.mp4").write_bytes(b"no video")
    videos.append(_video("four", Annotation("walk", 0, np.inf), duration_s=None))
    truth = _write(make_dataset("d", videos), tmp_path)
    document = _call("--truth", truth, "--videos", tmp_path, "--report", tmp_path / "r")
    clips, windows = document["sections"]
    assert (clips["count"], clips["unit"], windows["unit"]) == (2, "clips", "windows")
    assert windows["count"] == 2 * len(_window_starts(2.5))
    said = " ".join(clips["notes"])
    assert "the model does not know and were left out: juggle (1)" in said
    assert "1 videos cannot be read" in said
    assert "The data name no split" in said
    assert "No clip shows none" in said


def test_untrimmed_video_through_the_shipped_model(tmp_path: Path) -> None:
    """Live events, moments, sequences and windows of a video with idle time."""
    _film(tmp_path / "v.mp4", 6)
    video = _video("v", Annotation("walk", 1, 3), Annotation("juggle", 4, 5), duration_s=6.0)
    truth = _write(make_dataset("d", [video]), tmp_path)
    document = _call("--truth", truth, "--videos", tmp_path, "--report", tmp_path / "r")
    events, windows = document["sections"]
    assert (events["kind"], events["live"], events["truths"]) == ("detection", True, 1)
    assert events["seconds"] == pytest.approx(6.0, abs=0.1)
    assert events["latency"]["hours"] == pytest.approx(6 / 3600, abs=1e-4)
    starts, shape = _window_starts(6), _INPUT
    assert events["frames"]["moments"] == len(starts)
    moments = [start + shape.reference * shape.window_s for start in starts]
    assert events["frames"]["frames"] == {"walk": sum(1 <= moment < 3 for moment in moments)}
    assert set(events["segmental"]["f1"]) == {"10", "25", "50"}
    assert any("juggle (1)" in note for note in events["notes"])
    inside = [start for start in starts if start >= 0.98 and start + shape.window_s <= 3.02]
    assert windows["count"] == len(inside) > 0


def test_results_of_another_program(tmp_path: Path) -> None:
    """A part of the truth, in seconds, without a model; other parts do not count."""
    videos = [
        _video("v", Annotation("a", 0, 4), part="test"),
        _video("w", Annotation("b", 2, 6), part="test"),
        _video("u", Annotation("a", 0, 4), part="train"),
    ]
    truth = _write(make_dataset("d", videos), tmp_path)
    results = {
        "v": [{"label": "a", "segment": [0, 4], "score": 0.9}],
        "w": [{"label": "a", "segment": [2, 6], "score": 0.8}],
        "u": [{"label": "b", "segment": [0, 4], "score": 0.9}],
    }
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"results": results}), encoding="utf-8")
    arguments = ("--truth", truth, "--predictions", file, "--part", "test", "--rules", "merl")
    (section,) = _call(*arguments, "--report", tmp_path / "r")["sections"]
    assert (section["videos"], section["truths"], section["detections"]) == (2, 2, 2)
    assert section["map"]["activitynet"]["average"] == 0.5
    assert section["operating_point"]["recall"] == rate(1, 2)
    assert section["operating_point"]["false_per_hour"] == 0.0
    assert section["segmental"]["accuracy"] == pytest.approx(0.8, abs=1e-3)
    assert section["segmental"]["edit"] == 0.5


def test_autoloc_on_thumos14_as_published(research_data: Path, tmp_path: Path) -> None:
    """The figures of the paper's own detections, from files to the report."""
    folder = research_data / "evaluation" / "autoloc_thumos14"
    files = ("--truth", folder / "gt.csv", "--predictions", folder / "pred.csv")
    (section,) = _call(*files, "--rules", "thumos", "--report", tmp_path / "r")["sections"]
    published = [0.358, 0.290, 0.212, 0.134, 0.058]
    assert section["map"]["thumos"]["map"] == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predictions", "r.json"], "needs --truth"),
        (["weizmann", "--truth", "t.json"], "not both"),
        (["--truth", "t.json", "--record"], "--record"),
        (["--truth", "nowhere.json"], "There is no nowhere.json"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments: list[str], message: str) -> None:
    """Before any work is done."""
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(evaluate, arguments, catch_exceptions=False)


def _write(dataset: Dataset, folder: Path) -> Path:
    path = folder / "truth.json"
    write(dataset, path)
    return path
