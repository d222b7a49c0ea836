"""The default architecture: a 2D network per frame, and a small temporal head over its features.

A frame's features depend on that frame and the sampled frame before it, on nothing else. So they
can be kept in a ring and scored again in every window they fall in: a live stream costs one encoder
run per new frame, and live scores equal offline scores. All tensors have four dimensions or fewer,
all convolutions are ordinary 3x3 ones with channels in multiples of 16 and ReLU, which is what
camera accelerators run well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ARCHITECTURE = "frame-encoder"

SIZES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "nano": {"channels": (16, 32, 32, 64), "layout": 16, "features": 96, "hidden": 64},
        "small": {"channels": (16, 32, 64, 128), "layout": 16, "features": 192, "hidden": 128},
        "base": {"channels": (32, 64, 96, 160), "layout": 32, "features": 256, "hidden": 160},
    }
)
"""Fields of `FrameEncoderConfig` by the name of a size; `small` is the default. All see the same
frames, so that they share what is cached of a dataset, and one can teach another."""


@dataclass(frozen=True, slots=True)
class FrameEncoderConfig:
    """Shape of the network.

    Attributes:
        classes: Number of labels.
        width: Width of a frame in pixels; a multiple of 16.
        height: Height of a frame in pixels; a multiple of 16.
        frames: Frames in one window.
        channels: Channels of the stem and of the three stages, each at half the size of the last.
        layout: Channels kept with their place in the picture; what is averaged loses the place,
            and with it whether a figure travels.
        features: Length of one frame's feature vector.
        hidden: Channels of the temporal head.
        dropout: Share of features dropped in training, before each half of the head.
        boundaries: Whether the head also tells where actions start, end and go on.
        recent: Newest frames of a window that are pooled once more by themselves, so that the head
            can tell what begins from what ends; 0 for none.
    """

    classes: int
    width: int = 128
    height: int = 96
    frames: int = 16
    channels: tuple[int, int, int, int] = (16, 32, 64, 128)
    layout: int = 16
    features: int = 192
    hidden: int = 128
    dropout: float = 0.3
    boundaries: bool = True
    recent: int = 0

    @property
    def embedding(self) -> int:
        """Length of the vector that the head's outputs are read from."""
        return (4 if self.recent else 2) * self.hidden

    @classmethod
    def of(cls, size: str, classes: int) -> FrameEncoderConfig:
        """Make the shape of a size.

        Args:
            size: A name of `SIZES`.
            classes: Number of labels.
        """
        return cls(classes, **SIZES[size])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "channels": list(self.channels)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FrameEncoderConfig:
        """Read what `to_dict` gave."""
        return cls(**{**values, "channels": tuple(values["channels"])})


