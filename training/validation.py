"""Scoring a network in torch on whole videos: choosing weights and calibrating scores.

What is reported of a finished bundle comes from `evaluate`, which runs its ONNX graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from contracts.types import Sampling
from inference.models.frame_encoder import ActionNet
from training.samples import Sample, sample_frames


@dataclass(frozen=True, slots=True)
class WindowSteps:
    """Where the windows of a video lie: sampled frames per second, and between two starts."""

    fps: float
    stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Windows of many videos.

    Attributes:
        logits: (W, classes) float32.
        truth: (W,) int64 label ids.
        sources: The dataset of each window.
    """

    logits: Tensor
    truth: Tensor
    sources: tuple[str, ...]

    def accuracy(self) -> dict[str, float]:
        """Return the share of windows with the right top label, per dataset."""
        right = (self.logits.argmax(dim=1) == self.truth).numpy()
        sources = np.asarray(self.sources)
        return {str(name): float(right[sources == name].mean()) for name in np.unique(sources)}

    def macro_f1(self) -> float:
        """Return the mean over the classes, asked or answered, of precision with recall (F1)."""
        answers, classes = self.logits.argmax(dim=1), self.logits.shape[1]
        hits = torch.bincount(self.truth[answers == self.truth], minlength=classes)
        # True and answered windows: twice the hits, the misses and the false alarms.
        either = torch.bincount(self.truth, minlength=classes) + torch.bincount(
            answers, minlength=classes
        )
        occurs = either > 0
        return float((2 * hits[occurs] / either[occurs]).mean()) if occurs.any() else 0.0

    def loss(self) -> float:
        """Return the mean cross-entropy; 0 without windows."""
        return float(functional.cross_entropy(self.logits, self.truth)) if self.sources else 0.0


@torch.inference_mode()
def window_logits(net: ActionNet, sample: Sample, steps: WindowSteps) -> Tensor:
    """Score all windows that lie inside a sample.

    Args:
        net: A network ready to score, on any device.
        sample: A video, in the size of the network's input.
        steps: Where the windows lie.

    Returns:
        (windows, classes) float32 logits, in main memory.
    """
    height, width = sample.frames.shape[1:3]
    sampling = Sampling(steps.fps, width, height)
    frames = np.stack([frame.image for frame in sample_frames(sample, sampling)])
    if len(frames) < net.config.frames:
        return torch.zeros(0, net.config.classes)
    device = next(net.parameters()).device
    now = torch.from_numpy(frames).to(device)  # (F, H, W, 3)
    before = torch.cat([now[:1], now[:-1]])
    features = net.encoder(now, before)  # (F, D)
    windows = features.unfold(0, net.config.frames, steps.stride)  # (windows, D, T)
    logits: Tensor = net.head(windows.transpose(1, 2))
    return logits.cpu()


def score_samples(
    net: ActionNet, samples: Sequence[Sample], labels: tuple[str, ...], steps: WindowSteps
) -> Scored:
    """Score the windows of trimmed samples.

    Args:
        net: A network ready to score.
        samples: Trimmed videos.
        labels: Names of the classes, in the order of the scores.
        steps: Where the windows lie.

    Returns:
        All windows.
    """
    logits: list[Tensor] = [torch.zeros(0, len(labels))]
    truth: list[int] = []
    sources: list[str] = []
    for sample in samples:
        scored = window_logits(net, sample, steps)
        logits.append(scored)
        truth += [labels.index(sample.label)] * len(scored)
        sources += [sample.source] * len(scored)
    return Scored(torch.cat(logits), torch.tensor(truth, dtype=torch.long), tuple(sources))


def calibrate(scored: Scored) -> float:
    """Find the temperature with the least negative log likelihood (Guo et al. 2017, section 4.2).

    Args:
        scored: Windows of validation videos.

    Returns:
        What to divide the logits by, between 0.25 and 4; 1 where there is no window.
    """
    if not scored.sources:
        return 1.0
    grid = np.geomspace(0.25, 4, 81)
    losses = [float(functional.cross_entropy(scored.logits / t, scored.truth)) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


def merit(entry: dict[str, Any], metric: str) -> float:
    """Return how good a validation was: greater is better.

    Args:
        entry: One validation, as a run's history holds it.
        metric: ``mean``, ``macro_f1``, ``loss`` or the name of a dataset.
    """
    if metric == "loss":
        return -float(entry["validation_loss"])
    found = entry[metric] if metric in ("mean", "macro_f1") else entry["accuracy"][metric]
    return float(found)
