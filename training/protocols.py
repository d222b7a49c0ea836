"""Published protocols: every group is tested once, by a network that never saw it.

Weizmann leaves one actor out. UT-Interaction leaves one sequence out: sequence n of set 1 and
n + 10 of set 2 together, so that one network serves both. The fights are five folds by source
video. Each fold starts from weights that saw drawn figures alone, learns for a fixed number of
updates, and is tested with its last weights: nothing is chosen on a test fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from inference.bundle import SHIPPED
from inference.models.frame_encoder import ActionNet, FrameEncoderConfig
from training.augment import AugmentConfig
from training.batches import Data
from training.catalogue import DataOptions
from training.clips import ClipShape, Mixture
from training.config import (
    OptimizerConfig,
    ScheduleConfig,
    StartConfig,
    TrainConfig,
    ValidationConfig,
)
from training.data import (
    INTERACTIONS,
    NONE,
    WEIZMANN_ACTIONS,
    find_data,
    load_fights,
    load_interactions,
    load_weizmann,
)
from training.samples import Sample
from training.trainer import train
from training.validation import WindowSteps, window_logits

_FIGHT_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a dataset is cut into folds, and what the training of a fold decides.

    Attributes:
        load: Reads its trimmed samples.
        labels: Its classes; samples of other labels are learned from as `none`, and not tested.
        fold_of: Gives for each group the number of the fold that tests it, from 0.
        part_of: The set that a sample's figures belong to.
        config: Of the training of each fold.
    """

    load: Callable[[DataOptions], list[Sample]]
    labels: tuple[str, ...]
    fold_of: Callable[[Sequence[str]], dict[str, int]]
    part_of: Callable[[Sample], str]
    config: TrainConfig


@dataclass(frozen=True, slots=True, eq=False)
class TestedClip:
    """A clip of a test fold.

    Attributes:
        key: Names the clip.
        part: The set that its figures belong to.
        fold: Number of its fold.
        truth: Its label.
        scores: (W, classes) float32: for each window the mean of its scores and of its mirror
            image's, which has the same label in all three datasets; at least one window.
    """

    key: str
    part: str
    fold: int
    truth: str
    scores: NDArray[np.float32]


def run_fold(
    protocol: Protocol, fold: int, options: DataOptions, folder: Path, progress: Progress
) -> list[TestedClip]:
    """Train without a fold, and test on it.

    Args:
        protocol: The protocol.
        fold: Number of the fold, from 0.
        options: Where data come from; frames are made in the size of the protocol's network.
        folder: Of the run.
        progress: Shows how far the training is.

    Returns:
        The clips of the fold.

    Raises:
        ConfigError: The data are missing.
    """
    shape = protocol.config.net
    sized = replace(options, width=shape.width, height=shape.height)
    samples = protocol.load(sized)
    folds = protocol.fold_of(sorted({sample.group for sample in samples}))
    learned = [sample for sample in samples if folds[sample.group] != fold]
    data = Data((*protocol.labels, NONE), learned, ())
    net = train(data, protocol.config, folder, progress=progress).net
    return [
        TestedClip(
            sample.key,
            protocol.part_of(sample),
            fold,
            sample.label,
            _window_scores(net, sample, protocol),
        )
        for sample in samples
        if folds[sample.group] == fold and sample.label in protocol.labels
    ]


def count_folds(protocol: Protocol, options: DataOptions) -> int:
    """Return how many folds a protocol has."""
    groups = sorted({sample.group for sample in protocol.load(options)})
    return max(protocol.fold_of(groups).values()) + 1


@torch.inference_mode()
def _window_scores(net: ActionNet, sample: Sample, protocol: Protocol) -> NDArray[np.float32]:
    steps = WindowSteps(protocol.config.shape.fps, protocol.config.validation.stride)
    whole = _held(sample, (protocol.config.shape.frames + 1) / steps.fps)
    mirrored = replace(whole, frames=np.ascontiguousarray(whole.frames[:, :, ::-1]))
    # `none` is no answer here.
    classes = len(protocol.labels)
    scores = [
        torch.softmax(window_logits(net, video, steps)[:, :classes], dim=1).numpy()
        for video in (whole, mirrored)
    ]
    mean: NDArray[np.float32] = np.mean(scores, axis=0)
    return mean


def _held(sample: Sample, least_s: float) -> Sample:
    """Hold the last picture of a video that is shorter than a window."""
    # The mean: the last two times of a file may be one and the same.
    period_s = float(sample.times_s[-1]) / (len(sample.times_s) - 1)
    missing = max(0, int(np.ceil((least_s - float(sample.times_s[-1])) / period_s)))
    held = np.repeat(sample.frames[-1:], missing, axis=0)
    times_s = sample.times_s[-1] + period_s * np.arange(1, missing + 1)
    return replace(
        sample,
        frames=np.concatenate([sample.frames, held]),
        times_s=np.concatenate([sample.times_s, times_s]),
    )


def _one_by_one(groups: Sequence[str]) -> dict[str, int]:
    return {group: fold for fold, group in enumerate(groups)}


def _sequences(groups: Sequence[str]) -> dict[str, int]:
    """Sequences 1 to 8 of set 1, 11 to 18 of set 2."""
    return {group: (int(group.removeprefix("seq")) - 1) % 10 for group in groups}


def _in_turn(groups: Sequence[str]) -> dict[str, int]:
    return {group: index % _FIGHT_FOLDS for index, group in enumerate(groups)}


def _config(classes: int, steps: int, shape: ClipShape) -> TrainConfig:
    return TrainConfig(
        FrameEncoderConfig(classes=classes + 1, frames=shape.frames),
        shape=shape,
        mixture=Mixture(none=0.5, joined=0.0),
        changes=AugmentConfig(zoom=(0.75, 1.35), soften=0.2, jpeg=0.15),
        start=StartConfig(path=SHIPPED / "drawn"),
        optimizer=OptimizerConfig(learning_rate=2e-3),
        schedule=ScheduleConfig(coarse=0.8),
        validation=ValidationConfig(every=steps),
        steps=steps,
    )


def _small(classes: int, steps: int, shape: ClipShape) -> TrainConfig:
    """Pictures of half the width and height throughout: four times the updates in the same time.

    A network that learned on half size and sees whole pictures at the end forgets more than they
    show it.
    """
    config = _config(classes, steps, shape)
    return replace(
        config,
        net=replace(config.net, width=64, height=48),
        schedule=ScheduleConfig(coarse=0.0),
    )


PROTOCOLS = {
    "weizmann": Protocol(
        load=lambda options: load_weizmann(find_data(options.root, "weizmann"), options.frames),
        labels=WEIZMANN_ACTIONS,
        fold_of=_one_by_one,
        part_of=lambda sample: "weizmann",
        config=_small(len(WEIZMANN_ACTIONS), 800, ClipShape()),
    ),
    "interactions": Protocol(
        load=lambda options: load_interactions(
            find_data(options.root, "ut_interaction"), options.frames
        ),
        labels=INTERACTIONS,
        fold_of=_sequences,
        part_of=lambda sample: f"UT-Interaction {sample.key.split('/')[1]}",
        config=_small(len(INTERACTIONS), 400, ClipShape(frames=24, fps=8.0)),
    ),
    "fights": Protocol(
        load=lambda options: load_fights(find_data(options.root, "fight"), options.frames),
        labels=("fight", "no_fight"),
        fold_of=_in_turn,
        part_of=lambda sample: "fights",
        config=replace(_config(2, 120, ClipShape()), mixture=Mixture(none=0.05, joined=0.0)),
    ),
}
"""Protocols by name."""
