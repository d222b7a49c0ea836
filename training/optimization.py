"""How weights move: the optimizer, its learning rate over the run, and the average that is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from inference.models.frame_encoder import ActionNet
from training.config import OptimizerConfig, ScheduleConfig, TrainConfig

# Of the one-cycle rule: rate at the start and at the end, below the greatest; range of momentum.
_START, _END = 1 / 25, 1 / 25e4
_LEAST_MOMENTUM, _MOST_MOMENTUM = 0.85, 0.95


def make_optimizer(net: ActionNet, config: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimizer over what learns.

    Args:
        net: The network; frozen weights are left out.
        config: What the run decides.

    Returns:
        AdamW (Loshchilov, Hutter 2019) or SGD with Nesterov's momentum.
    """
    chosen = config.optimizer
    encoder_rate = chosen.learning_rate * config.start.encoder_rate
    groups = [
        *_groups(net.encoder.parameters(), encoder_rate, chosen),
        *_groups(net.head.parameters(), chosen.learning_rate, chosen),
    ]
    if chosen.name == "sgd":
        return torch.optim.SGD(groups, momentum=chosen.momentum, nesterov=chosen.momentum > 0)
    return torch.optim.AdamW(groups, betas=(chosen.momentum, 0.999))


def _groups(
    weights: Iterable[nn.Parameter], rate: float, config: OptimizerConfig
) -> list[dict[str, Any]]:
    """Biases and the scales of norms do not decay."""
    learning = [weight for weight in weights if weight.requires_grad]
    large = [weight for weight in learning if weight.ndim > 1]
    small = [weight for weight in learning if weight.ndim <= 1]
    decays = ((large, config.weight_decay), (small, 0.0))
    return [
        {"params": chosen, "lr": rate, "weight_decay": decay} for chosen, decay in decays if chosen
    ]


class Schedule:
    """The learning rate of each update, a function of its number but for `plateau`."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, config: ScheduleConfig, steps: int
    ) -> None:
        """Remember the greatest rates, which the optimizer has now."""
        self._optimizer = optimizer
        self._config = config
        self._steps = steps
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._fallen = 1.0
        self._waited = 0

    def before(self, step: int) -> None:
        """Set the rate of update number `step`, counted from 1."""
        factor = rate_factor(self._config, step, self._steps) * self._fallen
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
            if self._config.name == "one-cycle":
                _set_momentum(group, _cycle_momentum(self._config, step, self._steps))

    def judge(self, better: bool) -> None:
        """Take note of a validation: `plateau` lowers the rate when none was better for long."""
        self._waited = 0 if better else self._waited + 1
        if self._config.name == "plateau" and self._waited >= self._config.patience:
            self._fallen *= self._config.factor
            self._waited = 0

    def state_dict(self) -> dict[str, float]:
        """Return what is not a function of the step."""
        return {"fallen": self._fallen, "waited": self._waited}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take up what `state_dict` gave."""
        self._fallen, self._waited = state["fallen"], int(state["waited"])


def rate_factor(config: ScheduleConfig, step: int, steps: int) -> float:
    """Compute the learning rate as a share of the greatest.

    ``one-cycle`` is Smith and Topin 2018 in the two phases of ``torch.optim.OneCycleLR``; the
    others rise in a straight line and then stay, fall by half a cosine to 0 (Loshchilov, Hutter
    2017, without restarts), or fall at given steps. ``plateau`` stays here: `Schedule` lowers it.

    Args:
        config: Which schedule.
        step: Number of the update, from 1.
        steps: Updates of the run.

    Returns:
        0 to 1.
    """
    if config.name == "one-cycle":
        rising, share = _phase(config, step, steps)
        return _eased(_START, 1.0, share) if rising else _eased(1.0, _END, share)
    warm = round(config.warmup * steps)
    if step <= warm:
        return step / warm
    if config.name == "cosine":
        return _eased(1.0, 0.0, (step - warm) / max(1, steps - warm))
    if config.name == "step":
        return config.factor ** sum(step > place * steps for place in config.steps)
    return 1.0


def _cycle_momentum(config: ScheduleConfig, step: int, steps: int) -> float:
    rising, share = _phase(config, step, steps)
    ends = (_MOST_MOMENTUM, _LEAST_MOMENTUM) if rising else (_LEAST_MOMENTUM, _MOST_MOMENTUM)
    return _eased(*ends, share)


def _phase(config: ScheduleConfig, step: int, steps: int) -> tuple[bool, float]:
    """Whether the rate rises, and the share of that phase that is over."""
    place, top = step - 1, max(0.0, config.warmup * steps - 1)
    if place <= top and top > 0:
        return True, place / top
    return False, (place - top) / max(1.0, steps - 1 - top)


def _eased(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, group["betas"][1])
    else:
        group["momentum"] = momentum


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move the average of weights towards the weights; statistics of the batch norms too.

    Args:
        average: Of the shape of `net`; changed in place.
        net: The network that learns.
        keep: Share of itself that the average keeps.
    """
    for mean, value in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)
