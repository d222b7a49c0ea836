"""MoViNet: sizes and names as published, frame by frame = whole clip, and means that forget."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="MoViNet needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order,ungrouped-imports  # torch may be missing
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from inference.models.movinet import (
    A0,
    SIZES,
    BaseMoViNet,
    MoViNetConfig,
    pool_same,
    same_padding,
)
from inference.models.movinet_stream import FRAMES, Memory, StreamMoViNet
from tests.inference.movinets import TINY, awaken, pictures

# Blocks of each stage, and those whose depthwise convolution spans time, as the public listing of
# the weights' repository has them.
_LAYERS = {"a0": (1, 3, 3, 4, 4), "a1": (2, 4, 5, 6, 7), "a2": (3, 5, 5, 6, 7)}
_FLAT = {
    "a0": {"b0_l0", "b4_l1", "b4_l2", "b4_l3"},
    "a1": {"b0_l0", "b3_l4", "b4_l1", "b4_l2", "b4_l3", "b4_l4", "b4_l6"},
    "a2": {"b0_l0", "b3_l4", "b4_l1", "b4_l2", "b4_l3", "b4_l4", "b4_l6"},
}
_STRIDED = {"b0_l0", "b1_l0", "b2_l0", "b4_l0"}
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@pytest.fixture(autouse=True)
def fixture_one_thread() -> None:
    """Other work shares the machine."""
    torch.set_num_threads(1)


def _unit(name: str, kind: str, *, norm: bool = True) -> set[str]:
    if norm:
        return {f"{name}.{kind}.weight", *(f"{name}.norm.{field}" for field in _NORM)}
    return {f"{name}.{kind}.weight", f"{name}.{kind}.bias"}


def _published_keys(size: str, kind: str) -> set[str]:
    """Keys after the pattern of the published state dicts."""
    keys = _unit("conv1.conv_1", kind) | _unit("conv7.conv_1", kind)
    for place in (0, 3):
        keys |= _unit(f"classifier.{place}.conv_1", kind, norm=False)
    for stage, layers in enumerate(_LAYERS[size]):
        for layer in range(layers):
            block = f"b{stage}_l{layer}"
            name = f"blocks.{block}"
            keys |= {f"{name}.alpha"}
            for part in ("expand", "deep", "project"):
                keys |= _unit(f"{name}.{part}.conv_1", kind)
            for part in ("fc1", "fc2"):
                keys |= _unit(f"{name}.se.{part}.conv_1", kind, norm=False)
            if kind == "conv2d" and block not in _FLAT[size]:
                keys |= _unit(f"{name}.deep.conv_2", kind)
            if block in _STRIDED:
                keys |= _unit(f"{name}.res.1.conv_1", kind)
    return keys


@pytest.mark.parametrize(
    ("size", "stream", "base"), [("a0", 3.75, 3.11), ("a1", 6.45, 4.69), ("a2", 7.33, 5.25)]
)
def test_keys_and_parameters_are_those_published(size: str, stream: float, base: float) -> None:
    nets = {"conv2d": StreamMoViNet(SIZES[size]), "conv3d": BaseMoViNet(SIZES[size])}
    for (kind, net), millions in zip(nets.items(), (stream, base), strict=True):
        assert set(net.state_dict()) == _published_keys(size, kind)
        count = sum(weight.numel() for weight in net.parameters())
        assert round(count / 1e6, 2) == millions


def test_shapes_are_those_published() -> None:
    """Some of A0's, of every kind, as the public listing of its layers has them."""
    shapes = {key: tuple(value.shape) for key, value in StreamMoViNet(A0).state_dict().items()}
    expected = {
        "conv1.conv_1.conv2d.weight": (8, 3, 3, 3),
        "blocks.b0_l0.expand.conv_1.conv2d.weight": (24, 8, 1, 1),
        "blocks.b0_l0.deep.conv_1.conv2d.weight": (24, 1, 5, 5),
        "blocks.b1_l0.deep.conv_2.conv2d.weight": (80, 1, 3, 1),
        "blocks.b1_l0.res.1.conv_1.conv2d.weight": (32, 8, 1, 1),
        "blocks.b2_l0.deep.conv_2.conv2d.weight": (184, 1, 5, 1),
        "blocks.b2_l1.expand.conv_1.conv2d.weight": (112, 56, 1, 1),
        "blocks.b3_l0.deep.conv_1.conv2d.weight": (184, 1, 3, 3),
        "blocks.b4_l0.project.conv_1.conv2d.weight": (104, 384, 1, 1),
        "blocks.b4_l3.deep.conv_1.conv2d.weight": (344, 1, 5, 5),
        "blocks.b4_l3.alpha": (),
        "conv7.conv_1.conv2d.weight": (480, 104, 1, 1),
        "classifier.0.conv_1.conv2d.weight": (2048, 480, 1, 1),
        "classifier.3.conv_1.conv2d.weight": (600, 2048, 1, 1),
    }
    assert {key: shapes[key] for key in expected} == expected
    assert StreamMoViNet(A0).blocks["b0_l0"].expand.conv_1.norm.eps == 1e-3  # type: ignore[union-attr]


