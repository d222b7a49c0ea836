"""A streaming network behind the engine's interface: torch = ONNX, live = offline, honest spans."""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

pytest.importorskip("torch", reason="MoViNet needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order,ungrouped-imports  # torch may be missing
import torch

from contracts.errors import BundleError
from contracts.settings import EventSettings
from contracts.types import Clock, SampledFrame, StreamName, WindowScores
from inference.bundle import MANIFEST, Bundle, Label
from inference.engine import Engine, score_frames
from inference.loading import load_model
from inference.models.movinet import BaseMoViNet
from inference.models.movinet_stream import StreamMoViNet
from inference.prediction import predict, score_video
from inference.runtime import ActionModel, ClipRuntime
from inference.stateful import NEXT, StatefulRuntime
from inference.windows import WindowSpec
from tests.conftest import wait_for
from tests.inference.movinets import TINY, awaken
from training.export import label_entry
from training.movinet import export_clip, export_stream

_HORIZON = 8
_FACTS = {
    "name": "tiny",
    "version": "0.1.0",
    "summary": "Random weights.",
    "labels": [label_entry(Label(f"action {n}", f"Action {n}")) for n in range(TINY.classes)],
    "training": {},
    "metrics": [],
    "limits": [],
}


@pytest.fixture(name="net", scope="module")
def fixture_net() -> StreamMoViNet:
    """A small random network."""
    torch.set_num_threads(1)
    return awaken(StreamMoViNet(TINY, _HORIZON))


@pytest.fixture(name="model", scope="module")
def fixture_model(net: StreamMoViNet, tmp_path_factory: pytest.TempPathFactory) -> StatefulRuntime:
    """The network as a bundle, in its runtime."""
    bundle = export_stream(net, _FACTS, tmp_path_factory.mktemp("models") / "tiny")
    model = load_model(bundle)
    assert isinstance(model, StatefulRuntime)
    return model


@pytest.fixture(name="clips", scope="module")
def fixture_clips(tmp_path_factory: pytest.TempPathFactory) -> ClipRuntime:
    """A base network as a bundle, in its runtime."""
    path = tmp_path_factory.mktemp("models") / "tiny-base"
    model = load_model(export_clip(awaken(BaseMoViNet(TINY)), _FACTS, path, frames=6))
    assert isinstance(model, ClipRuntime)
    return model


def _spec(model: ActionModel, stride: int | None = None) -> WindowSpec:
    shape = model.bundle.input
    return WindowSpec(shape.frames, stride or shape.stride, 1.0 / shape.fps)


def _frames(count: int, seed: int = 0, *, run: int = 0) -> list[SampledFrame]:
    """Noise at 5 frames/s, each picture different."""
    rng = np.random.default_rng(seed)
    return [
        SampledFrame(
            image=rng.integers(0, 256, (TINY.side, TINY.side, 3), dtype=np.uint8),
            index=index,
            run=run,
            pts_s=10 + index / 5,
            captured_at=1000 + index / 5,
            clock=Clock.RTCP,
            decode_ms=1.0,
            ready_at=time.monotonic(),
        )
        for index in range(count)
    ]


def _scores(windows: Iterable[WindowScores]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.stack([window.scores for window in windows])


def test_onnx_equals_torch_frame_by_frame(net: StreamMoViNet, model: StatefulRuntime) -> None:
    frames = _frames(20)
    windows = list(score_frames(model, _spec(model), frames))
    assert len(windows) == 20
    state = net.initial_state()
    for frame, window in zip(frames, windows, strict=True):
        with torch.inference_mode():
            logits, state = net(torch.from_numpy(frame.image)[None, None], state)
        assert np.abs(torch.softmax(logits, 1).numpy()[0] - window.scores).max() <= 1e-5
    assert np.ptp(_scores(windows), axis=0).max() > 1e-3


def test_the_graph_names_its_state(net: StreamMoViNet, model: StatefulRuntime) -> None:
    session = ort.InferenceSession(str(model.bundle.graphs["step"]))
    inputs = {entry.name: entry.shape[1:] for entry in session.get_inputs()}
    assert inputs.pop("frame") == [TINY.side, TINY.side, 3]
    assert {name: tuple(shape) for name, shape in inputs.items()} == net.state_shapes()
    outputs = [entry.name for entry in session.get_outputs()]
    assert outputs == ["scores", *(NEXT + name for name in net.state_shapes())]


def test_spans_grow_to_the_horizon_and_are_those_of_the_frames(model: StatefulRuntime) -> None:
    windows = list(score_frames(model, _spec(model), _frames(12)))
    for count, window in enumerate(windows, start=1):
        places = min(count, _HORIZON)
        assert window.frames_used == places
        assert window.frames_missing == 0
        assert window.media.end == pytest.approx(10 + count / 5)
        assert window.media.start == pytest.approx(10 + (count - places) / 5)
        assert window.window.end - window.media.end == pytest.approx(990)


def test_a_new_run_starts_afresh(model: StatefulRuntime) -> None:
    first, second = _frames(7, seed=1), _frames(5, seed=2, run=1)
    after = _scores(score_frames(model, _spec(model), [*first, *second]))[7:]
    alone = _scores(score_frames(model, _spec(model), second))
    assert np.abs(after - alone).max() <= 1e-6


def test_a_hole_repeats_its_edge_and_counts_as_missing(model: StatefulRuntime) -> None:
    frames = _frames(10)
    holed = [frame for frame in frames if frame.index not in (4, 5)]
    filled = [replace(frames[3], index=f.index) if f.index in (4, 5) else f for f in frames]
    got = list(score_frames(model, _spec(model), holed))
    expected = list(score_frames(model, _spec(model), filled))
    assert np.abs(_scores(got) - _scores(expected)).max() <= 1e-6
    assert [window.media for window in got] == [window.media for window in expected]
    assert [window.frames_missing for window in got] == [0, 0, 0, 0, 1, 2, 2, 2, 2, 2]


def test_nothing_outlives_a_hole_as_long_as_the_window(model: StatefulRuntime) -> None:
    frames = _frames(3 + _HORIZON + 4)
    late = frames[3 + _HORIZON :]
    after = _scores(score_frames(model, _spec(model), [*frames[:3], *late]))[3:]
    alone = _scores(score_frames(model, _spec(model), late))
    assert np.abs(after - alone).max() <= 1e-6


def test_a_stride_leaves_windows_out_and_nothing_else(model: StatefulRuntime) -> None:
    every = list(score_frames(model, _spec(model), _frames(11)))
    third = list(score_frames(model, _spec(model, 3), _frames(11)))
    assert [w.media for w in third] == [w.media for w in every[2::3]]
    assert np.abs(_scores(third) - _scores(every[2::3])).max() <= 1e-6


@pytest.mark.parametrize("kind", ["model", "clips"])
def test_live_equals_offline_and_streams_do_not_mix(
    kind: str, request: pytest.FixtureRequest
) -> None:
    model: ActionModel = request.getfixturevalue(kind)
    spec, got = _spec(model), defaultdict[str, list[WindowScores]](list)
    engine = Engine(model, spec, lambda name, window: got[name].append(window), max_lag_s=20)
    seeds = {StreamName(f"cam{seed}"): seed for seed in range(3)}
    offline = {
        name: list(score_frames(model, spec, _frames(40, seed))) for name, seed in seeds.items()
    }
    for name in seeds:
        engine.add(name)
    for frames in zip(*(_frames(40, seed) for seed in seeds.values()), strict=True):
        for name, frame in zip(seeds, frames, strict=True):
            engine.submit(name, frame)
    engine.start()  # with a backlog, so that batches hold several frames of each stream
    wait_for(lambda: all(len(got[n]) == len(offline[n]) for n in seeds), "every window")
    engine.stop()
    for name in seeds:
        assert np.abs(_scores(got[name]) - _scores(offline[name])).max() <= 1e-5
        assert [w.media for w in got[name]] == [w.media for w in offline[name]]
    assert np.abs(_scores(got[StreamName("cam0")]) - _scores(got[StreamName("cam1")])).max() > 1e-3


def test_overload_drops_the_backlog_and_starts_afresh(model: StatefulRuntime) -> None:
    got: list[WindowScores] = []
    engine = Engine(model, _spec(model), lambda _, window: got.append(window), max_lag_s=2.0)
    name = StreamName("cam")
    engine.add(name)
    frames = _frames(14)
    for frame in frames:
        engine.submit(name, frame)
    assert engine.stats(name).dropped_frames == 10
    assert engine.stats(name).dropped_windows == 10
    engine.start()
    wait_for(lambda: len(got) == 4, "the windows of what was left")
    engine.stop()
    alone = _scores(score_frames(model, _spec(model), frames[10:]))
    assert np.abs(_scores(got) - alone).max() <= 1e-6


def test_what_is_kept_of_a_stream_does_not_grow(model: StatefulRuntime) -> None:
    stream = model.new_stream(_spec(model))
    sizes = set()
    for frame in itertools.islice(_endless(), 300):
        model.advance([(stream, frame)])
        assert stream.state is not None
        # A view of another array would keep the memory of the whole batch.
        assert not any(isinstance(tensor.base, np.ndarray) for tensor in stream.state)
        sizes.add(sum(tensor.nbytes for tensor in stream.state))
    assert len(sizes) == 1
    shapes = [tensor.shape[1:] for tensor in stream.state or []]
    assert shapes == list(awaken(StreamMoViNet(TINY)).state_shapes().values())


def _endless() -> Iterator[SampledFrame]:
    frames = _frames(4)
    for index in itertools.count():
        yield replace(frames[index % 4], index=index, pts_s=10 + index / 5)


def test_a_short_video_is_scored_too(model: StatefulRuntime, clips: ClipRuntime) -> None:
    for runtime in (model, clips):
        scored = score_video(runtime, _spec(runtime), _frames(2))
        found = predict(runtime.bundle, scored, EventSettings())
        assert found.label in runtime.bundle.label_names
        assert len(scored.windows) >= 1


def test_a_clip_model_scores_the_frames_of_its_window(clips: ClipRuntime) -> None:
    frames = _frames(30)
    windows = list(score_frames(clips, _spec(clips, 5), frames))
    assert [round(window.media.start - 10, 3) for window in windows] == [0, 1, 2, 3, 4]
    net = awaken(BaseMoViNet(TINY))
    for place, window in enumerate(windows):
        clip = np.stack([frame.image for frame in frames[5 * place : 5 * place + 6]])
        with torch.inference_mode():
            expected = torch.softmax(net(torch.from_numpy(clip)[None]), 1).numpy()[0]
        assert np.abs(expected - window.scores).max() <= 1e-5


def test_a_network_that_never_forgets_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="never forgets"):
        export_stream(StreamMoViNet(TINY, None), _FACTS, tmp_path / "endless")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": _FACTS["labels"][:3]}, "5 scores for 3 labels"),  # type: ignore[index]
        (
            {"input": {"width": 16, "height": 16, "fps": 5, "frames": 8, "stride": 1}},
            "cannot be run",
        ),
        ({"graphs": {"clip": "step.onnx"}}, "cannot be run"),
        ({"graphs": {"steps": "step.onnx"}}, "its graphs are steps, not"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(
    model: StatefulRuntime, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    manifest = {**model.bundle.manifest, **change}
    for name in manifest["files"]:
        (tmp_path / name).write_bytes((model.bundle.path / name).read_bytes())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=message):
        load_model(Bundle.load(tmp_path))
