"""From a plan and its data to a bundle: train, keep what is known of the run, export, record."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.errors import ConfigError
from inference.bundle import Bundle, Label, ModelInput
from inference.models.frame_encoder import ActionNet, FrameEncoderConfig
from training.batches import Data
from training.catalogue import describe
from training.config import TrainConfig
from training.evaluate import Evaluation
from training.export import BundleFacts, amend_manifest, export_bundle
from training.progress import training_progress
from training.runs import RUN_FILE, WEIGHTS_FILE, load_weights, write_text
from training.tracking import open_tracker
from training.trainer import train

PLAN_FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class DataUse:
    """What a bundle says of data it was trained on.

    Attributes:
        name: Name of the data.
        use: Which part of them, and what for.
        source: Who made them.
        terms: What may be done with them.
        split: What was held out.
    """

    name: str
    use: str
    source: str
    terms: str
    split: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bundle is to be, beside its weights.

    Attributes:
        name: Name of the bundle.
        summary: One sentence for people.
        labels: The classes, in the order of the scores.
        data: What it is trained on.
        command: Makes it again.
        limits: What it is known not to do, one sentence each.
    """

    name: str
    summary: str
    labels: tuple[Label, ...]
    data: tuple[DataUse, ...]
    command: str
    limits: tuple[str, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(label.name for label in self.labels)

    @property
    def background(self) -> str:
        """Name of the class that means that no action goes on.

        Raises:
            ConfigError: There is none, or several.
        """
        found = [label.name for label in self.labels if label.background]
        if len(found) != 1:
            raise ConfigError(f"{self.name} needs one background class; it has {len(found)}.")
        return found[0]


def run_folder(runs: Path, name: str) -> Path:
    """Name the folder of a new run after its bundle and the time."""
    return runs / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def build_bundle(
    plan: Plan, data: Data, config: TrainConfig, folder: Path, *, quiet: bool = False
) -> Bundle:
    """Train and export; nothing is measured on test data.

    Args:
        plan: What the bundle is to be.
        data: What it learns from and is chosen on; its labels are those of the plan.
        config: What the training decides.
        folder: Of the run. If it holds one that was interrupted, that run goes on.
        quiet: Whether to show no progress.

    Returns:
        The bundle, in the run's folder.

    Raises:
        ConfigError: The configuration asks for what is not there.
        ActionstreamError: Interrupted; the message says how to go on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = {"sources": describe([*data.train, *data.validation]), "sha256": data.sha256}
    facts = {"plan": asdict(plan), "data": described}
    write_text(folder / PLAN_FILE, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    with training_progress(quiet) as progress:
        result = train(data, config, folder, progress=progress)
    bundle = export_run(folder, folder / plan.name, "1.0.0")
    open_tracker(config.tracking, folder, result.facts.get("tracked_as", "")).register(bundle)
    return bundle


def export_run(folder: Path, path: Path, version: str) -> Bundle:
    """Make a bundle of a finished run.

    Args:
        folder: Folder of the run.
        path: Folder of the bundle to write.
        version: Version of the bundle.

    Returns:
        The bundle, without figures of test data.

    Raises:
        ConfigError: The folder holds no finished run.
    """
    run, kept = _read(folder / RUN_FILE), _read(folder / PLAN_FILE)
    plan = kept["plan"]
    config = FrameEncoderConfig.from_dict(run["config"]["net"])
    net = load_weights(ActionNet(config), folder / WEIGHTS_FILE)
    shape, stride = run["config"]["shape"], run["config"]["validation"]["stride"]
    facts = BundleFacts(
        name=plan["name"],
        version=version,
        summary=plan["summary"],
        labels=tuple(Label(**label) for label in plan["labels"]),
        input=ModelInput(
            width=config.width,
            height=config.height,
            fps=shape["fps"],
            frames=config.frames,
            stride=stride,
            reference=shape["reference"],
        ),
        temperature=run["temperature"],
        training=_training_facts(run, kept),
        limits=plan["limits"],
    )
    return export_bundle(net, facts, path)


def record(bundle: Bundle, evaluations: Sequence[Evaluation]) -> Bundle:
    """Write measured figures into a bundle, in place of earlier ones of the same data and part.

    Args:
        bundle: The bundle.
        evaluations: What was measured of it.

    Returns:
        The bundle as read back.
    """
    fresh = [metric for evaluation in evaluations for metric in _metrics(evaluation, bundle.name)]
    replaced = {(metric["data"], metric["part"]) for metric in fresh}
    kept = [m for m in bundle.metrics if (m["data"], m["part"]) not in replaced]
    return amend_manifest(bundle.path, {"metrics": [*kept, *fresh]})


def _metrics(evaluation: Evaluation, model: str) -> list[dict[str, Any]]:
    command = f"actionstream evaluate {evaluation.dataset} --model {model} --part {evaluation.part}"
    common = {
        "data": evaluation.dataset,
        "part": evaluation.part,
        "command": command,
        "date": evaluation.date,
    }
    return [
        {
            **common,
            "name": f"{unit} with the right top label",
            "value": round(confusion.accuracy, 4),
            "count": confusion.total,
            "recall": {label: round(v, 4) for label, v in confusion.recall().items()},
        }
        for unit, confusion in (("windows", evaluation.windows), ("clips", evaluation.clips))
    ]


def _read(file: Path) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"{file.parent} holds no finished run: {file} is missing.") from exc
    return tree


def _training_facts(run: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    used = kept["plan"]["data"]
    best = max(run["history"], key=lambda entry: entry["mean"])
    return {
        "data": [{key: use[key] for key in ("name", "use", "source", "terms")} for use in used],
        "data_sha256": run["data"],
        "samples": kept["data"],
        "split": " ".join(use["split"] for use in used if use["split"]),
        "validation": best,
        "date": datetime.now(UTC).date().isoformat(),
        "seed": run["config"]["seed"],
        "code": run["code"],
        "command": _command(run, kept["plan"]["command"]),
        "seconds": run["seconds"],
        "hardware": f"{platform.machine()}, {run['config']['hardware']['threads']} threads",
        "config": run["config"],
        **({"start": run["start"]} if "start" in run else {}),
    }


def _command(run: Mapping[str, Any], command: str) -> str:
    """Say, too, how many runs the weights went through: each is under ``start`` of the next."""
    runs, start = 1, run.get("start", {})
    while "config" in start:
        runs, start = runs + 1, start.get("start", {})
    if runs == 1:
        return command
    return f"{command}, in {runs} runs of which each began with the last one's weights (`start`)"
