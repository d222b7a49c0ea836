"""Small networks of the MoViNet family, random but awake."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from inference.models.movinet import MoViNetConfig

TINY = MoViNetConfig(
    side=32,
    stem=8,
    widths=(8, 16),
    stages=("16a", "24c 24b"),
    head=24,
    hidden=32,
    classes=5,
)
"""Every kind of layer once: with and without time, strided and not."""

Net = TypeVar("Net", bound=nn.Module)


def awaken(net: Net, seed: int = 0) -> Net:
    """Give a network weights that do something: as built, every block is switched off by alpha."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_mean"):
                value.copy_(0.1 * torch.randn(value.shape, generator=chance))
            elif name.endswith("running_var"):
                value.copy_(0.5 + torch.rand(value.shape, generator=chance))
            elif name.endswith("alpha"):
                value.fill_(0.7)
            elif name.endswith("bias"):
                value.copy_(0.1 * torch.randn(value.shape, generator=chance))
            elif value.ndim > 1:
                fan_in = value[0].numel()
                value.copy_(torch.randn(value.shape, generator=chance) * (2 / fan_in) ** 0.5)
    return net.eval()


def pictures(config: MoViNetConfig, streams: int, frames: int, seed: int = 0) -> Tensor:
    """Random clips (B, T, H, W, 3) uint8."""
    shape = (streams, frames, config.side, config.side, 3)
    chance = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance)
