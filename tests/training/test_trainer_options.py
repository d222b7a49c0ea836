"""Runs that are interrupted, end early, freeze, or learn from others: short, on moving squares."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from contracts.errors import ActionstreamError, ConfigError
from tests.training.conftest import LABELS
from training.samples import Sample

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order,ungrouped-imports  # torch may be missing
import torch
from torch import Tensor

from inference.models.frame_encoder import ActionNet, FrameEncoderConfig
from training.batches import Data
from training.config import (
    DistillationConfig,
    HardwareConfig,
    LossConfig,
    MixingConfig,
    OptimizerConfig,
    ScheduleConfig,
    StartConfig,
    TrainConfig,
    ValidationConfig,
)
from training.config_file import read_config
from training.distillation import Teacher
from training.hardware import choose_device
from training.runs import read_trained
from training.trainer import TrainResult, train

_NET = FrameEncoderConfig(
    classes=3, width=32, height=32, frames=8, channels=(16, 16, 16, 16), features=32, hidden=16
)
_CONFIG = TrainConfig(
    net=_NET,
    schedule=ScheduleConfig(coarse=0),
    validation=ValidationConfig(every=2),
    hardware=HardwareConfig(threads=1),
    steps=4,
    batch=4,
)


@pytest.fixture(name="data")
def fixture_data(squares: list[Sample]) -> Data:
    """A few squares of each kind."""
    return Data(LABELS, squares, squares[::12])


def _train(
    data: Data, config: TrainConfig, folder: Path, teacher: Teacher | None = None
) -> TrainResult:
    with Progress(console=Console(quiet=True)) as progress:
        return train(data, config, folder, progress=progress, teacher=teacher)


def _equal(first: ActionNet, second: ActionNet) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def _interrupting_teacher(at: int) -> Teacher:
    """A teacher that presses Ctrl-C in the middle of an update; never with 0."""
    seen = count(1)

    def teacher(clips: Tensor) -> Tensor:
        if next(seen) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return torch.zeros(len(clips), 3)

    return teacher


@pytest.mark.slow
def test_an_interrupted_run_ends_as_if_nothing_had_happened(data: Data, tmp_path: Path) -> None:
    """20 updates, and 10 with Ctrl-C in the tenth and 10 more: equal weights, bit for bit.

    With everything that has a state: plateau, centers, average, mixing, dropout.
    """
    config = replace(
        _CONFIG,
        steps=20,
        mixing=MixingConfig(mixup=0.3, cutmix=0.3, cutout=0.3),
        loss=LossConfig(contrastive=0.1, center=0.01),
        schedule=ScheduleConfig("plateau", patience=1, coarse=0.25),
        validation=ValidationConfig(every=6, metric="loss"),
    )

    def run(folder: Path, at: int) -> TrainResult:
        return _train(data, config, folder, _interrupting_teacher(at))

    whole = run(tmp_path / "whole", 0)
    with pytest.raises(ActionstreamError, match=r"after update 10 of 20.*--resume .*parts") as told:
        run(tmp_path / "parts", 10)
    assert "same command" in told.value.hint
    assert (tmp_path / "parts" / "checkpoint.pt").is_file()
    parts = run(tmp_path / "parts", 0)
    assert _equal(whole.net, parts.net)
    assert whole.history == parts.history
    assert whole.temperature == parts.temperature
    assert not (tmp_path / "parts" / "checkpoint.pt").exists()
    with pytest.raises(ConfigError, match="finished"):
        run(tmp_path / "parts", 0)


@pytest.mark.slow
def test_a_run_goes_on_only_with_what_it_began_with(data: Data, tmp_path: Path) -> None:
    """Another rate or other data are named; the stored configuration fits."""
    with pytest.raises(ActionstreamError, match="Interrupted"):
        _train(data, _CONFIG, tmp_path, _interrupting_teacher(1))
    with pytest.raises(ConfigError, match="other `optimizer`, the data"):
        other = replace(_CONFIG, optimizer=OptimizerConfig(learning_rate=1.0))
        _train(Data(LABELS, data.train[1:], data.validation), other, tmp_path)
    stored = read_config(tmp_path / "config.yaml")
    assert stored == _CONFIG
    _train(data, stored, tmp_path)


@pytest.mark.slow
def test_no_better_validation_ends_the_run(data: Data, tmp_path: Path) -> None:
    """With a rate too small to change anything: the first validation and two that are no better."""
    config = replace(
        _CONFIG,
        steps=50,
        optimizer=OptimizerConfig(learning_rate=1e-12),
        validation=ValidationConfig(every=1, patience=2),
    )
    result = _train(data, config, tmp_path)
    assert len(result.history) < 10
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.slow
def test_a_frozen_encoder_stays_and_the_start_is_named(data: Data, tmp_path: Path) -> None:
    """Other labels on the weights of an earlier run: the encoder's do not move at all."""
    _train(data, replace(_CONFIG, steps=2), tmp_path / "first")
    first = read_trained(tmp_path / "first").build()
    config = replace(_CONFIG, steps=2, start=StartConfig(tmp_path / "first", freeze=True))
    renamed = Data(("left", "none", "right"), data.train, data.validation)
    with pytest.raises(ActionstreamError, match="Interrupted"):
        _train(renamed, config, tmp_path / "second", _interrupting_teacher(1))
    (tmp_path / "first").rename(tmp_path / "moved")  # to go on, the start is not needed
    result = _train(renamed, config, tmp_path / "second")
    for name, value in first.encoder.state_dict().items():
        assert torch.equal(value, result.net.encoder.state_dict()[name]), name
    assert not torch.equal(first.head.near.weight, result.net.head.near.weight)
    assert result.facts["config"]["start"]["path"] == "first"  # not where it lay
    assert result.facts["start"]["best"]["step"] == 2