def _run(net: StreamMoViNet, frames: Tensor, sizes: list[int]) -> tuple[Tensor, dict[str, Tensor]]:
    """Feed frames (B, T, H, W, 3) in pieces."""
    state = net.initial_state(frames.shape[0])
    logits, start = torch.empty(0), 0
    with torch.inference_mode():
        for size in sizes:
            logits, state = net(frames[:, start : start + size], state)
            start += size
    return logits, state


@pytest.mark.parametrize("config", [A0, TINY], ids=["a0", "tiny"])
def test_frame_by_frame_equals_whole_clip(config: MoViNetConfig) -> None:
    net = awaken(StreamMoViNet(config))
    clip = pictures(config, 2, 9)
    whole, after = _run(net, clip, [9])
    assert whole.std() > 1e-3
    for sizes in ([1] * 9, [4, 5], [2, 1, 6]):
        logits, state = _run(net, clip, sizes)
        assert (logits - whole).abs().max() <= 1e-5 * whole.abs().max()
        assert (logits.softmax(1) - whole.softmax(1)).abs().max() <= 1e-5
        assert state.keys() == after.keys() == net.state_shapes().keys()
        for name, value in state.items():
            assert (value - after[name]).abs().max() <= 1e-5 * max(1.0, float(value.abs().max()))
            assert tuple(value.shape[1:]) == net.state_shapes()[name]


def test_streams_of_a_batch_do_not_mix() -> None:
    net = awaken(StreamMoViNet(TINY))
    clip = pictures(TINY, 3, 6)
    together, _ = _run(net, clip, [3, 3])
    for stream in range(3):
        alone, _ = _run(net, clip[stream : stream + 1], [6])
        assert (alone[0] - together[stream]).abs().max() <= 1e-5


def test_every_frame_of_the_past_matters_and_no_picture_of_the_future() -> None:
    net = awaken(StreamMoViNet(TINY))
    clip = pictures(TINY, 1, 6)
    logits, _ = _run(net, clip, [6])
    for place in range(6):
        changed = clip.clone()
        changed[:, place] = 255 - changed[:, place]
        other, _ = _run(net, changed, [6])
        assert (other - logits).abs().max() > 1e-6
        before, _ = _run(net, changed[:, :place], [place]) if place else (logits, {})
        same, _ = _run(net, clip[:, :place], [place]) if place else (logits, {})
        assert torch.equal(before, same)


def test_the_mean_is_the_papers_during_the_horizon() -> None:
    bounded, endless = (awaken(StreamMoViNet(TINY, horizon)) for horizon in (6, None))
    endless.load_state_dict(bounded.state_dict())
    clip = pictures(TINY, 1, 12)
    for frames, equal in ((6, True), (12, False)):
        ours, _ = _run(bounded, clip[:, :frames], [1] * frames)
        papers, _ = _run(endless, clip[:, :frames], [1] * frames)
        assert (float((ours - papers).abs().max()) <= 1e-5) is equal


def test_the_running_mean_is_the_mean() -> None:
    values = torch.rand(2, 30, 4, generator=torch.Generator().manual_seed(0))
    counts = torch.arange(1, 31).expand(2, 30)
    memory = Memory({"m": torch.zeros(2, 4)}, 1 / counts)
    means = memory.mean("m", values)
    for place in (0, 7, 29):
        assert torch.allclose(means[:, place], values[:, : place + 1].mean(dim=1), atol=1e-6)


