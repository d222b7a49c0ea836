"""``train``, ``evaluate`` and ``export``: from data to a bundle, and its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import click
from rich.console import Console

from contracts.settings import ModelSettings
from stack.models import open_bundle
from training.catalogue import DATASETS, PARTS, DataOptions
from training.everyday import (
    MEASURED_ON,
    EverydayOptions,
    export_run,
    measure,
    record,
    train_everyday,
)


class _TrainFlags(TypedDict):
    drawn_only: bool
    steps: int | None
    quiet: bool


_data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that holds the datasets; default: ../shared/data.",
)
_quiet_option = click.option("--quiet", is_flag=True, help="No progress bars.")


@click.command()
@_data_option
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    help="Folder of runs; default: runs.",
)
@click.option(
    "--start",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="RUN",
    help="Go on from the best weights of an earlier run.",
)
@click.option("--drawn-only", is_flag=True, help="Train on drawn figures alone: no data needed.")
@click.option("--steps", type=click.IntRange(min=1), help="Length of the training.")
@_quiet_option
def train(data: Path | None, runs: Path, start: Path | None, **flags: Unpack[_TrainFlags]) -> None:
    """Train the everyday model and export its bundle into the run's folder.

    Nothing is measured on test data: `actionstream evaluate` does that, once.
    """
    options = EverydayOptions(
        data=DataOptions(root=data), runs=runs, start=start, drawn_only=flags["drawn_only"]
    )
    if (steps := flags["steps"]) is not None:
        options = replace(options, config=replace(options.config, steps=steps))
    bundle = train_everyday(options, quiet=flags["quiet"])
    click.echo(f"trained {bundle.model_id}: {bundle.path}")
    click.echo(f"measure it:  actionstream evaluate --model {bundle.path}")
    click.echo(f"run it:      actionstream demo --model {bundle.path}")


@click.command()
@click.argument("datasets", nargs=-1, type=click.Choice(tuple(DATASETS)))
@click.option("--model", default="everyday", help="Bundle's name or folder; default: everyday.")
@click.option("--part", type=click.Choice(PARTS), default="test", help="Default: test.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--record", "keep", is_flag=True, help="Write the figures into the bundle.")
@_data_option
def evaluate(
    datasets: tuple[str, ...], model: str, part: str, data: Path | None, **flags: bool
) -> None:
    """Measure a bundle on DATASETS, by windows and by clips, through the graphs that run live."""
    bundle = open_bundle(ModelSettings(name=model))
    names = datasets or MEASURED_ON
    found = measure(bundle, names, part, DataOptions(root=data), quiet=flags["as_json"])
    if flags["as_json"]:
        click.echo(json.dumps([evaluation.to_dict() for evaluation in found], indent=2))
    else:
        for evaluation in found:
            evaluation.print(Console())
    if flags["keep"]:
        record(bundle, found)
        click.echo(f"recorded in {bundle.path}", err=True)


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--version", default="1.0.0", help="Version of the bundle; default: 1.0.0.")
def export(run: Path, folder: Path, version: str) -> None:
    """Export a training RUN as a bundle into FOLDER."""
    bundle = export_run(run, folder, version)
    click.echo(f"exported {bundle.model_id}: {bundle.path}")
