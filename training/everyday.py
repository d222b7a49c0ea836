"""The recipe of the everyday model: from data to the bundle that ships."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from contracts.errors import ConfigError
from inference.bundle import Bundle, ModelInput
from inference.models.frame_encoder import ActionNet, FrameEncoderConfig
from training.catalogue import DataOptions, describe, load_dataset
from training.data import LABEL_NAMES, LABELS
from training.evaluate import Evaluation, evaluate
from training.export import BundleFacts, amend_manifest, export_bundle
from training.samples import Sample
from training.trainer import RUN_FILE, WEIGHTS_FILE, Data, TrainConfig, load_weights, train

NAME = "everyday"
_TRAINED_ON = ("weizmann", "other-movement", "fights", "empty", "figures")
_CHOSEN_ON = ("weizmann", "other-movement", "fights", "still", "figures")
MEASURED_ON = ("weizmann", "weizmann-h264", "figures", "still", "other-movement", "fights")
"""Datasets whose test parts are measured for the model card."""

_SUMMARY = (
    "Ten everyday actions of one person seen whole by a camera that does not move, "
    "and none of them."
)
_LIMITS = (
    "It knows the ten actions and nothing else; other movement should come out as `none`, "
    "but was tried on few kinds of it.",
    "One person at a time: with several, it says what most of the movement in the picture is.",
    "The camera stands still, and the person is about a quarter of the picture's height or more.",
    "Seen from the side for run, skip, walk, jump and side; from the front for the other actions.",
    "Idle gestures can pass for a wave or a bend, and two people who handle each other for an "
    "action: see the windows of `figures` and `other-movement` above.",
    "Trained on five actors against one wall, and on drawn figures; walking, running and the like "
    "are not measured on other real video.",
)
_TERMS: Mapping[str, Mapping[str, str]] = {
    "weizmann": {
        "name": "Weizmann actions",
        "use": "actions, empty scenes and still people; actors daria, denis, eli, ido, ira",
        "source": "Gorelick, Blank, Shechtman, Irani, Basri: Actions as Space-Time Shapes, 2007",
        "terms": "research use",
    },
    "other-movement": {
        "name": "UT-Interaction set 1",
        "use": "movement that is none of the actions; sequences 1 to 5",
        "source": "Ryoo, Aggarwal: UT-Interaction Dataset, 2010",
        "terms": "research use",
    },
    "fights": {
        "name": "surveillance-camera fights",
        "use": "movement that is none of the actions; three fifths of the source videos",
        "source": "Aktı, Tataroğlu, Ekenel: Vision-based Fight Detection from "  # noqa: RUF001
        "Surveillance Cameras, 2019",
        "terms": "MIT",
    },
    "figures": {
        "name": "drawn figures",
        "use": "actions, idling, things that move",
        "source": "drawn by this project: training/figures",
        "terms": "as the project",
    },
}
_SPLITS: Mapping[str, str] = {
    "weizmann": "Weizmann by actor: lena to choose on; lyova and shahar to test on, once.",
    "other-movement": (
        "UT-Interaction set 1 by sequence: 6 to choose on; 7 and 8 to test on, once."
    ),
    "fights": (
        "Fights by source video: every fifth to choose on, and the next to test on, once; a dozen "
        "clips, perhaps of all three parts, had been looked at before fights were added."
    ),
    "figures": "Drawn figures by seed.",
}


@dataclass(frozen=True, slots=True)
class EverydayOptions:
    """What a run of the recipe may change.

    Attributes:
        data: Where data come from and how much is drawn.
        runs: Folder of runs; each gets a folder of its own.
        version: Version of the bundle.
        start: Folder of a run to go on from.
        drawn_only: Train without research data.
        recorded_only: Train without drawn figures.
        config: Everything the training decides.
    """

    data: DataOptions = field(default_factory=DataOptions)
    runs: Path = Path("runs")
    version: str = "1.0.0"
    start: Path | None = None
    drawn_only: bool = False
    recorded_only: bool = False
    config: TrainConfig = field(
        default_factory=lambda: TrainConfig(FrameEncoderConfig(classes=len(LABELS)))
    )

    def uses(self, dataset: str) -> bool:
        """Whether a dataset is trained on."""
        drawn = dataset == "figures"
        return not ((self.drawn_only and not drawn) or (self.recorded_only and drawn))


def train_everyday(options: EverydayOptions, *, quiet: bool = False) -> Bundle:
    """Train and export; nothing is measured on the test parts.

    Args:
        options: What the run may change.
        quiet: Whether to show no progress.

    Returns:
        The bundle, in the run's folder.

    Raises:
        ConfigError: A dataset is missing.
        SourceError: A video cannot be decoded.
    """
    now = datetime.now(UTC)
    folder = options.runs / f"{NAME}-{now:%Y%m%d-%H%M%S}"
    with training_progress(quiet) as progress:
        reading = progress.add_task("read and draw", total=None)
        data = load_data(options)
        progress.remove_task(reading)
        train(data, options.config, folder, progress=progress, start=options.start)
    facts = {"data": describe(data.train), "recipe": _recipe(options)}
    (folder / "data.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return export_run(folder, folder / NAME, options.version)


def load_data(options: EverydayOptions) -> Data:
    """Load what the recipe learns from and is chosen on.

    Raises:
        ConfigError: A dataset is missing.
        SourceError: A video cannot be decoded.
    """

    def collect(names: Sequence[str], part: str) -> list[Sample]:
        return [sample for name in names for sample in load_dataset(name, part, options.data)]

    trained_on = [name for name in _TRAINED_ON if options.uses(name)]
    chosen_on = [name for name in _CHOSEN_ON if options.uses(name)]
    return Data(LABEL_NAMES, collect(trained_on, "train"), collect(chosen_on, "validation"))


def export_run(folder: Path, path: Path, version: str) -> Bundle:
    """Make a bundle of a finished run.

    Args:
        folder: Folder of the run.
        path: Folder of the bundle to write.
        version: Version of the bundle.

    Returns:
        The bundle, without figures of the test parts.

    Raises:
        ConfigError: The folder holds no finished run.
    """
    try:
        run = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        extra = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"{folder} holds no finished run: {exc.filename} is missing.") from exc
    config = FrameEncoderConfig.from_dict(run["config"]["net"])
    net = load_weights(ActionNet(config), folder / WEIGHTS_FILE)
    shape = run["config"]["shape"]
    wanted = ModelInput(
        config.width, config.height, shape["fps"], config.frames, run["config"]["stride"]
    )
    facts = BundleFacts(
        name=NAME,
        version=version,
        summary=_SUMMARY,
        labels=LABELS,
        input=wanted,
        temperature=run["temperature"],
        training=_training_facts(run, extra),
        limits=_LIMITS,
    )
    return export_bundle(net, facts, path)


def measure(
    bundle: Bundle, names: Sequence[str], part: str, options: DataOptions, *, quiet: bool = False
) -> list[Evaluation]:
    """Measure a bundle on several datasets.

    Args:
        bundle: The bundle.
        names: Names of datasets.
        part: ``train``, ``validation`` or ``test``.
        options: Where data come from; frames are made in the size of the bundle's input.
        quiet: Whether to show no progress.

    Returns:
        One evaluation per dataset.

    Raises:
        ConfigError: A dataset is missing.
    """
    sized = replace(options, width=bundle.input.width, height=bundle.input.height)
    return [
        evaluate(bundle, load_dataset(name, part, sized), name, part, quiet=quiet) for name in names
    ]


def record(bundle: Bundle, evaluations: Sequence[Evaluation]) -> Bundle:
    """Write measured figures into a bundle, in place of earlier ones of the same data and part.

    Args:
        bundle: The bundle.
        evaluations: What was measured of it.

    Returns:
        The bundle as read back.
    """
    fresh = [metric for evaluation in evaluations for metric in _metrics(evaluation)]
    replaced = {(metric["data"], metric["part"]) for metric in fresh}
    kept = [m for m in bundle.metrics if (m["data"], m["part"]) not in replaced]
    return amend_manifest(bundle.path, {"metrics": [*kept, *fresh]})


@contextmanager
def training_progress(quiet: bool) -> Iterator[Progress]:
    """Show steps and the time left; on a terminal as a bar, elsewhere as lines."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(quiet=quiet),
    )
    with progress:
        yield progress


