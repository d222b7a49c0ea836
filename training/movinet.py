"""MoViNet networks to bundles: one graph for a frame and the state, or one for a whole clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference.bundle import SCHEMA, Bundle, ModelInput
from inference.models.movinet import BASE_ARCHITECTURE, BaseMoViNet, MoViNetConfig
from inference.models.movinet_stream import HORIZON, STREAM_ARCHITECTURE, StreamMoViNet
from inference.stateful import NEXT
from training.export import export_graph, save_weights, write_bundle

FPS = 5.0
"""Frames per second that the published networks were trained at."""
CLIP_STRIDE = 10
"""Frames between two clips of a base network, which computes every clip anew: two seconds."""

_STEP_FILE = "step.onnx"
_CLIP_FILE = "clip.onnx"


def export_stream(net: StreamMoViNet, facts: dict[str, Any], path: Path) -> Bundle:
    """Write the bundle of a streaming network: one graph for a frame and the state.

    Args:
        net: With its weights; must forget, for a stream has no end.
        facts: What the manifest says beside shape and graph: name, version, labels and so on.
        path: Folder of the bundle; replaced.

    Returns:
        The bundle as read back and verified.

    Raises:
        ValueError: The network has no horizon.
    """
    horizon = net.horizon
    if horizon is None:
        raise ValueError("a network that never forgets cannot watch a stream: give it a horizon")
    net.eval()

    def fill(folder: Path) -> dict[str, Any]:
        frame = _blank(net.config, 2)
        state = net.initial_state(2)
        outputs = ["scores", *(NEXT + name for name in state)]
        export_graph(_Step(net), {"frame": frame, "state": state}, outputs, folder / _STEP_FILE)
        save_weights(net, folder)
        return {
            **_manifest(net, horizon, 1, facts),
            "graphs": {"step": _STEP_FILE},
            "architecture": {
                "name": STREAM_ARCHITECTURE,
                "horizon": horizon,
                **net.config.to_dict(),
            },
            "macs_per_frame": count_macs(net, frame[:1, None], net.initial_state()),
            "macs_per_window": 0,
        }

    return write_bundle(path, fill)


def export_clip(
    net: BaseMoViNet, facts: dict[str, Any], path: Path, frames: int = HORIZON
) -> Bundle:
    """Write the bundle of a base network: one graph for a whole clip.

    Args:
        net: With its weights.
        facts: What the manifest says beside shape and graph: name, version, labels and so on.
        path: Folder of the bundle; replaced.
        frames: Of one clip.

    Returns:
        The bundle as read back and verified.
    """
    net.eval()

    def fill(folder: Path) -> dict[str, Any]:
        clip = _blank(net.config, 2)[:, None].repeat(1, frames, 1, 1, 1)
        export_graph(_Clip(net), {"clip": clip}, ["scores"], folder / _CLIP_FILE)
        save_weights(net, folder)
        macs = count_macs(net, clip[:1])
        return {
            **_manifest(net, frames, CLIP_STRIDE, facts),
            "graphs": {"clip": _CLIP_FILE},
            "architecture": {"name": BASE_ARCHITECTURE, **net.config.to_dict()},
            "macs_per_frame": macs // CLIP_STRIDE,
            "macs_per_window": macs,
        }

    return write_bundle(path, fill)


def count_macs(net: nn.Module, *inputs: Any) -> int:
    """Count multiply-accumulates of the convolutions by running a network once.

    Args:
        net: Any network of 2D and 3D convolutions.
        *inputs: What it is called with; one stream or clip.
    """
    total = 0

    def add(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer.weight, Tensor)
        total += output[0, 0].numel() * layer.weight.numel()

    hooks = [
        layer.register_forward_hook(add)
        for layer in net.modules()
        if isinstance(layer, nn.Conv2d | nn.Conv3d)
    ]
    with torch.inference_mode():
        net(*inputs)
    for hook in hooks:
        hook.remove()
    return total


class _Step(nn.Module):
    """One frame of each stream: the state goes in and comes out as a tuple."""

    def __init__(self, net: StreamMoViNet) -> None:
        super().__init__()
        self.net = net
        self.names = list(net.state_shapes())

    def forward(self, frame: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return scores (B, classes) and the next state, of frames (B, H, W, 3)."""
        logits, after = self.net(frame[:, None], dict(zip(self.names, state, strict=True)))
        return torch.softmax(logits, dim=1), *(after[name] for name in self.names)


class _Clip(nn.Module):
    """Whole clips to scores."""

    def __init__(self, net: BaseMoViNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, clip: Tensor) -> Tensor:
        """Return scores (B, classes) of clips (B, T, H, W, 3)."""
        return torch.softmax(self.net(clip), dim=1)


def _blank(config: MoViNetConfig, count: int) -> Tensor:
    return torch.zeros(count, config.side, config.side, 3, dtype=torch.uint8)


def _manifest(
    net: BaseMoViNet | StreamMoViNet, frames: int, stride: int, facts: Mapping[str, Any]
) -> dict[str, Any]:
    side = net.config.side
    return {
        "schema": SCHEMA,
        **facts,
        "input": asdict(ModelInput(side, side, FPS, frames, stride)),
        "normalisation": {
            "inside_graph": True,
            "frames": "(N, height, width, 3) uint8 RGB, the whole picture stretched, area averaged",
            "range": "0 to 1",
        },
        "temperature": 1.0,
        "parameters": sum(weight.numel() for weight in net.parameters()),
    }
