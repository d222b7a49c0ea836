"""A bundle for classes of one's own: trained from one that is there, and measured.

Small data want what a larger model has learned: training starts from a bundle's weights, the
encoder moves slowly, and of the classifier the rows of labels that the bundle knows are taken over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.errors import ConfigError
from inference.bundle import MANIFEST, Bundle, Label
from training.building import PLAN_FILE, DataUse, Plan
from training.clips import ClipShape, Mixture
from training.config import (
    OptimizerConfig,
    ScheduleConfig,
    StartConfig,
    TrainConfig,
    ValidationConfig,
)
from training.config_file import read_config
from training.evaluate_dataset import OnVideo, evaluate_dataset
from training.export import amend_manifest
from training.own_data import OwnData
from training.runs import CONFIG_FILE, read_trained
from training.watching import Watcher

ANNOTATIONS_FILE = "annotations.json"
"""In the run's folder: the data with their parts, so that anybody can measure again."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SIDES = frozenset({"left", "right"})


@dataclass(frozen=True, slots=True)
class Naming:
    """What a bundle is called, and where it comes from.

    Attributes:
        name: Name of the bundle.
        source: Where the videos lie, for the record.
        command: Makes it again.
    """

    name: str
    source: str
    command: str


def bundle_name(given: str | None, path: Path) -> str:
    """Choose the name of a bundle.

    Args:
        given: What somebody wants it to be called, or None.
        path: Its data, whose name it has otherwise.

    Raises:
        ConfigError: The name cannot be that of a folder on every system.
    """
    name = given
    if name is None:
        whole = path.resolve()
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", whole.stem if whole.is_file() else whole.name)
        name = plain.strip("-._")[:64] or "own"
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"A bundle cannot be called {name!r}.",
            "Take up to 64 letters, digits, '-', '_' and '.', a letter or digit first.",
        )
    return name


def own_config(start: Path, own: OwnData) -> TrainConfig:
    """Choose what suits a few clips per class.

    Args:
        start: Folder of the bundle or run to begin with; the network has its shape.
        own: The data.

    Returns:
        The configuration: a few minutes on two cores.

    Raises:
        ConfigError: The start holds no weights that can be trained on.
        BundleError: The bundle to start from is damaged.
    """
    net = replace(read_trained(start).config, classes=len(own.labels), boundaries=True)
    shape, stride = _windows(start)
    config = TrainConfig(
        net,
        shape=shape,
        mixture=Mixture(none=1.0, frozen=0.3, recorded=0.7),
        optimizer=OptimizerConfig(learning_rate=2e-3, average=0.98),
        schedule=ScheduleConfig(coarse=0.5),
        validation=ValidationConfig(every=50, stride=stride),
        start=StartConfig(path=start, encoder_rate=0.2),
        steps=300,
    )
    if any(_SIDES & set(re.split(r"[\W_]+", label.casefold())) for label in own.labels):
        # Mirrored, left is right.
        config = replace(config, changes=replace(config.changes, mirror=0.0))
    return config


def _windows(start: Path) -> tuple[ClipShape, int]:
    """Time of the windows that the start was trained on, and the frames between two of them."""
    if (start / MANIFEST).is_file():
        wanted = Bundle.load(start).input
        return ClipShape(wanted.frames, wanted.fps, reference=wanted.reference), wanted.stride
    config = read_config(start / CONFIG_FILE)
    return config.shape, config.validation.stride


def check_config(config: TrainConfig, own: OwnData) -> None:
    """Refuse a configuration that cannot be that of the data.

    Raises:
        ConfigError: It is for another number of classes, or window and clips differ in length.
    """
    if config.net.classes != len(own.labels):
        raise ConfigError(
            f"`net.classes` is {config.net.classes}, but there are {len(own.labels)} classes: "
            f"{', '.join(own.labels)}.",
            "Leave the key out.",
        )
    if config.net.frames != config.shape.frames:
        raise ConfigError(
            f"`net.frames` is {config.net.frames} and `shape.frames` {config.shape.frames}.",
            "Both are the frames of a window: set them to one number.",
        )


