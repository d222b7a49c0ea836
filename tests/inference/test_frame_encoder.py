"""The default architecture: what each size may cost, which operators it may use, what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import ConfigError

pytest.importorskip("torch", reason="architectures need the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order  # torch may be missing
import onnx
import torch

from inference.bundle import Bundle, Label, ModelInput
from inference.models.frame_encoder import (
    SIZES,
    ActionNet,
    FrameEncoder,
    FrameEncoderConfig,
    TemporalHead,
    count_macs,
)
from inference.runtime import Runtime, open_session
from training.config import TrainConfig
from training.config_file import config_from_dict
from training.export import BundleFacts, export_bundle

_CLASSES = 17
_SHIPPED = Path(__file__).resolve().parents[2] / "models"

# Layers that the accelerators of cameras run in int8, and what holds them together. A depthwise or
# 3D convolution, a gate, an attention, another activation would be a new name or a new attribute.
_LAYERS = {"Conv", "Gemm", "MatMul", "Relu", "ReduceMean", "ReduceMax", "Softmax", "Sigmoid"}
_ARITHMETIC = {"Add", "Sub", "Mul", "Div", "Cast", "Constant"}
_SHAPES = {"Concat", "Flatten", "Reshape", "Transpose", "Shape", "Gather", "Slice", "Squeeze"}
_ALLOWED = _LAYERS | _ARITHMETIC | _SHAPES | {"Unsqueeze", "Identity", "Expand"}


def build(size: str) -> ActionNet:
    """A network with random weights, and norms as training leaves them: not the identity."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ActionNet(FrameEncoderConfig.of(size, _CLASSES)).eval()
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 2)
    return net


@pytest.fixture(name="net", scope="module", params=list(SIZES))
def fixture_net(request: pytest.FixtureRequest) -> Iterator[ActionNet]:
    """A network of each size."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield build(request.param)
    torch.set_num_threads(threads)


@pytest.fixture(name="bundle", scope="module")
def fixture_bundle(net: ActionNet, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same network, exported."""
    facts = BundleFacts(
        name="random",
        version="0.0.0",
        summary="Random weights.",
        labels=tuple(Label(f"action{n}", f"Action {n}") for n in range(_CLASSES)),
        input=ModelInput(128, 96, 12.5, 16, 2),
        temperature=1.7,
    )
    return export_bundle(net, facts, tmp_path_factory.mktemp("bundles") / "random")


def clip(frames: int) -> NDArray[np.uint8]:
    """Frames (T, 96, 128, 3) of noise."""
    return np.random.default_rng(0).integers(0, 256, (frames, 96, 128, 3), dtype=np.uint8)


def test_the_default_is_the_size_called_small() -> None:
    """The shipped bundles are of this size."""
    assert FrameEncoderConfig.of("small", _CLASSES) == FrameEncoderConfig(_CLASSES)


def test_no_size_costs_more_than_promised(net: ActionNet) -> None:
    """1.5 million parameters, a quarter of a billion multiply-accumulates per new frame."""
    encoder_macs, head_macs = count_macs(net.config)
    assert sum(weight.numel() for weight in net.parameters()) <= 1_500_000
    # A window comes with every second frame, so half a head is part of a frame's cost.
    assert encoder_macs + head_macs / 2 <= 250_000_000


def test_sizes_are_in_the_order_of_their_cost() -> None:
    """Counted by hand for one layer, so that the counter itself is checked."""
    costs = [count_macs(FrameEncoderConfig.of(size, _CLASSES))[0] for size in SIZES]
    assert costs == sorted(costs)
    stem = FrameEncoderConfig(1, width=32, height=32, channels=(16, 16, 16, 16), features=32)
    # Five strided layers and residual pairs at 16², 8², 4², 2² places; 1x1 squeeze; 64 -> 16 line.
    by_hand = 9 * 16 * (6 * 256 + 16 * (64 + 3 * 16 + 3 * 4)) + 16 * 16 * 4 + 64 * 16
    assert count_macs(stem)[0] == by_hand