def _answer(net: StreamMoViNet, quiet_frames: int) -> list[float]:
    """How far the scores have moved, frame by frame, after a scene that long has changed."""
    scenes = pictures(TINY, 1, 2)
    still, other = scenes[:, :1], scenes[:, 1:]
    logits, state = _run(net, still.expand(-1, 60, -1, -1, -1), [60])
    state[FRAMES] = state[FRAMES] + (quiet_frames - 60)  # as if the scene had stood so long
    moved = []
    with torch.inference_mode():
        for _ in range(10):
            changed, state = net(other, state)
            moved.append(float((changed - logits).abs().max()))
    return moved


def test_a_day_later_a_change_is_seen_as_fast_as_after_a_minute() -> None:
    bounded = awaken(StreamMoViNet(TINY, horizon=50))
    soon, late = _answer(bounded, 100), _answer(bounded, 5 * 86_400)
    assert soon == late
    assert soon[-1] > 1e-3
    # What it is there for: the paper's mean has all but stopped by then.
    endless = awaken(StreamMoViNet(TINY, horizon=None))
    endless.load_state_dict(bounded.state_dict())
    assert _answer(endless, 5 * 86_400)[-1] < 0.5 * _answer(endless, 100)[-1]


def test_the_mean_neither_drifts_nor_grows_dull_in_100_000_frames() -> None:
    """Run for real, for the one part of the state that is not simply overwritten."""
    weights = torch.full((1, 1000), 1 / 50)
    quiet, loud = torch.full((1, 1000, 1), 0.1), torch.full((1, 1000, 1), 0.9)
    state = {"m": torch.full((1, 1), 0.1)}
    steps = []
    for block in range(100):
        memory = Memory(state, weights)
        memory.mean("m", quiet)
        state = memory.new
        if block in (0, 99):
            answer = Memory(state, weights).mean("m", loud)[0, :10, 0]
            steps.append(answer)
    assert abs(float(state["m"]) - 0.1) < 1e-6
    assert torch.allclose(steps[0], steps[1], atol=1e-6)
    assert float(steps[0][0]) == pytest.approx(0.1 + 0.8 / 50, abs=1e-6)


@given(size=st.integers(1, 300), kernel=st.sampled_from([1, 3, 5]), stride=st.sampled_from([1, 2]))
def test_same_padding_divides_the_size(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert 0 <= before <= after <= before + 1
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize("side", [10, 11])
def test_the_skip_paths_mean_leaves_the_padding_out(side: int) -> None:
    """TensorFlow's average pooling with "SAME" padding, place by place."""
    x = torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(1))
    pooled = pool_same(x)
    before, _ = same_padding(side, 3, 2)
    assert pooled.shape[-1] == -(-side // 2)
    for row in range(pooled.shape[2]):
        for column in range(pooled.shape[3]):
            top, left = 2 * row - before, 2 * column - before
            part = x[:, :, max(top, 0) : top + 3, max(left, 0) : left + 3]
            assert torch.allclose(pooled[:, :, row, column], part.mean(dim=(2, 3)), atol=1e-6)


def test_the_base_network_sees_both_ways_and_any_length() -> None:
    net = awaken(BaseMoViNet(TINY))
    clip = pictures(TINY, 2, 7)
    with torch.inference_mode():
        logits = net(clip)
        assert logits.shape == (2, TINY.classes)
        assert (net(clip[:1])[0] - logits[0]).abs().max() <= 1e-5
        assert net(clip[:, :3]).shape == logits.shape
        changed = clip.clone()
        changed[:, -1] = 255 - changed[:, -1]
        assert (net(changed) - logits).abs().max() > 1e-6


def test_a_shape_survives_json() -> None:
    for config in (*SIZES.values(), TINY):
        assert MoViNetConfig.from_dict(config.to_dict()) == config


def test_one_step_of_training_moves_every_weight() -> None:
    net = awaken(StreamMoViNet(TINY)).train()
    logits, _ = net(pictures(TINY, 4, 6), net.initial_state(4))
    loss = nn.functional.cross_entropy(logits, torch.arange(4))
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
