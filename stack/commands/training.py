"""``train`` and ``export``: from data to a bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import click

from training.building import build_bundle, export_run, run_folder
from training.catalogue import DataOptions
from training.config import TrainConfig
from training.config_file import read_config
from training.recipes import RECIPES, load_data
from training.runs import CONFIG_FILE


class _TrainFlags(TypedDict):
    start: Path | None
    config: Path | None
    resume: Path | None
    steps: int | None
    quiet: bool


_folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("what", metavar="[RECIPE]", type=click.Choice(tuple(RECIPES)), default="everyday")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that holds the datasets; default: ../shared/data.",
)
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    help="Folder of runs; default: runs.",
)
@click.option("--start", type=_folder, help="Start from the weights of a bundle or a run.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of what to change; docs/training.md lists the keys.",
)
@click.option("--resume", type=_folder, metavar="RUN", help="Go on with an interrupted run.")
@click.option("--steps", type=click.IntRange(min=1), help="Length of the training.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def train(what: str, data: Path | None, runs: Path, **flags: Unpack[_TrainFlags]) -> None:
    """Train a bundle that ships (everyday, fight, drawn) and export it into the run's folder.

    Nothing is measured on test data: `actionstream evaluate` does that, once.
    """
    recipe = RECIPES[what]
    folder = flags["resume"] or run_folder(runs, what)
    config = _config(recipe.config, flags)
    samples = load_data(replace(recipe, config=config), DataOptions(root=data))
    bundle = build_bundle(recipe.plan, samples, config, folder, quiet=flags["quiet"])
    click.echo(f"trained {bundle.model_id}: {bundle.path}")
    click.echo(f"measure it:  actionstream evaluate --model {bundle.path}")
    click.echo(f"run it:      actionstream demo --model {bundle.path}")


def _config(config: TrainConfig, flags: _TrainFlags) -> TrainConfig:
    """The recipe's configuration, changed by a file, changed by flags."""
    if flags["resume"] is not None:
        return read_config(flags["resume"] / CONFIG_FILE, config)
    if flags["config"] is not None:
        config = read_config(flags["config"], config)
    if flags["start"] is not None:
        config = replace(config, start=replace(config.start, path=flags["start"]))
    if flags["steps"] is not None:
        config = replace(config, steps=flags["steps"])
    return config


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--version", default="1.0.0", help="Version of the bundle; default: 1.0.0.")
def export(run: Path, folder: Path, version: str) -> None:
    """Export a training RUN as a bundle into FOLDER."""
    bundle = export_run(run, folder, version)
    click.echo(f"exported {bundle.model_id}: {bundle.path}")
