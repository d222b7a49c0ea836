"""Rates and groups of weights; the one-cycle rule against torch's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order  # torch may be missing
import torch

from inference.models.frame_encoder import ActionNet, FrameEncoderConfig
from training.config import OptimizerConfig, ScheduleConfig, StartConfig, TrainConfig
from training.optimization import Schedule, follow, make_optimizer, rate_factor

_NET = FrameEncoderConfig(classes=3, width=32, height=32, channels=(16, 16, 16, 16), features=32)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_one_cycle_is_that_of_torch(name: Literal["adamw", "sgd"]) -> None:
    """Rate and momentum of every update."""
    config = TrainConfig(_NET, optimizer=OptimizerConfig(name))
    own, theirs = (make_optimizer(ActionNet(_NET), config) for _ in range(2))
    schedule = Schedule(own, ScheduleConfig(warmup=0.3), 50)
    reference = torch.optim.lr_scheduler.OneCycleLR(theirs, 3e-3, total_steps=50, pct_start=0.3)
    for step in range(1, 51):
        schedule.before(step)
        assert _state(own) == pytest.approx(_state(theirs))
        theirs.step()
        if step < 50:
            reference.step()


def _state(optimizer: torch.optim.Optimizer) -> list[float]:
    group: dict[str, Any] = optimizer.param_groups[0]
    return [group["lr"], group["betas"][0] if "betas" in group else group["momentum"]]


def test_rates_rise_in_a_line_and_then_follow_their_rule() -> None:
    def rates(name: Any) -> list[float]:
        config = ScheduleConfig(name, warmup=0.2, steps=(0.5,), factor=0.5)
        return [rate_factor(config, step, 10) for step in range(1, 11)]

    assert rates("constant") == [0.5] + [1] * 9
    assert rates("step") == [0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]
    cosine = rates("cosine")
    assert cosine[:2] == [0.5, 1]
    assert cosine[5] == pytest.approx(0.5)
    assert cosine[-1] == pytest.approx(0)
    assert rate_factor(ScheduleConfig("constant", warmup=0), 1, 10) == 1
    assert rate_factor(ScheduleConfig("one-cycle", warmup=0), 1, 10) == 1


def test_a_plateau_lowers_the_rate_and_is_remembered() -> None:
    config = TrainConfig(_NET, schedule=ScheduleConfig("plateau", warmup=0, patience=2))
    optimizer = make_optimizer(ActionNet(_NET), config)
    schedule = Schedule(optimizer, config.schedule, 100)
    for better in (True, False, True, False, False):
        schedule.judge(better)
    schedule.before(50)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(3e-4)
    again = Schedule(make_optimizer(ActionNet(_NET), config), config.schedule, 100)
    again.load_state_dict(schedule.state_dict())
    assert again.state_dict() == schedule.state_dict()


def test_biases_do_not_decay_and_the_encoder_learns_slower() -> None:
    net, config = ActionNet(_NET), TrainConfig(_NET, start=StartConfig(encoder_rate=0.1))
    groups = make_optimizer(net, config).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([3e-4, 3e-4, 3e-3, 3e-3])
    assert [group["weight_decay"] for group in groups] == [0.05, 0, 0.05, 0]
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))
    for group in groups:
        assert all((weight.ndim > 1) == (group["weight_decay"] > 0) for weight in group["params"])
    net.encoder.requires_grad_(False)
    frozen = make_optimizer(net, replace(config, optimizer=OptimizerConfig("sgd")))
    assert sum(len(group["params"]) for group in frozen.param_groups) == len(
        list(net.head.parameters())
    )


def test_the_average_moves_its_share() -> None:
    average, net = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    net.weight.data.fill_(3.0)
    net.state_dict()["num_batches_tracked"].fill_(7)
    follow(average, net, 0.75)
    assert average.weight.item() == 1.5
    assert int(average.state_dict()["num_batches_tracked"]) == 7
