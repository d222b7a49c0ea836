"""Training the default architecture: one file from data to the best weights.

A clip is drawn (`clips`), changed at random (`augment`) and scored; AdamW follows a one-cycle rate;
an exponential average of the weights is what is validated and kept. Everything a run decides is in
its configuration, which lies beside its result.
"""

from __future__ import annotations

import copy
import json
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.progress import Progress
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from inference.models.frame_encoder import ActionNet, FrameEncoderConfig
from training.augment import AugmentConfig, Pixels, augment
from training.clips import ClipMixer, ClipShape, Mixture
from training.samples import Sample, fingerprint
from training.validation import WindowSteps, calibrate, score_samples
from training.versions import code_version

Batch = tuple[Tensor, Tensor]
RUN_FILE = "run.json"
WEIGHTS_FILE = "best.safetensors"


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything a run decides.

    Attributes:
        net: Shape of the network.
        shape: Time of the clips.
        mixture: Kinds of clips.
        changes: Random changes.
        steps: Weight updates.
        coarse: Share of the updates, at the start, that see pictures of half the width and height:
            a quarter of the cost, and nearly as good to learn from.
        validate_every: Updates between two validations; none while pictures are coarse.
        batch: Clips per update.
        learning_rate: Greatest rate of the one-cycle schedule.
        weight_decay: Of AdamW, on weights of convolutions and linear layers.
        smoothing: Share of each target spread over all classes.
        average: Weight the average of weights keeps per update.
        stride: Sampled frames between two validation windows.
        threads: Threads torch computes with.
        seed: Start of all chance.
    """

    net: FrameEncoderConfig
    shape: ClipShape = field(default_factory=ClipShape)
    mixture: Mixture = field(default_factory=Mixture)
    changes: AugmentConfig = field(default_factory=AugmentConfig)
    steps: int = 2600
    coarse: float = 0.4
    validate_every: int = 100
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    smoothing: float = 0.05
    average: float = 0.99
    stride: int = 2
    threads: int = 2
    seed: int = 0


@dataclass(slots=True, eq=False)
class TrainResult:
    """What a run found.

    Attributes:
        net: The network with the best averaged weights, ready to score.
        temperature: Divides the logits so that scores on validation windows mean probabilities.
        history: One entry per validation.
        facts: Configuration, code version, hash of the data, times.
    """

    net: ActionNet
    temperature: float
    history: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Samples of a run.

    Attributes:
        labels: Names of the classes, in the order of the scores.
        train: What is learned from.
        validation: What the best weights are chosen on.
    """

    labels: tuple[str, ...]
    train: Sequence[Sample]
    validation: Sequence[Sample]


def train(
    data: Data,
    config: TrainConfig,
    folder: Path,
    *,
    progress: Progress,
    start: Path | None = None,
) -> TrainResult:
    """Train, keep the weights that validate best, and write the run's folder.

    Args:
        data: Samples; frames in the size of the network's input.
        config: What the run decides.
        folder: Receives ``run.json`` and ``best.safetensors``, anew after each validation.
        progress: Shows steps, loss and the time left.
        start: Folder of a run whose best weights are trained further; random ones without.

    Returns:
        The best network.
    """
    started = time.monotonic()
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    net = ActionNet(config.net)
    if start is not None:
        load_weights(net, start / WEIGHTS_FILE)
    average = copy.deepcopy(net).eval().requires_grad_(False)
    optimizer = _optimizer(net, config)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.15
    )
    result = TrainResult(copy.deepcopy(average), 1.0, facts=_facts(data, config, start))
    folder.mkdir(parents=True, exist_ok=True)
    task = progress.add_task("train", total=config.steps)
    with _batches(data, config) as batches:
        for step in range(1, config.steps + 1):
            loss = _update(net, next(batches), optimizer, config)
            schedule.step()
            # The average forgets the random start quickly, and settles later.
            _follow(average, net, min(config.average, step / (step + 10)))
            progress.update(task, advance=1, description=f"train, loss {loss:.3f}")
            if _validates(step, config):
                _validate(average, data, config, result, {"step": step, "loss": loss})
                _log(progress, result.history[-1])
                result.facts["seconds"] = round(time.monotonic() - started, 1)
                _write_run(folder, result)
    return result


def load_weights(net: ActionNet, path: Path) -> ActionNet:
    """Fill a network with weights a run or a bundle keeps.

    Args:
        net: A network of the shape the weights have.
        path: A safetensors file.

    Returns:
        The network, ready to score.
    """
    net.load_state_dict(load_file(path))
    return net.eval()


