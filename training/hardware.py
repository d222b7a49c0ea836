"""What a run computes on, and in which precision."""

from __future__ import annotations

import torch

from contracts.errors import ConfigError
from training.config import HardwareConfig

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def choose_device(config: HardwareConfig) -> tuple[torch.device, torch.dtype]:
    """Find what computes, and in which precision.

    Args:
        config: What is asked for.

    Returns:
        The device, and the type that convolutions and linear layers compute in.

    Raises:
        ConfigError: There is no such device, or it has no such precision.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "`hardware.device` is cuda, but torch finds no GPU.",
            "Set it to auto, or install torch's build for your GPU.",
        )
    gpu = config.device != "cpu" and torch.cuda.is_available()
    if config.precision == "fp16" and not gpu:
        raise ConfigError("`hardware.precision` fp16 needs a GPU.", "Accepted: auto, bf16, fp32.")
    automatic = "bf16" if not gpu or torch.cuda.is_bf16_supported(False) else "fp16"
    chosen = automatic if config.precision == "auto" else config.precision
    return torch.device("cuda" if gpu else "cpu"), _PRECISIONS[chosen]
