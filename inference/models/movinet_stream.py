"""MoViNet-Stream (arXiv 2103.11511, section 3.2): one frame at a time, the past in named tensors.

Convolutions are (2+1)D and causal: each depthwise convolution in time keeps the pictures it will
need again in a buffer, and zeros stand before the first frame. Squeeze-excitation and head see a
running mean over the frames so far.

Deviation: the paper's mean weighs all frames since the start alike, so that after an hour at 5
frames/s a new frame weighs 1/18,000 and nothing changes any more. Here a frame never weighs less
than ``1/horizon``: the mean is the paper's during the first ``horizon`` frames, and forgets
exponentially after that. Without a horizon it is the paper's for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from inference.models.movinet import (
    BlockShape,
    MoViNetConfig,
    PoolSkip,
    SameConv2d,
    squeeze_channels,
    unit,
)

STREAM_ARCHITECTURE = "movinet-stream"
HORIZON = 50
"""Frames that a published network saw in training: 10 s at 5 frames/s (the paper's table 1)."""

FRAMES = "frames"
"""Name of the state that counts the frames so far, up to the horizon."""

State = Mapping[str, Tensor]


@dataclass(slots=True, eq=False)
class Memory:
    """The past on its way through the network.

    Attributes:
        old: State before these frames, by name.
        weights: For each new frame, its share in a running mean: (B, T).
        new: State after them, filled by the layers.
    """

    old: State
    weights: Tensor
    new: dict[str, Tensor] = field(default_factory=dict)

    def mean(self, name: str, x: Tensor) -> Tensor:
        """Go on with a running mean.

        Args:
            name: Of the state, (B, C).
            x: (B, T, C).

        Returns:
            The mean after each frame, (B, T, C).
        """
        mean, means = self.old[name], []
        for place in range(x.shape[1]):
            mean = mean + (x[:, place] - mean) * self.weights[:, place, None]
            means.append(mean)
        self.new[name] = mean
        return torch.stack(means, dim=1)

    def buffer(self, name: str, x: Tensor) -> Tensor:
        """Put the pictures kept before the new ones, and keep the last of them.

        Args:
            name: Of the state, (B, C, K, H, W).
            x: (B, C, T, H, W).

        Returns:
            (B, C, K + T, H, W).
        """
        kept = self.old[name]
        joined = torch.cat([kept, x], dim=2)
        self.new[name] = joined[:, :, joined.shape[2] - kept.shape[2] :]
        return joined


class StreamConv(nn.Module):
    """A 2D convolution per frame and, where time is spanned, a causal one over frames."""

    def __init__(
        self,
        picture: nn.Conv2d,
        time: nn.Conv2d | None = None,
        *,
        norm: bool = True,
        act: bool = True,
    ) -> None:
        """Join the layers.

        Args:
            picture: Over height and width.
            time: Over frames, with a kernel of (T, 1).
            norm: Whether each is followed by a batch normalisation.
            act: Whether each is followed by a hard swish.
        """
        super().__init__()
        activation = nn.Hardswish if act else None
        self.conv_1 = unit(picture, activation, norm=norm)
        if time is not None:
            self.conv_2 = unit(time, activation, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', H', W') of (N, C, H, W): the part per frame."""
        result: Tensor = self.conv_1(x)
        return result

    def over_time(self, x: Tensor) -> Tensor:
        """Return (B, C, T, H, W) of (B, C, K + T, H, W): the part over frames."""
        result: Tensor = self.conv_2(x.flatten(3))  # (B, C, T, H * W)
        return result.reshape(*result.shape[:3], *x.shape[3:])


def _point(inputs: int, outputs: int, *, bias: bool = False) -> SameConv2d:
    return SameConv2d(inputs, outputs, 1, bias=bias)


class _StreamSqueeze(nn.Module):
    """Squeeze-excitation on the running mean beside the frame's own (appendix A.4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = squeeze_channels(channels, 2)
        self.fc1 = StreamConv(_point(2 * channels, inner, bias=True), norm=False)
        self.fc2 = StreamConv(_point(inner, channels, bias=True), norm=False, act=False)

    def forward(self, x: Tensor, running: Tensor, now: Tensor) -> Tensor:
        """Scale the channels.

        Args:
            x: (B * T, C, H, W).
            running: (B * T, C) running mean.
            now: (B * T, C) mean of each frame.

        Returns:
            (B * T, C, H, W).
        """
        seen = torch.cat([running, now], dim=1)[:, :, None, None]  # (B * T, 2C, 1, 1)
        gate = self.fc2(self.fc1(seen))
        return x * torch.clamp(0.2 * gate + 0.5, 0, 1)


class _StreamBlock(nn.Module):
    """A bottleneck with a residual scaled by ``alpha``."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.shape = shape
        channels, (time, height, width) = shape.expanded, shape.kernel
        picture = SameConv2d(
            channels, channels, (height, width), shape.stride, groups=channels, bias=False
        )
        over_time = nn.Conv2d(channels, channels, (time, 1), groups=channels, bias=False)
        self.expand = StreamConv(_point(shape.inputs, channels))
        self.deep = StreamConv(picture, over_time if time > 1 else None)
        self.se = _StreamSqueeze(channels)
        self.project = StreamConv(_point(channels, shape.outputs), act=False)
        self.res = (
            nn.Sequential(PoolSkip(), StreamConv(_point(shape.inputs, shape.outputs), act=False))
            if shape.stride > 1
            else nn.Identity()
        )
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """Return (B * T, C', H', W') of (B * T, C, H, W)."""
        batch = memory.weights.shape[0]
        skip: Tensor = self.res(x)
        inner: Tensor = self.deep(self.expand(x))
        if self.shape.kernel[0] > 1:
            ordered = _by_stream(inner, batch).transpose(1, 2)  # (B, C, T, H, W)
            joined = memory.buffer(f"{self.shape.name}.buffer", ordered)
            inner = self.deep.over_time(joined).transpose(1, 2).flatten(0, 1)
        now = inner.mean(dim=(2, 3))  # (B * T, C)
        running = memory.mean(f"{self.shape.name}.mean", _by_stream(now, batch))
        inner = self.project(self.se(inner, running.flatten(0, 1), now))
        return skip + self.alpha * inner


def _by_stream(x: Tensor, batch: int) -> Tensor:
    """Return (B, T, ...) of (B * T, ...)."""
    return x.reshape(batch, -1, *x.shape[1:])


class StreamMoViNet(nn.Module):
    """The streaming network: any number of new frames and the state, to scores and the state."""

    def __init__(self, config: MoViNetConfig, horizon: int | None = HORIZON) -> None:
        """Build the layers with random weights; ``alpha`` is zero as at the start of training.

        Args:
            config: Shape of the network.
            horizon: A frame weighs at least ``1/horizon`` in every mean; ``None`` never forgets.
        """
        super().__init__()
        self.config = config
        self.horizon = horizon
        stem = SameConv2d(3, config.stem, 3, 2, bias=False)
        self.conv1 = StreamConv(stem)
        self.blocks = nn.ModuleDict(
            OrderedDict((shape.name, _StreamBlock(shape)) for shape in config.blocks())
        )
        self.conv7 = StreamConv(_point(config.widths[-1], config.head))
        self.classifier = nn.Sequential(
            StreamConv(_point(config.head, config.hidden, bias=True), norm=False, act=False),
            nn.SiLU(),
            nn.Dropout(0.2),
            StreamConv(_point(config.hidden, config.classes, bias=True), norm=False, act=False),
        )

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each state tensor of one stream, by name, in the order of the graph's inputs."""
        shapes: dict[str, tuple[int, ...]] = {FRAMES: (1,)}
        side = -(-self.config.side // 2)
        for shape in self.config.blocks():
            side = -(-side // shape.stride)
            if shape.kernel[0] > 1:
                kept = (shape.expanded, shape.kernel[0] - 1, side, side)
                shapes[f"{shape.name}.buffer"] = kept
            shapes[f"{shape.name}.mean"] = (shape.expanded,)
        return {**shapes, "head.mean": (self.config.head,)}

    def initial_state(self, streams: int = 1) -> dict[str, Tensor]:
        """State before the first frame: zeros.

        Args:
            streams: How many streams go through the network together.
        """
        return {name: torch.zeros(streams, *shape) for name, shape in self.state_shapes().items()}

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, dict[str, Tensor]]:
        """Take the next frames of some streams.

        Args:
            frames: (B, T, H, W, 3) uint8 RGB at 5 frames/s.
            state: What the call before returned, or `initial_state`.

        Returns:
            (B, classes) float32 logits after the last frame, and the state for the next call.
        """
        batch, time = frames.shape[:2]
        memory = self._remember(state, time)
        x = frames.flatten(0, 1).permute(0, 3, 1, 2).to(torch.float32) / 255  # (B * T, 3, H, W)
        x = self.conv1(x)
        for block in self.blocks.values():
            x = block(x, memory)
        now = self.conv7(x).mean(dim=(2, 3))  # (B * T, C)
        running = memory.mean("head.mean", _by_stream(now, batch))
        logits: Tensor = self.classifier(running[:, -1, :, None, None])
        return logits.flatten(1), memory.new

    def _remember(self, state: State, time: int) -> Memory:
        """Count the new frames, and say what each weighs in a running mean."""
        seen = state[FRAMES]  # (B, 1)
        counts = seen + torch.arange(1, time + 1, device=seen.device)  # (B, T)
        if self.horizon is not None:
            counts = counts.clamp(max=self.horizon)
        return Memory(state, 1 / counts, {FRAMES: counts[:, -1:]})