class _Residual(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2016, section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(channels, channels), *_conv(channels, channels, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) of (N, C, H, W)."""
        return functional.relu(x + self.body(x))


class FrameEncoder(nn.Module):
    """One frame and the one before it to a feature vector."""

    # Mean and deviation of a picture's values in 0..1, rounded: any video's are near enough.
    mean, deviation = 0.45, 0.25
    # Differences between frames are mostly far smaller than the values themselves.
    difference_deviation = 0.1

    def __init__(self, config: FrameEncoderConfig) -> None:
        """Build the layers with random weights."""
        super().__init__()
        stem, first, second, third = config.channels
        self.body = nn.Sequential(
            *_conv(6, stem, stride=2),  # (N, 16, 48, 64)
            *_conv(stem, first, stride=2),  # (N, 32, 24, 32)
            *_conv(first, second, stride=2),  # (N, 64, 12, 16)
            _Residual(second),
            *_conv(second, third, stride=2),  # (N, 128, 6, 8)
            _Residual(third),
        )
        self.cells = (config.height // 16, config.width // 16)
        self.squeeze = nn.Sequential(*_conv(third, config.layout, kernel=1))
        placed = config.features - third
        self.place = nn.Linear(self.cells[0] * self.cells[1] * config.layout, placed)

    def forward(self, frame: Tensor, previous: Tensor) -> Tensor:
        """Compute features.

        Args:
            frame: (N, H, W, 3) uint8 RGB, in the size of the configuration; early training also
                shows smaller ones.
            previous: The sampled frames before them, in the same shape.

        Returns:
            (N, D) float32.
        """
        # bfloat16 holds 0..255 and their differences exactly; training saves half the traffic.
        kind = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
        now = frame.permute(0, 3, 1, 2).to(kind)  # (N, 3, H, W)
        before = previous.permute(0, 3, 1, 2).to(kind)
        picture = (now - 255 * self.mean) * (1 / (255 * self.deviation))
        difference = (now - before) * (1 / (255 * self.difference_deviation))
        x = self.body(torch.cat([picture, difference], dim=1))  # (N, 128, 6, 8)
        averaged = x.mean(dim=(2, 3))  # (N, 128)
        squeezed = self.squeeze(x)  # (N, 16, 6, 8)
        if squeezed.shape[2:] != self.cells:  # smaller pictures, in training only
            squeezed = functional.interpolate(squeezed, size=self.cells)
        placed = functional.relu(self.place(squeezed.flatten(1)))  # (N, 64)
        return torch.cat([averaged, placed], dim=1)


class TemporalHead(nn.Module):
    """A window of features to one logit per class."""

    def __init__(self, config: FrameEncoderConfig) -> None:
        """Build the layers with random weights."""
        super().__init__()
        self.drop = nn.Dropout(config.dropout)
        self.enter = nn.Conv1d(config.features, config.hidden, 3, padding=1)
        self.near = nn.Conv1d(config.hidden, config.hidden, 3, padding=1)
        self.far = nn.Conv1d(config.hidden, config.hidden, 3, padding=2, dilation=2)
        self.recent = config.recent
        self.classify = nn.Linear(config.embedding, config.classes)
        self.mark = nn.Linear(config.embedding, 3) if config.boundaries else None

    def forward(self, features: Tensor) -> Tensor:
        """Compute logits.

        Args:
            features: (B, T, D) float32, oldest frame first.

        Returns:
            (B, classes) float32.
        """
        return self.decide(self.embed(features))

    def decide(self, embedding: Tensor) -> Tensor:
        """Compute logits (B, classes) of what `embed` gave."""
        logits: Tensor = self.classify(self.drop(embedding))
        return logits

    def embed(self, features: Tensor) -> Tensor:
        """Compute what all outputs are read from: (B, E) of features (B, T, D)."""
        x = self.drop(features).transpose(1, 2)  # (B, D, T)
        x = functional.relu(self.enter(x))  # (B, hidden, T)
        x = functional.relu(x + self.near(x))
        x = functional.relu(x + self.far(x))
        spans = (x, x[:, :, -self.recent :]) if self.recent else (x,)
        pooled = [pool for span in spans for pool in (span.mean(dim=2), span.amax(dim=2))]
        return torch.cat(pooled, dim=1)  # (B, 2 * hidden), or twice that


class ActionNet(nn.Module):
    """Encoder and head together, as they are trained."""

    def __init__(self, config: FrameEncoderConfig) -> None:
        """Build both with random weights."""
        super().__init__()
        self.config = config
        self.encoder = FrameEncoder(config)
        self.head = TemporalHead(config)

    def forward(self, clips: Tensor) -> Tensor:
        """Score whole clips.

        Args:
            clips: (B, T + 1, H, W, 3) uint8 RGB: a window and the frame before it.

        Returns:
            (B, classes) float32 logits.
        """
        return self.head.decide(self.embed(clips))

    def embed(self, clips: Tensor) -> Tensor:
        """Compute what the head's outputs are read from: (B, E) float32 of clips as above."""
        size, frames = clips.shape[0], clips.shape[1] - 1
        frame = clips[:, 1:].flatten(0, 1)  # (B * T, H, W, 3)
        previous = clips[:, :-1].flatten(0, 1)
        features = self.encoder(frame, previous).float()  # (B * T, D)
        return self.head.embed(features.view(size, frames, -1))


def _conv(
    inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3, relu: bool = True
) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs)]
    return [*layers, nn.ReLU()] if relu else layers


def count_macs(config: FrameEncoderConfig) -> tuple[int, int]:
    """Count multiply-accumulates of the convolutions and linear layers by running them once.

    Args:
        config: Shape of the network.

    Returns:
        Those of the encoder for one frame, and of the head for one window.
    """
    total = 0

    def add(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        places = 1 if isinstance(layer, nn.Linear) else output[0, 0].numel()
        total += places * weight.numel()

    net = ActionNet(config).eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    frame = torch.zeros(1, config.height, config.width, 3, dtype=torch.uint8)
    with torch.inference_mode():
        features = net.encoder(frame, frame)
        encoder_macs, total = total, 0
        net.head(features[:, None].expand(-1, config.frames, -1))
    return encoder_macs, total
