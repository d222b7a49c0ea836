"""``data``: video to train, test and show with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Column, Table

from contracts.errors import SourceError
from stack.commands.data_tools import check, subset
from stack.terminal import show_error
from training.datasets import activitynet
from training.datasets.dataset import Dataset, Video
from training.datasets.loading import probe
from training.datasets.reading import AUTO, FORMATS, read_dataset
from training.datasets.summary import Summary, summarise
from training.figures.__main__ import main as draw_figures

_PATH = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Draw, convert, cut down and check video with annotations."""


def _reads(command: Callable[..., None]) -> Callable[..., None]:
    """Add what every command that reads a dataset takes."""
    for option in (
        click.option("--quiet", is_flag=True, help="No progress bar."),
        click.option(
            "--probe",
            "probing",
            is_flag=True,
            help="Open the video files for lengths and frame rates that the annotations lack.",
        ),
        click.option("--videos", type=_PATH, help="Folder with the video files."),
    ):
        command = option(command)
    return command


def _format_list() -> str:
    lines = [f"  {name:15} {reader.summary}" for name, reader in FORMATS.items()]
    return "\b\nFormats:\n" + "\n".join([f"  {AUTO:15} whichever is recognised", *lines])


@data.command(epilog=_format_list())
@click.argument("format_name", metavar="FORMAT")
@click.argument("path", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@_reads
def show(format_name: str, path: Path, as_json: bool, **reading: Any) -> None:
    """Show what the annotations at PATH hold: parts, labels, hours."""
    summary = summarise(_read(format_name, path, **reading))
    if as_json:
        click.echo(json.dumps(summary.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print_summary(summary)


@data.command(epilog=_format_list())
@click.argument("format_name", metavar="FORMAT")
@click.argument("path", type=_PATH)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@_reads
def convert(format_name: str, path: Path, out: Path, **reading: Any) -> None:
    """Convert the annotations at PATH to ActivityNet's JSON, the file OUT."""
    dataset = _read(format_name, path, **reading)
    activitynet.write(dataset, out)
    segments = sum(len(video.annotations) for video in dataset.videos)
    click.echo(
        f"{dataset.name}: {len(dataset.videos):,} videos, {segments:,} segments, "
        f"{len(dataset.labels)} labels: {out}"
    )


@data.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def figures(arguments: tuple[str, ...]) -> None:
    """Draw people in action, with exact annotations (--help says how)."""
    raise SystemExit(draw_figures(list(arguments)))


for _command in (subset, check):
    _command.epilog = _format_list()
    data.add_command(_command)


def _read(
    format_name: str, path: Path, *, videos: Path | None, probing: bool, quiet: bool
) -> Dataset:
    dataset = read_dataset(format_name, path, videos)
    if not probing:
        return dataset
    console = Console(stderr=True)
    shown = track(
        dataset.videos,
        "open videos",
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    return replace(dataset, videos=tuple(map(_probe, shown)))


def _probe(video: Video) -> Video:
    try:
        return probe(video)
    except SourceError as error:
        show_error(error)
        return video


def _print_summary(summary: Summary) -> None:
    console = Console()
    count = sum(part.videos for part in summary.parts)
    console.print(
        f"[bold]{escape(summary.name)}[/bold]: {count:,} videos, {len(summary.labels)} labels"
    )
    console.print(_parts_table(summary))
    console.print(_labels_table(summary))
    if any(part.files and None in (part.hours, part.labelled_hours) for part in summary.parts):
        console.print("The annotations lack some lengths; --probe asks the video files.")


def _parts_table(summary: Summary) -> Table:
    table = _table(
        "part", ("videos", "files", "groups", "segments", "ignored", "hours", "labelled h")
    )
    for part in summary.parts:
        counts = (part.videos, part.files, part.groups, part.segments, part.ignored)
        hours = (part.hours, part.labelled_hours)
        table.add_row(part.part, *(f"{count:,}" for count in counts), *map(_figure, hours))
    return table


def _labels_table(summary: Summary) -> Table:
    names = tuple(part.part for part in summary.parts)
    table = _table("label", (*names, "videos", "median s"))
    for label in summary.labels:
        counts = [label.segments[name] for name in names]
        cells = (f"{count:,}" for count in (*counts, label.videos))
        table.add_row(escape(label.label), *cells, _figure(label.median_s))
    return table


def _table(first: str, others: tuple[str, ...]) -> Table:
    columns = (Column(name, justify="right") for name in others)
    return Table(Column(first, min_width=10), *columns, box=SIMPLE, pad_edge=False)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.2f}"