def test_graphs_hold_only_what_cameras_run(bundle: Bundle) -> None:
    """No operator but these, no tensor above four dimensions, no odd channels, no 5x5."""
    for path in (bundle.encoder, bundle.head):
        check_graph(onnx.load(path))


def check_graph(model: onnx.ModelProto) -> None:
    """Fail for anything that an accelerator of a camera would not run."""
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    strange = {node.op_type for node in model.graph.node} - _ALLOWED
    assert not strange, f"operators {strange}"
    assert max_rank(model) <= 4, "a tensor of more than four dimensions"
    check_convolutions(model)


def max_rank(model: onnx.ModelProto) -> int:
    """Greatest number of dimensions of any tensor in a graph; all must be known."""
    graph = model.graph
    known = [*graph.input, *graph.output, *graph.value_info]
    shapes = {value.name: len(value.type.tensor_type.shape.dim) for value in known}
    shapes |= {weight.name: len(weight.dims) for weight in graph.initializer}
    made = {name for node in graph.node for name in node.output}
    assert made <= set(shapes), "the rank of a tensor is unknown"
    return max(shapes.values())


def check_convolutions(model: onnx.ModelProto) -> None:
    """Every convolution is an ordinary one, 3 wide or 1, from and to multiples of 16 channels."""
    weights = {weight.name: tuple(weight.dims) for weight in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        outputs, inputs, *kernel = weights[node.input[1]]
        groups = attributes.get("group", 1)
        assert groups == 1, f"{groups} groups"
        assert set(kernel) <= {1, 3}, f"a kernel of {kernel}"
        assert outputs % 16 == 0, f"{outputs} channels"
        # The picture and its difference from the last have three channels each.
        assert inputs == 6 or inputs % 16 == 0, f"{inputs} channels"


def one_layer(
    node: str, weight: tuple[int, ...], picture: tuple[int, ...], **attributes: Any
) -> Any:
    """A graph of one layer between float tensors, and what else a head has."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    values = np.zeros(weight, np.float32)
    inputs = ["in", "weight"] if node == "Conv" else ["in"]
    layers = [helper.make_node(node, inputs, ["out"], **attributes)]
    return helper.make_model(
        helper.make_graph(
            layers,
            "one",
            [helper.make_tensor_value_info("in", kind, picture)],
            [helper.make_tensor_value_info("out", kind, None)],
            [onnx.numpy_helper.from_array(values, "weight")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (("HardSwish", (1,), (1, 16, 8, 8)), "operators"),
        (("Relu", (1,), (1, 16, 2, 8, 8)), "four dimensions"),
        (("Conv", (32, 16, 3, 3, 3), (1, 16, 8, 8, 8)), "four dimensions"),
        (("Conv", (24, 16, 3, 3), (1, 16, 8, 8)), "24 channels"),
        (("Conv", (32, 8, 3, 3), (1, 8, 8, 8)), "8 channels"),
        (("Conv", (32, 16, 5, 5), (1, 16, 8, 8)), "5"),
    ],
)
def test_a_forbidden_layer_is_seen(model: tuple[Any, ...], words: str) -> None:
    """The checks above break for what they are there for."""
    check_graph(one_layer("Conv", (32, 16, 3, 3), (1, 16, 8, 8)))
    with pytest.raises(AssertionError, match=words):
        check_graph(one_layer(*model))


def test_a_depthwise_convolution_is_seen() -> None:
    """Ordinary ones only."""
    with pytest.raises(AssertionError, match="16 groups"):
        check_graph(one_layer("Conv", (32, 1, 3, 3), (1, 16, 8, 8), group=16))


def test_the_graphs_say_what_torch_says(net: ActionNet, bundle: Bundle) -> None:
    """Features, scores, logits and marks, to 1e-4."""
    frames, runtime = clip(17), Runtime(bundle)
    with torch.inference_mode():
        pair = torch.from_numpy(frames[1:]), torch.from_numpy(frames[:-1])
        features = net.encoder(*pair)[None]
        embedding = net.head.embed(features)
        logits = net(torch.from_numpy(frames)[None])
        marks = torch.sigmoid(net.head.mark(embedding)) if net.head.mark else None
    found = runtime.encode(frames[1:], frames[:-1])
    np.testing.assert_allclose(found, features[0], atol=1e-4)
    wanted = torch.softmax(logits / 1.7, dim=1)
    np.testing.assert_allclose(runtime.score(found[None]), wanted, atol=1e-4)
    outputs = open_session(bundle.head, 1).run(["logits", "marks"], {"features": found[None]})
    np.testing.assert_allclose(outputs[0], logits, atol=1e-4)
    assert marks is not None
    np.testing.assert_allclose(outputs[1], marks, atol=1e-4)


@pytest.mark.parametrize(
    "name", sorted(file.parent.name for file in _SHIPPED.glob("*/bundle.json"))
)
def test_shipped_bundles_keep_the_promise(name: str) -> None:
    """What the manifest says of the size is true, and it is small enough."""
    bundle = Bundle.load(_SHIPPED / name)
    shape = {key: value for key, value in bundle.manifest["architecture"].items() if key != "name"}
    # A bundle that says nothing of boundaries was made before there were any.
    config = FrameEncoderConfig.from_dict({"boundaries": False, **shape})
    parameters = sum(weight.numel() for weight in ActionNet(config).parameters())
    assert bundle.manifest["parameters"] == parameters <= 1_500_000
    told = bundle.manifest["macs_per_frame"], bundle.manifest["macs_per_window"]
    assert told == count_macs(config)
    assert sum(told) <= 250_000_000
    for path in (bundle.encoder, bundle.head):
        check_graph(onnx.load(path))


def make_positive(net: torch.nn.Module) -> None:
    """Give every weight the same sign, so that nothing a place depends on can cancel."""
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d):
            torch.nn.init.constant_(layer.weight, 0.01)


def extent(gradient: torch.Tensor) -> int:
    """How many neighbouring entries along the last axis a gradient reaches."""
    reached = gradient.abs().flatten(0, -2).amax(dim=0).nonzero()[:, 0]
    return int(reached[-1] - reached[0] + 1)


def test_a_place_sees_nearly_the_whole_picture() -> None:
    """127 of 128 by 96 pixels: a cell of the last map knows of the whole figure."""
    body = FrameEncoder(FrameEncoderConfig.of("nano", 2)).eval().body
    make_positive(body)
    picture = torch.ones(1, 6, 320, 320, requires_grad=True)
    (gradient,) = torch.autograd.grad(body(picture)[0, 0, 10, 10], picture)
    assert extent(gradient) == 127


def test_a_feature_sees_nine_frames_before_all_are_pooled() -> None:
    """Three convolutions over time, the last with gaps."""
    head = TemporalHead(FrameEncoderConfig.of("nano", 2)).eval()
    make_positive(head)
    features = torch.ones(1, 32, 96, requires_grad=True)
    x = torch.relu(head.enter(features.transpose(1, 2)))
    x = torch.relu(x + head.near(x))
    x = torch.relu(x + head.far(x))
    (gradient,) = torch.autograd.grad(x[0, 0, 16], features)
    assert extent(gradient.transpose(1, 2)) == 9


def test_a_configuration_names_a_size() -> None:
    """`net: base` in YAML; what the size does not say stays, a name that is none is told."""
    base = TrainConfig(FrameEncoderConfig(5, dropout=0.1), steps=7)
    config = config_from_dict({"net": "base"}, base)
    assert (config.net.channels, config.net.hidden) == ((32, 64, 96, 160), 160)
    assert (config.net.classes, config.net.dropout, config.steps) == (5, 0.1, 7)
    with pytest.raises(ConfigError, match=r"`huge` is no size. Known: nano, small, base"):
        config_from_dict({"net": "huge"}, base)
