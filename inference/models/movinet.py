"""MoViNet A0 to A2 (arXiv 2103.11511): shapes, shared layers, and the base network for whole clips.

The networks of table 3 and appendix C without positional encoding, which A0 to A2 do not have.
Names of layers are those of the published PyTorch weights, so that a state dict of theirs loads as
it is. The streaming network is in `movinet_stream`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

BASE_ARCHITECTURE = "movinet-base"

_NORM_EPS = 1e-3
_KERNELS = {"a": (1, 5, 5), "b": (3, 3, 3), "c": (5, 3, 3), "d": (1, 3, 3)}
_STRIDES = (2, 2, 2, 1, 2)


@dataclass(frozen=True, slots=True)
class BlockShape:
    """One bottleneck block.

    Attributes:
        name: As the published weights call it, ``b1_l0``.
        inputs: Channels that come in.
        expanded: Channels of the depthwise convolution.
        outputs: Channels that go out.
        kernel: Of the depthwise convolution, (time, height, width).
        stride: Of height and width.
    """

    name: str
    inputs: int
    expanded: int
    outputs: int
    kernel: tuple[int, int, int]
    stride: int


@dataclass(frozen=True, slots=True)
class MoViNetConfig:
    """Shape of a network.

    Attributes:
        side: Width and height of a frame in pixels.
        stem: Channels of the first convolution.
        widths: Channels of each stage, five at most.
        stages: Blocks of each stage, as expanded channels and kernel: ``a`` is 1x5x5, ``b`` 3x3x3,
            ``c`` 5x3x3, ``d`` 1x3x3 (time, height, width).
        head: Channels of the last convolution.
        hidden: Channels between the two layers of the classifier.
        classes: Number of labels.
    """

    side: int
    stem: int
    widths: tuple[int, ...]
    stages: tuple[str, ...]
    head: int
    hidden: int = 2048
    classes: int = 600

    def blocks(self) -> Iterator[BlockShape]:
        """The bottleneck blocks in order."""
        inputs = self.stem
        for stage, (outputs, text) in enumerate(zip(self.widths, self.stages, strict=True)):
            for layer, block in enumerate(text.split()):
                stride = _STRIDES[stage] if layer == 0 else 1
                expanded, kernel = int(block[:-1]), _KERNELS[block[-1]]
                yield BlockShape(f"b{stage}_l{layer}", inputs, expanded, outputs, kernel, stride)
                inputs = outputs

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "widths": list(self.widths), "stages": list(self.stages)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MoViNetConfig:
        """Read what `to_dict` gave."""
        lists = {key: tuple(values[key]) for key in ("widths", "stages")}
        return cls(**{**values, **lists})


A0 = MoViNetConfig(
    side=172,
    stem=8,
    widths=(8, 32, 56, 56, 104),
    stages=(
        "24a",
        "80b 80b 80b",
        "184c 112b 184b",
        "184c 184b 184b 184b",
        "384c 280a 280a 344a",
    ),
    head=480,
)
A1 = MoViNetConfig(
    side=172,
    stem=16,
    widths=(16, 40, 64, 64, 136),
    stages=(
        "40a 40b",
        "96b 120b 96b 96b",
        "216c 128b 216b 168b 216b",
        "216c 216b 216b 128b 128a 216b",
        "456c 360a 360a 360a 456a 456b 544d",
    ),
    head=600,
)
A2 = MoViNetConfig(
    side=224,
    stem=16,
    widths=(16, 40, 72, 72, 144),
    stages=(
        "40a 40b 64b",
        "96b 120b 96b 96b 120b",
        "240c 160b 240b 192b 240b",
        "240c 240b 240b 240b 144a 240b",
        "480c 384a 384a 480a 480a 480b 576d",
    ),
    head=640,
)
SIZES = {"a0": A0, "a1": A1, "a2": A2}


def squeeze_channels(expanded: int, inputs_per_channel: int) -> int:
    """Channels inside a squeeze-excitation: a quarter of its input's, in multiples of eight."""
    wanted = expanded // 4 * inputs_per_channel
    rounded = max(8, (wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis as TensorFlow's "SAME" places them: the odd one after."""
    total = max(kernel - (stride if size % stride == 0 else size % stride), 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A 2D convolution whose output has the input's size divided by the stride, rounded up."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name for it
        """Return (N, C', H', W') of (N, C, H, W)."""
        return super().forward(_pad_picture(input, self.kernel_size, self.stride))


class SameConv3d(nn.Conv3d):
    """The same in 3D; time is padded evenly by the convolution itself."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name for it
        """Return (N, C', T, H', W') of (N, C, T, H, W)."""
        return super().forward(_pad_picture(input, self.kernel_size[1:], self.stride[1:]))


def _pad_picture(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    top, bottom = same_padding(x.shape[-2], kernel[0], stride[0])
    left, right = same_padding(x.shape[-1], kernel[1], stride[1])
    if top == bottom == left == right == 0:
        return x
    return functional.pad(x, (left, right, top, bottom))


def pool_same(x: Tensor) -> Tensor:
    """Average 3x3 places with stride 2, padding excluded, as the skip path does.

    Args:
        x: (N, C, H, W).

    Returns:
        (N, C, H', W') with sizes divided by two, rounded up.
    """
    padded = _pad_picture(x, (3, 3), (2, 2))
    inside = _pad_picture(torch.ones_like(x[:1, :1]), (3, 3), (2, 2))
    total = functional.avg_pool2d(padded, 3, 2)
    return total / functional.avg_pool2d(inside, 3, 2)


class PoolSkip(nn.Module):
    """`pool_same` as a layer, for pictures with or without a time axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H', W') of (N, C, H, W), or (N, C, T, H', W') of (N, C, T, H, W)."""
        if x.ndim == 4:
            return pool_same(x)
        folded = pool_same(x.transpose(1, 2).flatten(0, 1))  # (N * T, C, H', W')
        return folded.reshape(x.shape[0], -1, *folded.shape[1:]).transpose(1, 2)


def unit(
    convolution: nn.Conv2d | nn.Conv3d, activation: Callable[[], nn.Module] | None, *, norm: bool
) -> nn.Sequential:
    """Join a convolution, its normalisation and its activation under the published names.

    Args:
        convolution: 2D or 3D.
        activation: Makes the activation; none without.
        norm: Whether a batch normalisation follows the convolution.
    """
    flat = isinstance(convolution, nn.Conv2d)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv2d" if flat else "conv3d"] = convolution
    if norm:
        batch_norm = nn.BatchNorm2d if flat else nn.BatchNorm3d
        layers["norm"] = batch_norm(convolution.out_channels, eps=_NORM_EPS)
    if activation is not None:
        layers["act"] = activation()
    return nn.Sequential(layers)


class BaseConv(nn.Module):
    """A 3D convolution with its normalisation and swish, as the base networks have them."""

    def __init__(self, convolution: nn.Conv3d, *, norm: bool = True, swish: bool = True) -> None:
        """Join the layers."""
        super().__init__()
        self.conv_1 = unit(convolution, nn.SiLU if swish else None, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', T, H', W') of (B, C, T, H, W)."""
        result: Tensor = self.conv_1(x)
        return result


def _point(inputs: int, outputs: int, *, bias: bool = False) -> SameConv3d:
    return SameConv3d(inputs, outputs, 1, bias=bias)


class _BaseSqueeze(nn.Module):
    """Squeeze-excitation over the whole clip (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = squeeze_channels(channels, 1)
        self.fc1 = BaseConv(_point(channels, inner, bias=True), norm=False)
        self.fc2 = BaseConv(_point(inner, channels, bias=True), norm=False, swish=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of (B, C, T, H, W)."""
        mean = x.mean(dim=(2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
        return x * torch.sigmoid(self.fc2(self.fc1(mean)))


class _BaseBlock(nn.Module):
    """A bottleneck with a residual scaled by ``alpha`` (ReZero, arXiv 2003.04887)."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        time = shape.kernel[0] // 2
        depthwise = SameConv3d(
            shape.expanded,
            shape.expanded,
            shape.kernel,
            (1, shape.stride, shape.stride),
            (time, 0, 0),
            groups=shape.expanded,
            bias=False,
        )
        self.expand = BaseConv(_point(shape.inputs, shape.expanded))
        self.deep = BaseConv(depthwise)
        self.se = _BaseSqueeze(shape.expanded)
        self.project = BaseConv(_point(shape.expanded, shape.outputs), swish=False)
        self.res = (
            nn.Sequential(PoolSkip(), BaseConv(_point(shape.inputs, shape.outputs), swish=False))
            if shape.stride > 1
            else nn.Identity()
        )
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', T, H', W') of (B, C, T, H, W)."""
        skip: Tensor = self.res(x)
        inner: Tensor = self.project(self.se(self.deep(self.expand(x))))
        return skip + self.alpha * inner


class BaseMoViNet(nn.Module):
    """The base network: every frame sees the frames before and after it; whole clips only."""

    def __init__(self, config: MoViNetConfig) -> None:
        """Build the layers with random weights; ``alpha`` is zero as at the start of training."""
        super().__init__()
        self.config = config
        self.conv1 = BaseConv(SameConv3d(3, config.stem, (1, 3, 3), (1, 2, 2), bias=False))
        self.blocks = nn.Sequential(
            OrderedDict((shape.name, _BaseBlock(shape)) for shape in config.blocks())
        )
        self.conv7 = BaseConv(_point(config.widths[-1], config.head))
        self.classifier = nn.Sequential(
            BaseConv(_point(config.head, config.hidden, bias=True), norm=False, swish=False),
            nn.SiLU(),
            nn.Dropout(0.2),
            BaseConv(_point(config.hidden, config.classes, bias=True), norm=False, swish=False),
        )

    def forward(self, clips: Tensor) -> Tensor:
        """Score whole clips.

        Args:
            clips: (B, T, H, W, 3) uint8 RGB at 5 frames/s.

        Returns:
            (B, classes) float32 logits.
        """
        x = clips.permute(0, 4, 1, 2, 3).to(torch.float32) / 255  # (B, 3, T, H, W)
        x = self.conv7(self.blocks(self.conv1(x)))
        x = x.mean(dim=(2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
        logits: Tensor = self.classifier(x)
        return logits.flatten(1)
