"""``train`` and ``export``: from data to a bundle."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from contracts.errors import ConfigError
from contracts.settings import ModelSettings, load_settings
from inference.bundle import Bundle
from inference.worker import window_spec
from stack.logs import configure_logging
from stack.models import open_bundle, open_model
from stack.progress import show_progress
from training.batches import Data
from training.building import build_bundle, export_run, run_folder
from training.catalogue import DataOptions
from training.config import TrainConfig
from training.config_file import read_config
from training.datasets import activitynet
from training.datasets.dataset import PARTS
from training.datasets.reading import AUTO, FORMATS, read_dataset
from training.finetune import (
    ANNOTATIONS_FILE,
    Naming,
    bundle_name,
    check_config,
    judge,
    own_config,
    own_plan,
    record_sections,
)
from training.own_data import OwnData, load, prepare
from training.recipes import RECIPES, load_data
from training.reports.document import Origin, make_document, write_report
from training.reports.terminal import print_document
from training.runs import CONFIG_FILE
from training.samples import FrameCache, default_cache
from training.watching import Watcher

_PATH = click.Path(path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_START = "everyday"


class _OwnFlags(TypedDict):
    """Options that only data of one's own have."""

    name: str | None
    classes: str | None
    background: str | None
    form: str | None
    videos: Path | None


class _RunFlags(TypedDict):
    """Options of every training."""

    data: Path | None
    runs: Path
    start: str | None
    config: Path | None
    resume: Path | None
    steps: int | None
    quiet: bool


class _Flags(_OwnFlags, _RunFlags):
    """All options."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--name", help="Name of your bundle; default: that of PATH."),
        click.option("--classes", metavar="A,B,…", help="Of your classes, these; default: all."),
        click.option(
            "--background",
            metavar="NAME",
            help="Your class that means no action; default: one called none, background, …",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice((AUTO, *FORMATS)),
            metavar="NAME",
            help="Format of your data; default: what is found.",
        ),
        click.option(
            "--videos", type=_PATH, metavar="DIR", help="Folder of the videos that PATH annotates."
        ),
        click.option(
            "--data", type=_PATH, help="Folder of a RECIPE's data; default: ../shared/data."
        ),
        click.option(
            "--runs", type=_PATH, default=Path("runs"), help="Folder of runs; default: runs."
        ),
        click.option(
            "--start",
            metavar="BUNDLE",
            help=f"Begin with these weights: a bundle or a run; default for PATH: {_START}.",
        ),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="YAML file of what to change; docs/training.md lists the keys.",
        ),
        click.option("--resume", type=_FOLDER, metavar="RUN", help="Go on with this run."),
        click.option("--steps", type=click.IntRange(min=1), help="Length of the training."),
        click.option("--quiet", is_flag=True, help="No progress bars."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("what", metavar="[PATH|RECIPE]", default="everyday")
@_options
def train(what: str, **flags: Unpack[_Flags]) -> None:
    """Train a model on the clips at PATH, one folder for each class; or one that ships.

    PATH may also be annotations of any format that `actionstream data show` reads. A part of the
    data is held out, and the finished bundle is measured on it. docs/train-your-own.md leads
    through all of it.

    RECIPE is a bundle that ships: everyday, fight, drawn. Nothing is measured on its test data:
    `actionstream evaluate` does that, once.
    """
    if what in RECIPES:
        _train_recipe(what, flags)
    else:
        _train_own(Path(what), flags)


def _train_recipe(what: str, flags: _Flags) -> None:
    for flag in _OwnFlags.__annotations__:
        if flags[flag] is not None:  # type: ignore[literal-required]  # mypy knows no loop of keys
            name = "format" if flag == "form" else flag
            raise ConfigError(
                f"--{name} is for data of your own, not for the recipe {what}.",
                f"If {what} is a folder, write ./{what}.",
            )
    recipe = RECIPES[what]
    folder = flags["resume"] or run_folder(flags["runs"], what)
    config = _config(recipe.config, flags)
    samples = load_data(replace(recipe, config=config), DataOptions(root=flags["data"]))
    bundle = build_bundle(recipe.plan, samples, config, folder, quiet=flags["quiet"])
    click.echo(f"trained {bundle.model_id}: {bundle.path}")
    click.echo(f"measure it:  actionstream evaluate --model {shlex.quote(str(bundle.path))}")
    click.echo(f"run it:      actionstream demo --model {shlex.quote(str(bundle.path))}")


def _config(config: TrainConfig, flags: _Flags) -> TrainConfig:
    """The configuration of recipe or data, changed by a file, changed by flags."""
    if flags["resume"] is not None:
        return read_config(flags["resume"] / CONFIG_FILE, config)
    if flags["config"] is not None:
        config = read_config(flags["config"], config)
    if flags["start"] is not None:
        start = replace(config.start, path=_weights(flags["start"]))
        config = replace(config, start=start)
    if flags["steps"] is not None:
        config = replace(config, steps=flags["steps"])
    return config


def _weights(name: str) -> Path:
    """Folder of a bundle, by its name or by its path, or of a run."""
    if Path(name).is_dir() and name not in RECIPES:
        return Path(name)
    return open_bundle(ModelSettings(name=name)).path


@dataclass(frozen=True, slots=True)
class _OwnRun:
    """Training on one's own data, as far as it is decided."""

    path: Path
    own: OwnData
    config: TrainConfig
    folder: Path
    flags: _Flags