def own_plan(naming: Naming, own: OwnData, start: Path | None) -> Plan:
    """Say what the bundle is to be.

    Args:
        naming: Its name and where it comes from.
        own: Its data.
        start: Folder of the bundle or run whose weights it begins with.

    Returns:
        The plan. Data that the start was trained on stand in it too: their terms go on.
    """
    labels = tuple(
        Label(name, _title(name), background=name == own.background) for name in own.labels
    )
    counts = {part: len(own.dataset.part(part)) for part in ("train", "validation", "test")}
    use = DataUse(
        name=naming.source,
        use=f"{counts['train']} videos to learn from, {counts['validation']} to choose on",
        source="whoever made this bundle",
        terms="those of whoever made the videos",
        split=f"By group; {counts['test']} videos are held out to measure on.",
    )
    limits = ["It knows its classes and nothing else, in scenes like those it was trained on."]
    return Plan(
        name=naming.name,
        summary=f"Tells {', '.join(own.actions)} from each other and from no action.",
        labels=labels,
        data=(use, *_inherited(start)),
        command=naming.command,
        limits=(*limits, *own.notes),
    )


def _title(name: str) -> str:
    words = re.sub(r"[\s_-]+", " ", name).strip()
    return words[:1].upper() + words[1:] or name


def _inherited(start: Path | None) -> list[DataUse]:
    """What the weights to begin with were trained on."""
    if start is None:
        return []
    if (start / MANIFEST).is_file():
        bundle = Bundle.load(start)
        name, used = bundle.model_id, bundle.manifest.get("training", {}).get("data", ())
    elif (start / PLAN_FILE).is_file():
        plan = json.loads((start / PLAN_FILE).read_text(encoding="utf-8"))["plan"]
        name, used = plan["name"], plan["data"]
    else:
        return []
    return [
        DataUse(
            name=item["name"],
            use=f"through the weights of {name}, where training began: {item['use']}",
            source=item["source"],
            terms=item["terms"],
            split="",
        )
        for item in used
    ]


def judge(
    watcher: Watcher, own: OwnData, on_video: OnVideo = lambda _: None
) -> list[dict[str, Any]]:
    """Measure a finished bundle on the part that is held out, through its ONNX graphs.

    Args:
        watcher: The bundle's model.
        own: Its data.
        on_video: Is told the name of each video before it is read.

    Returns:
        Sections of a report; none where nothing is held out.
    """
    if own.judged_part is None:
        return []
    return evaluate_dataset(watcher, own.dataset, own.judged_part, on_video)


def record_sections(
    bundle: Bundle, sections: Sequence[Mapping[str, Any]], origin: Mapping[str, str]
) -> Bundle:
    """Write what was measured into a bundle.

    Args:
        bundle: The bundle.
        sections: From `judge`.
        origin: What every figure says beside its value: ``data``, ``part`` and ``command``.

    Returns:
        The bundle as read back.
    """
    date = datetime.now(UTC).date().isoformat()
    metrics = [
        {**origin, "date": date, **figure} for section in sections for figure in _figures(section)
    ]
    return amend_manifest(bundle.path, {"metrics": metrics})


def _figures(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    if section["kind"] == "classification":
        if not section["count"]:
            return []
        recall = {
            entry["label"]: entry["recall"]["value"]
            for entry in section["per_class"]
            if entry["count"]
        }
        name = f"{section['unit']} with the right top label"
        return [{"name": name, **_share(section["accuracy"]), "recall": recall}]
    if not section["truths"]:
        return []
    point = section["operating_point"]
    shares = {
        "actions found by live events": point["recall"],
        "live events that are right": point["precision"],
    }
    return [{"name": name, **_share(rate)} for name, rate in shares.items() if rate["count"]]


def _share(rate: Mapping[str, Any]) -> dict[str, Any]:
    """A share with its count and Wilson's 95 % interval."""
    return {key: rate[key] for key in ("value", "count", "low", "high")}
