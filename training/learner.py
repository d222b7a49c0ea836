"""One update after another: the network that learns, its average, and all that moves them."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import ActionstreamError
from inference.models.frame_encoder import ActionNet
from training.batches import Batch
from training.config import TrainConfig
from training.distillation import Teacher, distillation_loss
from training.hardware import choose_device
from training.losses import Objective
from training.optimization import Schedule, follow, make_optimizer


class Learner:
    """A network in training; the same state and the same batch give the same next state."""

    def __init__(
        self, net: ActionNet, config: TrainConfig, weights: Tensor, teacher: Teacher | None
    ) -> None:
        """Bring everything to the device.

        Args:
            net: The network with its first weights.
            config: What the run decides.
            weights: (classes,) float32 weight of each class.
            teacher: Whom to learn from beside the labels.

        Raises:
            ConfigError: The device or its precision is not there.
        """
        self.config = config
        self.device, self.precision = choose_device(config.hardware)
        self.average = copy.deepcopy(net).eval().requires_grad_(False).to(self.device)
        self.net = net.to(self.device)
        self.net.encoder.requires_grad_(not config.start.freeze)
        self.teacher = teacher.to(self.device) if isinstance(teacher, nn.Module) else teacher
        self.objective = Objective(config.loss, weights, net.head.classify.in_features)
        self.objective.to(self.device)
        self.optimizer = make_optimizer(self.net, config)
        self.schedule = Schedule(self.optimizer, config.schedule, config.steps)
        scaled = self.precision is torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        self.step = 0
        self.loss = 0.0  # of one batch it jumps: this is a mean over about ten

    @property
    def hardware(self) -> str:
        """Device and precision, for people."""
        return f"{self.device.type}, {str(self.precision).removeprefix('torch.')}"

    @property
    def rate(self) -> float:
        """The head's learning rate of the latest update."""
        return float(self.optimizer.param_groups[-1]["lr"])

    def kept(self) -> ActionNet:
        """A copy of the averaged weights, in main memory."""
        return copy.deepcopy(self.average).cpu()

    def update(self, batch: Batch) -> None:
        """Learn from one batch.

        Raises:
            ActionstreamError: The loss is no number any more.
        """
        self.step += 1
        torch.manual_seed(_step_seed(self.config.seed, self.step))  # dropout
        self.schedule.before(self.step)
        self.net.train()
        if self.config.start.freeze:
            self.net.encoder.eval()  # statistics of batch norms are weights too
        clips, targets, marks = (part.to(self.device) for part in batch)
        loss = self._loss(clips, targets, marks)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.net.parameters(), self.config.optimizer.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        # The average forgets the random start quickly, and settles later.
        keep = min(self.config.optimizer.average, self.step / (self.step + 10))
        follow(self.average, self.net, keep)
        self._note(loss.item())

    def _note(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise ActionstreamError(
                f"The loss of update {self.step} is {loss}: training has diverged.",
                "Lower `optimizer.learning_rate`, or set `hardware.precision` to fp32.",
            )
        self.loss += (loss - self.loss) / min(self.step, 10)

    def _loss(self, clips: Tensor, targets: Tensor, marks: Tensor) -> Tensor:
        # Half the memory traffic: two to three times faster on processors that multiply bfloat16.
        with self._autocast():
            embedding = self.net.embed(clips)
            logits = self.net.head.decide(embedding).float()
        embedding = embedding.float()
        loss: Tensor = self.objective(logits, targets, embedding)
        if self.net.head.mark is not None:
            found = self.net.head.mark(embedding)
            added = functional.binary_cross_entropy_with_logits(found, marks)
            loss = loss + self.config.loss.boundaries * added
        if self.teacher is None:
            return loss
        with torch.no_grad(), self._autocast():
            taught = self.teacher(clips).float()
        chosen = self.config.distillation
        divergence = distillation_loss(logits, taught, chosen.temperature)
        return (1 - chosen.weight) * loss + chosen.weight * divergence

    def _autocast(self) -> torch.autocast:
        enabled = self.precision is not torch.float32
        return torch.autocast(self.device.type, self.precision, enabled=enabled)

    def state_dict(self) -> dict[str, Any]:
        """All that the next update depends on."""
        states = {name: part.state_dict() for name, part in self._parts().items()}
        return {**states, "step": self.step, "loss": self.loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.loss = state["step"], state["loss"]

    def _parts(self) -> dict[str, Any]:
        return {
            "net": self.net,
            "average": self.average,
            "objective": self.objective,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "scaler": self.scaler,
        }


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
