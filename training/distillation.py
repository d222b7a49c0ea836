"""Learning from other networks: their scores of the same clips, as soft targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import ConfigError
from inference.models.frame_encoder import ActionNet
from training.config import DistillationConfig
from training.runs import Trained, read_trained

Teacher = Callable[[Tensor], Tensor]
"""Clips (B, T + 1, H, W, 3) uint8 RGB to logits (B, classes), in the order of the run's labels."""


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the student's softened scores are from the teacher's (Hinton et al. 2015, section 2).

    Args:
        student: (B, classes) logits.
        teacher: (B, classes) logits.
        temperature: Divides both.

    Returns:
        Kullback-Leibler divergence, times the squared temperature so that its gradient stays as
        large as that of the labels; a scalar.
    """
    wanted = functional.log_softmax(teacher / temperature, dim=1)
    given = functional.log_softmax(student / temperature, dim=1)
    divergence = functional.kl_div(given, wanted, reduction="batchmean", log_target=True)
    return divergence * temperature**2


class Ensemble(nn.Module):
    """Teachers whose scores are averaged; each may be larger and see larger pictures."""

    def __init__(self, trained: Sequence[Trained], labels: tuple[str, ...], *, flip: bool) -> None:
        """Build the networks.

        Args:
            trained: One or more networks.
            labels: Order of the scores that are given.
            flip: Whether each clip is also seen mirrored.

        Raises:
            ConfigError: A teacher does not know one of the labels.
        """
        super().__init__()
        self.flip = flip
        self.nets = nn.ModuleList(one.build() for one in trained)
        self.orders = [_order(one, labels) for one in trained]

    def forward(self, clips: Tensor) -> Tensor:
        """Score clips.

        Args:
            clips: (B, T + 1, H, W, 3) uint8 RGB.

        Returns:
            (B, classes) float32: logarithms of the mean scores, which serve as logits.
        """
        views = (clips, clips.flip(3)) if self.flip else (clips,)
        logs = []
        for net, order in zip(self.nets, self.orders, strict=True):
            assert isinstance(net, ActionNet)
            for view in views:
                logits = net(_resized(view, net.config.width, net.config.height)).float()
                logs.append(functional.log_softmax(logits[:, order], dim=1))
        return torch.stack(logs).logsumexp(dim=0)


def load_teacher(config: DistillationConfig, labels: tuple[str, ...]) -> Ensemble | None:
    """Build the teachers that a configuration names.

    Args:
        config: Names folders of runs and bundles.
        labels: The run's labels.

    Returns:
        The teachers; None where none is named.

    Raises:
        ConfigError: A folder holds no network, or it lacks one of the labels.
    """
    if not config.teachers:
        return None
    trained = [read_trained(path) for path in config.teachers]
    return Ensemble(trained, labels, flip=config.flip).requires_grad_(False).eval()


def _order(trained: Trained, labels: tuple[str, ...]) -> list[int]:
    known = trained.labels if trained.labels is not None else labels
    if missing := [label for label in labels if label not in known]:
        raise ConfigError(
            f"A teacher does not know {', '.join(missing)}.",
            f"It knows {', '.join(known)}.",
        )
    return [known.index(label) for label in labels]


def _resized(clips: Tensor, width: int, height: int) -> Tensor:
    """Bring clips to the size a teacher was trained with, unless it is their size already."""
    batch, frames, tall, wide = clips.shape[:4]
    if (wide, tall) == (width, height):
        return clips
    planes = clips.flatten(0, 1).permute(0, 3, 1, 2).float()  # (B * T, 3, H, W)
    sized = functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    whole = sized.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    return whole.reshape(batch, frames, height, width, 3)