def _train_own(path: Path, flags: _Flags) -> None:
    settings = load_settings()
    configure_logging(settings.log)
    if not path.exists():
        raise ConfigError(
            f"{path} is neither a path nor a recipe.", f"Recipes: {', '.join(RECIPES)}."
        )
    name = bundle_name(flags["name"], path)
    run = _decide(path, name, flags)
    _print_parts(run.own)
    command = shlex.join(["actionstream", *sys.argv[1:]])
    plan = own_plan(Naming(name, path.name, command), run.own, run.config.start.path)
    data = _load(run, name)
    run.folder.mkdir(parents=True, exist_ok=True)
    activitynet.write(run.own.dataset, run.folder / ANNOTATIONS_FILE)
    bundle = build_bundle(plan, data, run.config, run.folder, quiet=flags["quiet"])
    click.echo(f"trained {bundle.model_id}: {bundle.path}")
    _measure(run, bundle)
    _print_next(run, bundle)


def _decide(path: Path, name: str, flags: _Flags) -> _OwnRun:
    dataset = read_dataset(flags["form"] or AUTO, path, flags["videos"])
    classes = [part.strip() for part in (flags["classes"] or "").split(",") if part.strip()]
    own = prepare(dataset, classes, flags["background"])
    config = _config(own_config(_weights(flags["start"] or _START), own), flags)
    check_config(config, own)
    folder = flags["resume"] or run_folder(flags["runs"], name)
    return _OwnRun(path, own, config, folder, flags)


def _load(run: _OwnRun, name: str) -> Data:
    net = run.config.net
    cache = FrameCache(default_cache(), net.width, net.height)
    with show_progress("read videos", run.flags["quiet"]) as meter:

        def tell(done: int, total: int) -> None:
            meter.expect(total)
            meter.reach(done)

        return load(run.own, name, cache, tell)


def _measure(run: _OwnRun, bundle: Bundle) -> None:
    """Measure the bundle as `actionstream evaluate` does; write the figures into it."""
    part = run.own.judged_part
    if part is None:
        return
    started = datetime.now(UTC)
    settings = load_settings(None, {"model.name": str(bundle.path)})
    model = open_model(settings.model)
    watcher = Watcher(model, window_spec(bundle, settings), settings.events)
    with show_progress("measure", run.flags["quiet"]) as meter:
        sections = judge(watcher, run.own, meter.rename)
    command = _evaluation(run, bundle, part)
    origin = Origin(bundle.model_id, f"{run.path.name} ({part})", command, started)
    document = make_document(origin, sections)
    print_document(document, Console())
    click.echo(f"report: {write_report(document, run.folder / 'report')}")
    record_sections(bundle, sections, {"data": run.path.name, "part": part, "command": command})


def _evaluation(run: _OwnRun, bundle: Bundle, part: str) -> str:
    """The command that measures a bundle on the held-out part of its data."""
    videos = run.flags["videos"] or (run.path if run.path.is_dir() else run.path.parent)
    words = ["actionstream", "evaluate", "--model", str(bundle.path)]
    truth = ["--truth", str(run.folder / ANNOTATIONS_FILE), "--videos", str(videos)]
    return shlex.join([*words, *truth, "--part", part])


def _print_parts(own: OwnData) -> None:
    """Show what is learned from, chosen and measured on."""
    console = Console()
    columns = (Column(part, justify="right") for part in PARTS)
    table = Table(Column("class", min_width=10), *columns, box=SIMPLE, pad_edge=False)
    for label in own.labels:
        count = [own.count(label, part) for part in PARTS]
        note = " (background)" if label == own.background else ""
        table.add_row(escape(label + note), *map(str, count))
    groups = [len({video.group for video in own.dataset.part(part)}) for part in PARTS]
    table.add_section()
    table.add_row("groups", *map(str, groups))
    console.print(table)
    for note in own.notes:
        console.print(f"[yellow]![/yellow] {escape(note)}", highlight=False, soft_wrap=True)


def _print_next(run: _OwnRun, bundle: Bundle) -> None:
    model = shlex.quote(str(bundle.path))
    part = run.own.judged_part
    if part is not None:
        click.echo(f"measure again:  {_evaluation(run, bundle, part)}")
    click.echo(f"run it live:    actionstream up --model {model}")
    click.echo(f"score a file:   actionstream predict --model {model} VIDEO")


@click.command()
@click.argument("run", type=_FOLDER)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--version", default="1.0.0", help="Version of the bundle; default: 1.0.0.")
def export(run: Path, folder: Path, version: str) -> None:
    """Export a training RUN as a bundle into FOLDER."""
    bundle = export_run(run, folder, version)
    click.echo(f"exported {bundle.model_id}: {bundle.path}")
