"""Batches made beside the training; each depends on the seed and its number alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import cv2
import numpy as np
import torch
from torch import Tensor

from training.augment import Pixels, augment
from training.clips import ClipMixer
from training.config import TrainConfig
from training.data import NONE
from training.mixing import mix_batch
from training.samples import Sample, fingerprint

Batch = tuple[Tensor, Tensor, Tensor]
"""Clips (B, T + 1, H, W, 3) uint8 RGB, targets (B, classes) and marks (B, 3), both float32."""

_AHEAD = 4


@dataclass(frozen=True, eq=False)
class Data:
    """Samples of a run.

    Attributes:
        labels: Names of the classes, in the order of the scores.
        train: What is learned from.
        validation: What the best weights are chosen on.
        background: The label that means that no action goes on.
    """

    labels: tuple[str, ...]
    train: Sequence[Sample]
    validation: Sequence[Sample]
    background: str = NONE

    @cached_property
    def sha256(self) -> str:
        """Hash of all samples; it reads every pixel, once."""
        return fingerprint([*self.train, *self.validation])


@contextmanager
def batches(data: Data, config: TrainConfig, first: int = 1) -> Iterator[Iterator[Batch]]:
    """Make batches on threads beside the training; OpenCV and numpy work outside the GIL.

    Args:
        data: Samples; frames in the size of the network's input.
        config: What the run decides.
        first: Number of the first batch: a run that goes on sees what it would have seen.

    Yields:
        Endless batches in order. What fails on a thread is raised where its batch is taken.
    """
    cv2.setNumThreads(1)
    mixer = ClipMixer(data.train, data.labels, config.shape, config.mixture, data.background)
    with ThreadPoolExecutor(config.hardware.loaders, "batches") as pool:
        ahead: deque[Future[Batch]] = deque()

        def take() -> Iterator[Batch]:
            for step in count(first):
                while len(ahead) <= _AHEAD:
                    ahead.append(pool.submit(make_batch, mixer, config, step + len(ahead)))
                yield ahead.popleft().result()

        try:
            yield take()
        finally:
            pool.shutdown(cancel_futures=True)


def make_batch(mixer: ClipMixer, config: TrainConfig, step: int) -> Batch:
    """Make the batch of one update.

    Args:
        mixer: Draws clips.
        config: What the run decides.
        step: Number of the update, from 1.

    Returns:
        Clips, targets and marks; the same for the same seed and step.
    """
    # A generator of its own for each batch: nothing of chance is to be kept for going on.
    rng = np.random.default_rng([config.seed, step])
    scale = 2 if step <= config.schedule.coarse * config.steps else 1
    clips, targets = [], []
    for _ in range(config.batch):
        clip = mixer.draw(rng)
        frames = augment(clip.frames, rng, config.changes, still=clip.still)
        if rng.random() < 0.1:  # a stream's first frame has none before it
            frames[0] = frames[1]
        clips.append(_shrunk(frames, scale))
        targets.append(np.concatenate([clip.target, clip.marks]))
    mixed, shared = mix_batch(np.stack(clips), np.stack(targets), rng, config.mixing)
    classes = len(mixer.labels)
    both = torch.from_numpy(shared)
    return torch.from_numpy(mixed), both[:, :classes], both[:, classes:]


def _shrunk(frames: Pixels, scale: int) -> Pixels:
    if scale == 1:
        return frames
    height, width = frames.shape[1] // scale, frames.shape[2] // scale
    small = np.empty((len(frames), height, width, 3), np.uint8)
    for frame, target in zip(frames, small, strict=True):
        cv2.resize(frame, (width, height), target, interpolation=cv2.INTER_AREA)
    return small
