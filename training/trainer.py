"""Training the default architecture: from data to the best weights.

A clip is drawn (`clips`), changed at random (`augment`), mixed with others (`mixing`) and scored;
an exponential average of the weights is what is validated and kept. Everything a run decides is in
its configuration, which lies beside its result. A run that was interrupted goes on when it is
started again on its folder, and ends as if nothing had happened: each batch, and the dropout of
each update, depends on the seed and the number of the update alone.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from contracts.errors import ActionstreamError, ConfigError
from inference.models.frame_encoder import ActionNet
from training.batches import Data, batches
from training.config import StartConfig, TrainConfig, ValidationConfig
from training.config_file import config_to_dict, config_to_yaml
from training.distillation import Teacher, load_teacher
from training.interruption import interruptible
from training.learner import Learner
from training.losses import class_weights, count_segments
from training.progress import StepMeter
from training.runs import (
    CONFIG_FILE,
    RUN_FILE,
    WEIGHTS_FILE,
    Trained,
    load_checkpoint,
    read_trained,
    remove_checkpoint,
    save_checkpoint,
    take_over,
    write_run,
    write_text,
)
from training.tracking import Tracker, open_tracker
from training.validation import WindowSteps, calibrate, merit, score_samples
from training.versions import code_version


@dataclass(slots=True, eq=False)
class TrainResult:
    """What a run found.

    Attributes:
        net: The network with the best averaged weights, in main memory, ready to score.
        temperature: Divides the logits so that scores on validation windows mean probabilities.
        history: One entry per validation.
        facts: Configuration, code version, hash of the data, times.
    """

    net: ActionNet
    temperature: float
    history: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def train(
    data: Data,
    config: TrainConfig,
    folder: Path,
    *,
    progress: Progress,
    teacher: Teacher | None = None,
) -> TrainResult:
    """Train, keep the weights that validate best, and write the run's folder.

    Args:
        data: Samples; frames in the size of the network's input.
        config: What the run decides.
        folder: Receives ``config.yaml`` and, anew after each validation, ``run.json`` and
            ``best.safetensors``. If it holds the checkpoint of a run, that run goes on.
        progress: Shows steps, loss, speed and the time left.
        teacher: Whom to learn from, in place of those that the configuration names.

    Returns:
        The best network.

    Raises:
        ConfigError: The configuration asks for what is not there, or the folder holds another run.
        ActionstreamError: Interrupted by Ctrl-C; the message says how to go on.
    """
    torch.set_num_threads(config.hardware.threads)
    run = _Run.begin(data, config, folder, teacher)
    learner = run.learner
    meter = StepMeter(progress, config.steps, config.batch, run.step)
    meter.say(run.summary())
    tracker = _tracked(run, folder)
    with interruptible() as interrupted, batches(data, config, run.step + 1) as ready:
        while run.step < config.steps and not run.exhausted:
            learner.update(next(ready))
            meter.step(run.step, learner.loss)
            tracker.metrics({"loss": learner.loss, "learning_rate": learner.rate}, run.step)
            with meter.pause():
                if _validates(run.step, config):
                    entry = run.validate()
                    meter.say(_line(entry))
                    tracker.metrics(_figures(entry), run.step)
                    write_run(folder, run.result.net, run.record())
                if run.step % config.validation.every == 0 or interrupted.is_set():
                    save_checkpoint(folder, run.state_dict())
                    tracker.flush()
            if interrupted.is_set():
                tracker.finish([], complete=False)
                raise _interruption(run, folder)
    tracker.finish([folder / name for name in (CONFIG_FILE, RUN_FILE, WEIGHTS_FILE)], complete=True)
    remove_checkpoint(folder)
    return run.result


class _Run:
    """A run as a whole: the network that learns, and what was found of it so far."""

    def __init__(
        self, data: Data, config: TrainConfig, teacher: Teacher | None, *, start: StartConfig
    ) -> None:
        self.data, self.config = data, config
        _check_metric(data, config.validation)
        torch.manual_seed(config.seed)
        net = ActionNet(config.net)
        self.fresh, trained = _start(net, data, start)
        weights = class_weights(config.loss, count_segments(data.train, data.labels))
        if teacher is None:
            teacher = load_teacher(config.distillation, data.labels)
        self.learner = Learner(net, config, weights, teacher)
        self.result = TrainResult(self.learner.kept(), 1.0, facts=_facts(data, config, trained))
        self.waited, self.seconds = 0, 0.0
        self._since_s = time.monotonic()

    @classmethod
    def begin(cls, data: Data, config: TrainConfig, folder: Path, teacher: Teacher | None) -> _Run:
        """Begin in an empty folder, or go on from the checkpoint that the folder holds."""
        state = load_checkpoint(folder)
        if state is not None:
            # What it once started from may be gone by now.
            run = cls(data, config, teacher, start=StartConfig())
            _check_same(state["facts"], run.result.facts, folder)
            run.load_state_dict(state)
            return run
        run = cls(data, config, teacher, start=config.start)
        run._write_config(folder)
        return run

    def _write_config(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = self.result.facts
        head = f"# Code {facts['code']}; data sha256 {facts['data']}.\n"
        write_text(folder / CONFIG_FILE, head + config_to_yaml(self.config))

    @property
    def step(self) -> int:
        """Updates done."""
        return self.learner.step

    @property
    def exhausted(self) -> bool:
        """Whether validation has not become better for as long as the configuration waits."""
        patience = self.config.validation.patience
        return patience is not None and self.waited >= patience

    def validate(self) -> dict[str, Any]:
        """Score the averaged weights; keep them if no earlier ones were better."""
        chosen, result = self.config.validation, self.result
        steps = WindowSteps(self.config.shape.fps, chosen.stride)
        scored = score_samples(self.learner.average, self.data.validation, self.data.labels, steps)
        accuracy = scored.accuracy()
        entry = {
            "step": self.step,
            "loss": round(self.learner.loss, 4),
            # Datasets count alike, however many windows each has.
            "mean": round(float(np.mean(list(accuracy.values()))) if accuracy else 0.0, 4),
            "macro_f1": round(scored.macro_f1(), 4),
            "validation_loss": round(scored.loss(), 4),
            "accuracy": {source: round(value, 4) for source, value in accuracy.items()},
        }
        found = merit(entry, chosen.metric)
        best = max((merit(past, chosen.metric) for past in result.history), default=-math.inf)
        if found >= best:
            result.net, result.temperature = self.learner.kept(), calibrate(scored)
        self.learner.schedule.judge(found > best)
        self.waited = 0 if found > best else self.waited + 1
        result.history.append(entry)
        return entry

    def summary(self) -> str:
        """What is about to be done, in one line."""
        text = (
            f"{self.config.steps} updates of {self.config.batch} clips on {self.learner.hardware}"
        )
        if self.step:
            text += f"; going on after update {self.step}"
        if self.fresh:
            text += f"; new, since the start has none that fit: {', '.join(self.fresh)}"
        return text

    def record(self) -> dict[str, Any]:
        """What ``run.json`` holds."""
        facts = {**self.result.facts, "seconds": round(self._elapsed_s(), 1)}
        return {**facts, "temperature": self.result.temperature, "history": self.result.history}

    def _elapsed_s(self) -> float:
        return self.seconds + time.monotonic() - self._since_s

    def state_dict(self) -> dict[str, Any]:
        """All that the run needs to go on."""
        return {
            "learner": self.learner.state_dict(),
            "best": self.result.net.state_dict(),
            "temperature": self.result.temperature,
            "history": self.result.history,
            "facts": self.result.facts,
            "waited": self.waited,
            "seconds": self._elapsed_s(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.learner.load_state_dict(state["learner"])
        self.result.net.load_state_dict(state["best"])
        self.result.temperature, self.result.history = state["temperature"], state["history"]
        self.result.facts, self.fresh = state["facts"], []
        self.waited, self.seconds = state["waited"], state["seconds"]


def _start(net: ActionNet, data: Data, start: StartConfig) -> tuple[list[str], Trained | None]:
    """Fill the network with the weights to begin with; returns what stays new."""
    if start.path is None:
        if start.freeze:
            raise ConfigError("`start.freeze` needs weights to keep: set `start.path`.")
        return [], None
    trained = read_trained(start.path)
    return take_over(net, trained, data.labels), trained


def _facts(data: Data, config: TrainConfig, start: Trained | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "config": _portable(config),
        "labels": list(data.labels),
        "code": code_version(),
        "data": data.sha256,
        "samples": {"train": len(data.train), "validation": len(data.validation)},
    }
    return facts if start is None else {**facts, "start": start.facts}


def _portable(config: TrainConfig) -> dict[str, Any]:
    """The configuration as results carry it: without this machine's folders and servers."""
    tree = config_to_dict(config)
    del tree["tracking"]
    if config.start.path is not None:
        tree["start"]["path"] = config.start.path.name
    tree["distillation"]["teachers"] = [path.name for path in config.distillation.teachers]
    return tree