def _facts(data: Data, config: TrainConfig, start: Path | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "config": asdict(config),
        "code": code_version(),
        "data": fingerprint([*data.train, *data.validation]),
        "samples": {"train": len(data.train), "validation": len(data.validation)},
    }
    if start is not None:
        earlier = json.loads((start / RUN_FILE).read_text(encoding="utf-8"))
        kept = ("config", "code", "data", "samples", "seconds", "start")
        best = max(earlier["history"], key=lambda entry: entry["mean"])
        facts["start"] = {**{key: earlier[key] for key in kept if key in earlier}, "best": best}
    return facts


def _validates(step: int, config: TrainConfig) -> bool:
    fine = step > config.coarse * config.steps
    return (fine and step % config.validate_every == 0) or step == config.steps


def _optimizer(net: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    weights = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)


def _update(
    net: ActionNet, batch: Batch, optimizer: torch.optim.Optimizer, config: TrainConfig
) -> float:
    clips, targets = batch
    net.train()
    # Half the memory traffic: two to three times faster on processors that multiply bfloat16.
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(clips)
    loss = functional.cross_entropy(logits.float(), targets, label_smoothing=config.smoothing)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
    return loss.item()


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move the average towards the weights; statistics of the batch norms too."""
    for mean, value in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


@contextmanager
def _batches(data: Data, config: TrainConfig) -> Iterator[Iterator[Batch]]:
    """Make batches on a thread beside the training; OpenCV and numpy work outside the GIL."""
    cv2.setNumThreads(1)
    ready: queue.Queue[Batch] = queue.Queue(maxsize=4)
    stop = threading.Event()

    def fill() -> None:
        mixer = ClipMixer(data.train, data.labels, config.shape, config.mixture)
        rng = np.random.default_rng(config.seed)
        for step in count(1):
            scale = 2 if step <= config.coarse * config.steps else 1
            batch = _make_batch(mixer, rng, config, scale)
            while not _offered(ready, batch):
                if stop.is_set():
                    return

    worker = threading.Thread(target=fill, name="batches", daemon=True)
    worker.start()
    try:
        yield iter(ready.get, None)
    finally:
        stop.set()
        worker.join()


def _offered(ready: queue.Queue[Batch], batch: Batch) -> bool:
    try:
        ready.put(batch, timeout=0.2)
    except queue.Full:
        return False
    return True


def _make_batch(
    mixer: ClipMixer, rng: np.random.Generator, config: TrainConfig, scale: int
) -> Batch:
    clips, targets = [], []
    for _ in range(config.batch):
        clip = mixer.draw(rng)
        frames = augment(clip.frames, rng, config.changes, still=clip.still)
        if rng.random() < 0.1:  # a stream's first frame has none before it
            frames[0] = frames[1]
        clips.append(_shrunk(frames, scale))
        targets.append(clip.target)
    return torch.from_numpy(np.stack(clips)), torch.from_numpy(np.stack(targets))


def _shrunk(frames: Pixels, scale: int) -> Pixels:
    if scale == 1:
        return frames
    height, width = frames.shape[1] // scale, frames.shape[2] // scale
    small = np.empty((len(frames), height, width, 3), np.uint8)
    for frame, target in zip(frames, small, strict=True):
        cv2.resize(frame, (width, height), target, interpolation=cv2.INTER_AREA)
    return small


def _validate(
    average: ActionNet, data: Data, config: TrainConfig, result: TrainResult, entry: dict[str, Any]
) -> None:
    """Score the averaged weights; keep them if no earlier ones were better."""
    scored = score_samples(average, data.validation, data.labels, _steps(config))
    accuracy = scored.accuracy()
    # Datasets count alike, however many windows each has.
    mean = float(np.mean(list(accuracy.values()))) if accuracy else 0.0
    best = max((past["mean"] for past in result.history), default=-1.0)
    if mean >= best:
        result.net = copy.deepcopy(average)
        result.temperature = calibrate(scored)
    rounded = {source: round(value, 4) for source, value in accuracy.items()}
    result.history.append({**entry, "mean": round(mean, 4), **rounded})


def _steps(config: TrainConfig) -> WindowSteps:
    return WindowSteps(config.shape.fps, config.stride)


def _log(progress: Progress, entry: dict[str, Any]) -> None:
    figures = "  ".join(f"{name} {value:.3f}" for name, value in entry.items() if name != "step")
    progress.console.print(f"step {entry['step']:5d}  {figures}", highlight=False)


def _write_run(folder: Path, result: TrainResult) -> None:
    state = {key: value.contiguous().clone() for key, value in result.net.state_dict().items()}
    part = folder / "best.part"
    save_file(state, part)
    part.replace(folder / WEIGHTS_FILE)
    facts = {**result.facts, "temperature": result.temperature, "history": result.history}
    part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / RUN_FILE)