@pytest.mark.slow
def test_a_student_learns_from_its_teacher_alone(data: Data, tmp_path: Path) -> None:
    """All weight on a teacher that always says the second label."""

    def teacher(clips: Tensor) -> Tensor:
        return torch.tensor([[0.0, 6.0, 0.0]]).expand(len(clips), 3)

    config = replace(_CONFIG, steps=30, distillation=DistillationConfig(weight=1.0))
    config = replace(config, validation=ValidationConfig(every=30))
    result = _train(data, config, tmp_path, teacher)
    with torch.inference_mode():
        frames = torch.from_numpy(data.train[0].frames[:9].copy())[None]
        assert int(result.net(frames).argmax()) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"validation": ValidationConfig(metric="sqares")}, "Accepted: .*squares"),
        ({"start": StartConfig(freeze=True)}, "set `start.path`"),
        ({"hardware": HardwareConfig(device="cpu", precision="fp16")}, "fp16 needs a GPU"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(
    data: Data, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        _train(data, replace(_CONFIG, **changes), tmp_path / "run")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_diverged_run_says_so(data: Data, tmp_path: Path) -> None:
    def teacher(clips: Tensor) -> Tensor:
        return torch.full((len(clips), 3), torch.nan)

    with pytest.raises(ActionstreamError, match="diverged"):
        _train(data, _CONFIG, tmp_path, teacher)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_processor_computes_in_bfloat16() -> None:
    assert choose_device(HardwareConfig()) == (torch.device("cpu"), torch.bfloat16)
    with pytest.raises(ConfigError, match="finds no GPU"):
        choose_device(HardwareConfig(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_a_gpu_trains_in_each_precision(data: Data, tmp_path: Path, precision: str) -> None:
    hardware = HardwareConfig("cuda", precision)  # type: ignore[arg-type]
    result = _train(data, replace(_CONFIG, hardware=hardware), tmp_path)
    assert next(result.net.parameters()).device.type == "cpu"
    assert all(bool(value.isfinite().all()) for value in result.net.state_dict().values())