def _metrics(evaluation: Evaluation) -> list[dict[str, Any]]:
    command = f"actionstream evaluate {evaluation.dataset} --part {evaluation.part}"
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


def _command(run: Mapping[str, Any]) -> str:
    earlier = 0
    while "start" in run:
        run, earlier = run["start"], earlier + 1
    more = f", gone on with {earlier} times from the best weights so far (`start`)"
    return "actionstream train" + (more if earlier else "")


def _recipe(options: EverydayOptions) -> dict[str, Any]:
    return {
        "trained_on": [name for name in _TRAINED_ON if options.uses(name)],
        "chosen_on": [name for name in _CHOSEN_ON if options.uses(name)],
        "drawn_per_class": list(options.data.drawn),
    }


def _training_facts(run: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    trained_on = extra["recipe"]["trained_on"]
    best = max(run["history"], key=lambda entry: entry["mean"])
    return {
        "data": [dict(_TERMS[name]) for name in trained_on if name in _TERMS],
        "data_sha256": run["data"],
        "split": " ".join(_SPLITS[name] for name in trained_on if name in _SPLITS),
        "validation": best,
        "date": datetime.now(UTC).date().isoformat(),
        "seed": run["config"]["seed"],
        "code": run["code"],
        "command": _command(run),
        "seconds": run["seconds"],
        "hardware": f"{platform.machine()}, {run['config']['threads']} threads",
        "config": run["config"],
        **({"start": run["start"]} if "start" in run else {}),
        "recipe": extra["recipe"],
    }
