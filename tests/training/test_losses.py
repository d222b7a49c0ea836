"""Losses against torch, against plain loops, and against the numbers of their papers."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order,ungrouped-imports  # torch may be missing
import torch
from torch import Tensor
from torch.nn import functional

from tests.training.conftest import LABELS, moving_square
from training.config import LossConfig
from training.distillation import distillation_loss
from training.losses import (
    CenterLoss,
    Objective,
    class_weights,
    count_segments,
    focal_loss,
    smoothed,
    supervised_contrastive,
)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_without_gamma_it_is_the_cross_entropy_of_torch() -> None:
    logits, targets = _random(16, 5), torch.softmax(_random(16, 5, seed=1), dim=1)
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.1])
    own = focal_loss(logits, smoothed(targets, 0.1), weights, 0.0)
    torch.testing.assert_close(
        own, functional.cross_entropy(logits, targets, weights, label_smoothing=0.1)
    )


@pytest.mark.parametrize("score", [0.5, 0.9, 0.968])
def test_focal_loss_follows_its_paper(score: float) -> None:
    """(1 - p)^2 times the cross-entropy: a hundredth at 0.9, a thousandth at 0.968."""
    logits = torch.tensor([[math.log(score), math.log(1 - score)]])
    loss = focal_loss(logits, torch.tensor([[1.0, 0.0]]), torch.ones(2), 2.0)
    assert float(loss) == pytest.approx(-((1 - score) ** 2) * math.log(score), rel=1e-4)


def test_contrastive_loss_is_that_of_a_plain_loop() -> None:
    vectors, labels = _random(9, 4), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 3])
    unit, total, anchors = functional.normalize(vectors, dim=1), 0.0, 0
    for i in range(9):
        others = [j for j in range(9) if j != i]
        alike = [j for j in others if labels[j] == labels[i]]
        if alike:
            whole = sum(math.exp(float(unit[i] @ unit[j]) / 0.2) for j in others)
            logs = [float(unit[i] @ unit[j]) / 0.2 - math.log(whole) for j in alike]
            total, anchors = total - sum(logs) / len(alike), anchors + 1
    own = supervised_contrastive(vectors, labels, 0.2)
    assert float(own) == pytest.approx(total / anchors, rel=1e-5)


def test_contrastive_loss_without_pairs_is_nothing() -> None:
    vectors = _random(3, 4).requires_grad_()
    loss = supervised_contrastive(vectors, torch.tensor([0, 1, 2]), 0.1)
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    assert vectors.grad is not None
    assert bool(vectors.grad.isfinite().all())


def test_centers_move_as_their_paper_says() -> None:
    """Two clips at 3 and a rate of a half: from 0 by a half of (3 + 3) / (1 + 2)."""
    loss = CenterLoss(2, 1, 0.5)
    found = loss(torch.tensor([[3.0], [3.0]]), torch.tensor([0, 0]))
    assert float(found) == pytest.approx(0.5 * 9)
    assert loss.centers.tolist() == [[1.0], [0.0]]
    loss.eval()
    loss(torch.tensor([[3.0]]), torch.tensor([1]))
    assert loss.centers.tolist() == [[1.0], [0.0]]


def test_mixed_clips_are_drawn_to_no_class() -> None:
    """Additions on the embedding see clips of one class alone."""
    objective = Objective(LossConfig(center=1.0, smoothing=0), torch.ones(2), 3)
    targets = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    objective(torch.zeros(2, 2), targets, torch.ones(2, 3))
    assert objective.centers.centers[0].tolist() == [0.25, 0.25, 0.25]
    assert objective.centers.centers[1].tolist() == [0.0, 0.0, 0.0]


def test_class_weights() -> None:
    """Balanced: by the inverse; effective number: Cui et al., equation 2; the mean is one."""
    assert class_weights(LossConfig(), [1, 9]).tolist() == [1, 1]
    balanced = class_weights(LossConfig(class_weights="balanced"), [1, 3, 0])
    assert balanced.tolist() == pytest.approx([1.5, 0.5, 1.0])
    config = LossConfig(class_weights="effective", beta=0.9)
    first, second = (0.1 / (1 - 0.9**count) for count in (1, 10))
    found = class_weights(config, [1, 10])
    assert found.tolist() == pytest.approx(
        [2 * first / (first + second), 2 * second / (first + second)]
    )


def test_segments_are_counted_in_the_order_of_the_labels() -> None:
    samples = [moving_square(label, 0) for label in ("none", "right", "none")]
    assert count_segments(samples, LABELS) == [0, 1, 2]


def test_distillation_is_no_loss_where_student_and_teacher_agree() -> None:
    logits = _random(4, 3)
    assert float(distillation_loss(logits, logits + 5, 2.0)) == pytest.approx(0, abs=1e-6)
    student = _random(4, 3, seed=1)
    wanted, given = torch.softmax(logits / 3, 1), torch.log_softmax(student / 3, 1)
    expected = 9 * (wanted * (wanted.log() - given)).sum() / 4
    torch.testing.assert_close(distillation_loss(student, logits, 3.0), expected)
