"""Published protocols: every group is tested once, by a network that never saw it.

Weizmann leaves one actor out. UT-Interaction leaves one sequence out; sequence n of set 1 and n + 10
of set 2 are left out together, so that one network serves both. The fights are five folds by source
video. Each fold starts from weights that saw drawn figures alone, learns for a fixed number of
updates, and is tested with its last weights: nothing is chosen on a test fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from contracts.errors import ConfigError
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
from training.data import INTERACTIONS, NONE, find_data, load_fights, load_interactions
from training.data import load_weizmann as read_weizmann
from training.datasets import weizmann
from training.samples import Sample
from training.trainer import train
from training.validation import WindowSteps, window_logits

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a dataset is cut into folds, and what a fold's training decides.

    Attributes:
        load: Reads its trimmed samples.
        labels: Its classes; samples of others are only learned from.
        fold_of: Number of the fold that tests each sample, from 0.
        part_of: The set that a sample's figures belong to.
        config: Of each fold's training, but for where it starts.
    """

    load: Callable[[DataOptions], list[Sample]]
    labels: tuple[str, ...]
    fold_of: Callable[[Sequence[Sample]], list[int]]
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
        scores: (W, classes) float32: for each window the mean of its scores and those of its mirror
            image, which has the same label in all three datasets.
    """

    key: str
    part: str
    fold: int
    truth: str
    scores: NDArray[np.float32]


def run_fold(
    protocol: Protocol, fold: int, options: DataOptions, start: Path, *, progress: Progress, folder: Path
) -> list[TestedClip]:
    """Train without a fold and test on it."""
    samples = protocol.load(options)
    folds = protocol.fold_of(samples)
    tested = [sample for sample, own in zip(samples, folds, strict=True) if own == fold]
    learned = [sample for sample, own in zip(samples, folds, strict=True) if own != fold]
    config = replace(protocol.config, start=replace(protocol.config.start, path=start))
    result = train(Data(_labels(protocol), learned, ()), config, folder, progress=progress)
    return [
        TestedClip(s.key, protocol.part_of(s), fold, s.label, _scores(result.net, s, protocol))
        for s in tested
        if s.label in protocol.labels
    ]


def _labels(protocol: Protocol) -> tuple[str, ...]:
    return (*(label for label in protocol.labels if label != NONE), NONE)


@torch.inference_mode()
def _scores(net: ActionNet, sample: Sample, protocol: Protocol) -> NDArray[np.float32]:
    steps = WindowSteps(protocol.config.shape.fps, protocol.config.validation.stride)
    mirrored = replace(sample, frames=np.ascontiguousarray(sample.frames[:, :, ::-1]))
    classes = len(protocol.labels)
    both = [
        # `none` is no answer here.
        torch.softmax(window_logits(net, video, steps)[:, :classes], dim=1).numpy()
        for video in (sample, mirrored)
    ]
    scores: NDArray[np.float32] = np.mean(both, axis=0)
    return scores