def _check_metric(data: Data, config: ValidationConfig) -> None:
    known = ["mean", "macro_f1", "loss", *sorted({sample.source for sample in data.validation})]
    if config.metric not in known:
        raise ConfigError(
            f"`validation.metric` {config.metric!r} cannot be measured.",
            f"Accepted: {', '.join(known)}.",
        )


def _check_same(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """A run goes on only with what it began with."""
    differing = [
        f"`{key}`"
        for key, value in now["config"].items()
        # Other hardware computes the same but for rounding.
        if key != "hardware" and before["config"].get(key) != value
    ]
    if before["data"] != now["data"]:
        differing.append("the data")
    if differing:
        raise ConfigError(
            f"{folder} holds an interrupted run with other {', '.join(differing)}.",
            f"Go on with its {CONFIG_FILE}, or choose another folder.",
        )


def _validates(step: int, config: TrainConfig) -> bool:
    fine = step > config.schedule.coarse * config.steps
    return (fine and step % config.validation.every == 0) or step == config.steps


def _tracked(run: _Run, folder: Path) -> Tracker:
    tracker = open_tracker(run.config.tracking, folder, run.result.facts.get("tracked_as", ""))
    if tracker.run_id and "tracked_as" not in run.result.facts:
        run.result.facts["tracked_as"] = tracker.run_id
        told = {key: run.result.facts[key] for key in ("config", "code", "data", "samples")}
        tracker.parameters(told)
    return tracker


def _figures(entry: dict[str, Any]) -> dict[str, float]:
    plain = {key: entry[key] for key in ("mean", "macro_f1", "validation_loss")}
    return {**plain, **{f"accuracy.{name}": value for name, value in entry["accuracy"].items()}}


def _line(entry: dict[str, Any]) -> str:
    plain = {key: value for key, value in entry.items() if key not in ("step", "accuracy")}
    figures = {**plain, **entry["accuracy"]}
    text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    return f"step {entry['step']:5d}  {text}"


def _interruption(run: _Run, folder: Path) -> ActionstreamError:
    return ActionstreamError(
        f"Interrupted after update {run.step} of {run.config.steps}; nothing is lost.",
        f"To go on: the same command with --resume {folder}",
    )
