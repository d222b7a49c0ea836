"""What training makes small: losses on the logits, and additions on the embedding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import LossConfig
from training.samples import Sample


class Objective(nn.Module):
    """The loss of a batch, by the labels alone."""

    weights: Tensor

    def __init__(self, config: LossConfig, weights: Tensor, embedding: int) -> None:
        """Prepare the parts.

        Args:
            config: Which parts, and how much of each.
            weights: (classes,) float32 weight of each class.
            embedding: Length of the head's pooled vector.
        """
        super().__init__()
        self.config = config
        self.register_buffer("weights", weights)
        self.centers = CenterLoss(len(weights), embedding, config.center_rate)

    def forward(self, logits: Tensor, targets: Tensor, embedding: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (B, classes) float32.
            targets: (B, classes) float32 rows that sum to one.
            embedding: (B, E) float32: the head's pooled vectors.

        Returns:
            A scalar.
        """
        config = self.config
        gamma = config.gamma if config.name == "focal" else 0.0
        loss = focal_loss(logits, smoothed(targets, config.smoothing), self.weights, gamma)
        if not (config.contrastive or config.center):
            return loss
        # Mixed clips are of no one class: they cannot be drawn to their own kind.
        pure = targets.amax(dim=1) > 0.999
        labels, embedding = targets.argmax(dim=1)[pure], embedding[pure]
        if config.contrastive > 0:
            added = supervised_contrastive(embedding, labels, config.contrastive_temperature)
            loss = loss + config.contrastive * added
        if config.center > 0:
            loss = loss + config.center * self.centers(embedding, labels)
        return loss


def smoothed(targets: Tensor, share: float) -> Tensor:
    """Spread a share of each target over all classes (Szegedy et al. 2016, section 7).

    Args:
        targets: (B, classes) rows that sum to one.
        share: 0 to 1.

    Returns:
        (B, classes) rows that sum to one.
    """
    return targets * (1 - share) + share / targets.shape[1]


def focal_loss(logits: Tensor, targets: Tensor, weights: Tensor, gamma: float) -> Tensor:
    """Cross-entropy, less of it where the score is high (Lin et al. 2017, equation 5).

    With gamma 0 it is cross-entropy. Deviation: targets may be shared between classes, each of
    which is then weighed by its own score.

    Args:
        logits: (B, classes).
        targets: (B, classes) rows that sum to one.
        weights: (classes,) weight of each class.
        gamma: How much less.

    Returns:
        The mean over the batch, a scalar.
    """
    logs = functional.log_softmax(logits, dim=1)  # (B, classes)
    surprise = -logs if gamma == 0 else -logs * (1 - logs.exp()) ** gamma
    return (surprise * targets * weights).sum(dim=1).mean()


def supervised_contrastive(embedding: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Draw clips of a class together and others apart (Khosla et al. 2020, equation 2).

    Deviations: one view of each clip, since a batch holds several clips of a class; on the pooled
    vector itself, without a projection.

    Args:
        embedding: (B, E) vectors of any length.
        labels: (B,) int64.
        temperature: Small: near clips count most.

    Returns:
        The mean over the clips that have another of their class in the batch; 0 without any.
    """
    unit = functional.normalize(embedding, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    likeness = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)  # (B, B)
    logs = likeness - likeness.logsumexp(dim=1, keepdim=True)
    alike = (labels[:, None] == labels) & ~itself
    # The diagonal is minus infinity: kept out rather than multiplied by nothing.
    sums = logs.masked_fill(~alike, 0.0).sum(dim=1)
    count = alike.sum(dim=1)
    has = count > 0
    return -(sums[has] / count[has]).sum() / max(1, int(has.sum()))


class CenterLoss(nn.Module):
    """Half the squared distance to the moving center of the class (Wen et al. 2016, section 3.2).

    Deviation: the mean over the batch, not the sum, so that its weight does not hang on its size.
    """

    centers: Tensor

    def __init__(self, classes: int, length: int, rate: float) -> None:
        """Put all centers at the origin."""
        super().__init__()
        self.rate = rate
        self.register_buffer("centers", torch.zeros(classes, length))

    def forward(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss, and in training move the centers.

        Args:
            embedding: (B, E).
            labels: (B,) int64.

        Returns:
            A scalar; 0 for an empty batch.
        """
        # A copy: the centers move before the gradient is taken.
        apart = embedding - self.centers[labels]  # (B, E)
        if self.training:
            self._move(apart.detach(), labels)
        return 0.5 * apart.square().sum() / max(1, len(labels))

    def _move(self, apart: Tensor, labels: Tensor) -> None:
        """Equation 4: a class with few clips in the batch moves less."""
        count = torch.bincount(labels, minlength=len(self.centers))  # (classes,)
        sums = torch.zeros_like(self.centers).index_add_(0, labels, apart)
        self.centers += self.rate * sums / (1 + count)[:, None]


def class_weights(config: LossConfig, counts: Sequence[int]) -> Tensor:
    """Weigh classes by how rare they are.

    ``effective``: Cui et al. 2019, section 3.2: (1 - beta) / (1 - beta^n). Scaled so that the mean
    over the classes that occur is 1; a class that does not occur weighs 1.

    Args:
        config: Which rule.
        counts: Segments of each class.

    Returns:
        (classes,) float32.
    """
    numbers = np.asarray(counts, np.float64)
    weights = np.ones(len(numbers))
    present = numbers > 0
    if config.class_weights == "balanced":
        weights[present] = 1 / numbers[present]
    elif config.class_weights == "effective":
        weights[present] = (1 - config.beta) / (1 - config.beta ** numbers[present])
    if present.any():
        weights[present] /= weights[present].mean()
    return torch.from_numpy(weights.astype(np.float32))


def count_segments(samples: Iterable[Sample], labels: Sequence[str]) -> list[int]:
    """Count the segments of each label."""
    found = dict.fromkeys(labels, 0)
    for sample in samples:
        for segment in sample.segments:
            found[segment.label] += 1
    return list(found.values())
