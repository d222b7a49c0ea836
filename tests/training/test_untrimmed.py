"""Untrimmed streams: exact boundaries, idle time, and files that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from contracts.errors import ConfigError
from contracts.types import Annotation
from training.data import WEIZMANN_SPLIT
from training.datasets import activitynet
from training.samples import Sample
from training.untrimmed import (
    FPS,
    VIDEO_SIZE,
    Idle,
    StreamOptions,
    join_clips,
    load_streams,
    on_grid,
    resized,
    write_streams,
)


def make_clip(label: str, level: int, count: int = 20, fps: float = FPS) -> Sample:
    """A clip whose pixels say which it is and count its frames."""
    frames = np.full((count, 16, 24, 3), level, np.uint8)
    frames[:, 0, 0, 0] = np.arange(count)
    whole = (Annotation(label, 0.0, np.inf),)
    return Sample(f"made/{label}", frames, np.arange(count) / fps, whole, "somebody", "made")


@pytest.fixture(name="clips")
def fixture_clips() -> list[Sample]:
    """Three actions of one person."""
    return [make_clip("walk", 60), make_clip("run", 110, 31), make_clip("bend", 160, 25)]


@pytest.fixture(name="nobody")
def fixture_nobody() -> list[Sample]:
    """The empty scene."""
    return [make_clip("none", 210, 1)]


def places(span: Annotation) -> slice:
    """The frames of a span."""
    return slice(round(span.start_s * FPS), round(span.end_s * FPS))


def gaps(stream: Sample) -> list[np.ndarray]:
    """The frames between the segments, before the first and after the last."""
    edges = [0, *(e for s in stream.segments for e in (places(s).start, places(s).stop))]
    edges.append(len(stream.frames))
    return [stream.frames[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_segments_are_the_clips_frame_by_frame(
    clips: list[Sample], nobody: list[Sample], seed: int
) -> None:
    stream = join_clips("s", clips, nobody, seed)
    by_label = {clip.label: clip for clip in clips}
    assert sorted(span.label for span in stream.segments) == sorted(by_label)
    for span in stream.segments:
        np.testing.assert_array_equal(stream.frames[places(span)], by_label[span.label].frames)
    assert stream.duration_s == pytest.approx(len(stream.frames) / FPS)
    assert stream.group == "somebody"


@pytest.mark.parametrize("seed", range(5))
def test_gaps_have_the_lengths_asked_for_and_stand_still(
    clips: list[Sample], nobody: list[Sample], seed: int
) -> None:
    stream = join_clips("s", clips, nobody, seed, Idle(0.4, 1.2, noise=2.0))
    found = gaps(stream)
    assert len(found) == len(clips) + 1
    for gap in found:
        assert 0.4 - 1 / FPS <= len(gap) / FPS <= 1.2 + 1 / FPS
        level = gap[:, 1:].mean()
        # Nobody, or the picture of a neighbour, under the noise of a camera.
        assert min(abs(level - known) for known in (60, 110, 160, 210)) < 0.5
        assert 0 < gap[:, 1:].std() < 3


def test_the_same_seed_makes_the_same_stream(clips: list[Sample], nobody: list[Sample]) -> None:
    once, again, other = (join_clips("s", clips, nobody, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(once.frames, again.frames)
    assert once.segments == again.segments
    assert once.segments != other.segments


def test_idle_video_is_played_not_held(clips: list[Sample]) -> None:
    moving = [make_clip("none", 210, 200)]
    streams = [join_clips("s", clips, moving, seed) for seed in range(5)]
    played = [gap for stream in streams for gap in gaps(stream) if gap[0, 1, 1, 1] == 210]
    assert played
    for gap in played:
        np.testing.assert_array_equal(gap[:, 0, 0, 0], np.arange(len(gap)))


def test_other_frame_rates_are_brought_to_the_grid() -> None:
    slow = on_grid(make_clip("walk", 60, 30, fps=10.0))
    assert len(slow) == 75
    np.testing.assert_array_equal(slow[:6, 0, 0, 0], [0, 0, 1, 1, 2, 2])
    fast = on_grid(make_clip("walk", 60, 60, fps=50.0))
    np.testing.assert_array_equal(fast[:, 0, 0, 0], np.arange(0, 60, 2))


def test_files_hold_the_frames_and_the_truth(
    clips: list[Sample], nobody: list[Sample], tmp_path: Path
) -> None:
    stream = join_clips("someone-0", clips, nobody, 0)
    (video,) = activitynet.read(
        write_streams([stream], "validation", tmp_path / "out"), tmp_path / "out"
    ).videos
    assert (video.name, video.part, video.group) == ("someone-0", "validation", "somebody")
    assert video.annotations == stream.segments
    assert video.duration_s == pytest.approx(stream.duration_s)
    with av.open(str(video.path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == len(stream.frames)
    assert shown[0].shape == (VIDEO_SIZE[1], VIDEO_SIZE[0], 3)
    for span in stream.segments:
        expected = stream.frames[places(span), 8, 8, 0].mean()
        assert np.mean([p[180, 200, 0] for p in shown[places(span)]]) == pytest.approx(
            expected, abs=4
        )


def test_a_smaller_copy_keeps_times_and_truth(clips: list[Sample], nobody: list[Sample]) -> None:
    stream = join_clips("s", clips, nobody, 0)
    small = resized(stream, 12, 8)
    assert small.frames.shape == (len(stream.frames), 8, 12, 3)
    assert small.segments == stream.segments


@pytest.mark.parametrize(("dataset", "part"), [("weizman", "test"), ("weizmann", "tests")])
def test_unknown_names_are_refused(dataset: str, part: str) -> None:
    with pytest.raises(ConfigError, match="weizmann, interactions, figures"):
        load_streams(dataset, part, StreamOptions())


def check_people(streams: Sequence[Sample], groups: set[str], labels: set[str]) -> None:
    """Streams of the held-out people alone, each with all they do."""
    assert {stream.group for stream in streams} == groups
    for stream in streams:
        assert {span.label for span in stream.segments} == labels
        assert all(len(gap) > 0 for gap in gaps(stream))


def test_streams_of_held_out_people(research_data: Path, tmp_path: Path) -> None:
    options = StreamOptions(root=research_data, cache=tmp_path, count=2)
    weizmann = list(load_streams("weizmann", "validation", options))
    actions = {path.name for path in (research_data / "weizmann").iterdir() if path.is_dir()}
    check_people(weizmann, set(WEIZMANN_SPLIT.validation), actions)
    assert weizmann[0].segments != weizmann[1].segments
    paired = StreamOptions(root=research_data, cache=tmp_path, count=1)
    one, other = load_streams("interactions", "validation", paired)
    check_people([one], {"seq06"}, {"handshake", "hug", "kick", "point", "push"})
    check_people([other], {"seq16"}, {"handshake", "hug", "kick", "point", "punch", "push"})
