"""``data subset`` and ``data check``: a small version of a dataset, and what is wrong with one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from contracts.errors import EXIT_FAILED, ConfigError
from stack.progress import show_progress
from training.datasets import activitynet
from training.datasets.checking import Check, Finding, Severity, check_dataset, write_report
from training.datasets.checking.findings import count
from training.datasets.cut import How, place_videos, trim_videos
from training.datasets.dataset import PARTS, Dataset
from training.datasets.reading import read_dataset
from training.datasets.subset import Plan, Subset, make_subset

ANNOTATIONS_FILE = "annotations.json"
VIDEOS_FOLDER = "videos"

_PATH = click.Path(path_type=Path)
_videos_option = click.option(
    "--videos", type=_PATH, metavar="DIR", help="Folder with the video files."
)
_quiet_option = click.option("--quiet", is_flag=True, help="No progress bar.")
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_MAX_CASES = 3
_MAX_NAMES = 4


class _SubsetFlags(TypedDict):
    """Options of `subset` beside the plan."""

    videos: Path | None
    copy: bool
    trim: float | None
    quiet: bool


class _PlanFlags(_SubsetFlags):
    """All options of `subset`."""

    classes: str
    per_class: int
    parts: str
    seed: int
    regroup: bool


@click.command()
@click.argument("format_name", metavar="FORMAT")
@click.argument("path", type=_PATH)
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--classes",
    required=True,
    metavar="N|NAMES",
    help="How many classes, or their names with commas between.",
)
@click.option(
    "--per-class", type=click.IntRange(min=1), required=True, metavar="K", help="Videos per class."
)
@click.option(
    "--parts",
    default="60,20,20",
    show_default=True,
    metavar="T,V,T",
    help="Percentages of train, validation and test.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--regroup", is_flag=True, help="Make new parts, even if the dataset has its own.")
@click.option("--copy", is_flag=True, help="Copy the videos instead of linking them.")
@click.option(
    "--trim",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Cut clips around the annotations, with so much background on either side.",
)
@_videos_option
@_quiet_option
def subset(format_name: str, path: Path, out: Path, **flags: Unpack[_PlanFlags]) -> None:
    """Make a small, balanced version of the dataset at PATH in the folder OUT.

    Writes OUT/annotations.json, in ActivityNet's form, and OUT/videos. No group (an actor, a source
    video) stands in two parts. The dataset's own parts are kept; parts that it lacks are made of
    its training groups.
    """
    plan = Plan(
        _classes(flags["classes"]),
        flags["per_class"],
        _shares(flags["parts"]),
        flags["seed"],
        keep_parts=not flags["regroup"],
    )
    made = make_subset(read_dataset(format_name, path, flags["videos"]), plan)
    dataset = _with_videos(made.dataset, out / VIDEOS_FOLDER, flags)
    activitynet.write(dataset, out / ANNOTATIONS_FILE)
    _print_subset(made, dataset, out)


def _classes(text: str) -> tuple[str, ...] | int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or text.isdecimal():
        raise ConfigError(f"--classes takes a number from 1 on or names, not {text!r}.")
    return names


def _shares(text: str) -> tuple[float, float, float]:
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != len(PARTS) or min(numbers) < 0 or abs(sum(numbers) - 100) > 0.01:
        raise ConfigError(
            f"--parts takes three percentages that sum to 100, as 60,20,20; not {text!r}.",
            f"They are for {', '.join(PARTS)}.",
        )
    train, validation, test = (number / 100 for number in numbers)
    return train, validation, test


def _with_videos(dataset: Dataset, folder: Path, flags: _SubsetFlags) -> Dataset:
    at_hand = sum(video.path is not None and video.path.is_file() for video in dataset.videos)
    if flags["copy"] and flags["trim"] is not None:
        raise ConfigError("--copy and --trim cannot be had together.")
    if not at_hand:
        if flags["trim"] is not None:
            raise ConfigError("No video is at hand to cut.", "Name their folder with --videos.")
        return dataset
    with show_progress("videos", flags["quiet"]) as meter:
        meter.expect(len(dataset.videos))
        if flags["trim"] is not None:
            return trim_videos(dataset, folder, flags["trim"], meter.reach)
        how = How.COPY if flags["copy"] else How.LINK
        return place_videos(dataset, folder, how, meter.reach)


def _print_subset(made: Subset, dataset: Dataset, out: Path) -> None:
    console = Console()
    console.print(_subset_table(made))
    for line in made.shortages():
        console.print(f"[yellow]too few:[/yellow] {escape(line)}")
    if made.torn:
        console.print(
            f"{count(len(made.torn), 'group')} in several of the dataset's own parts; only the "
            "videos of one part were used."
        )
    files = sum(video.path is not None for video in dataset.videos)
    noun = "clip" if len(dataset.videos) != len(made.dataset.videos) else "video"
    console.print(
        f"{escape(str(out / ANNOTATIONS_FILE))}: {count(len(dataset.videos), noun)}, "
        f"{files} with a file",
        soft_wrap=True,
    )


def _subset_table(made: Subset) -> Table:
    parts = [part for part in PARTS if any(key[1] == part for key in made.wanted)]
    columns = (Column(part, justify="right") for part in (*parts, "all"))
    table = Table(Column("class", min_width=10), *columns, box=SIMPLE, pad_edge=False)
    labels = [*made.dataset.labels, *({label for label, _ in made.wanted} - {*made.dataset.labels})]
    for label in labels:
        numbers = [made.found.get((label, part), 0) for part in parts]
        name = escape(label) if label else "[dim]nothing happens[/dim]"
        table.add_row(name, *map(str, numbers), str(sum(numbers)))
    table.add_section()
    for name, totals in (
        ("videos", [len(made.dataset.part(part)) for part in parts]),
        ("groups", [len({v.group for v in made.dataset.part(part)}) for part in parts]),
    ):
        table.add_row(f"[bold]{name}[/bold]", *map(str, totals), str(sum(totals)))
    return table


@click.command()
@click.argument("format_name", metavar="FORMAT")
@click.argument("path", type=_PATH)
@_videos_option
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with pictures of the worst, as report.html.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 if there is an error or a warning.")
@_quiet_option
def check(
    format_name: str, path: Path, videos: Path | None, report: Path | None, **flags: bool
) -> None:
    """Look for trouble in the dataset at PATH: leaks, copies, bad pictures, bad annotations.

    Every video at hand is opened and looked at in a few places. The exit code is 0 whatever is
    found, unless --strict is given.
    """
    dataset = read_dataset(format_name, path, videos)
    with show_progress("videos", flags["quiet"] or flags["as_json"]) as meter:
        meter.expect(len(dataset.videos))
        found = check_dataset(dataset, meter.reach)
    if report is not None:
        write_report(found, report)
    if flags["as_json"]:
        click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print_check(found, report)
    if flags["strict"] and found.number(Severity.ERROR) + found.number(Severity.WARNING):
        sys.exit(EXIT_FAILED)


def _print_check(found: Check, report: Path | None) -> None:
    console = Console()
    looked = sum(item.measures is not None for item in found.items)
    console.print(
        f"[bold]{escape(found.dataset.name)}[/bold]: {count(len(found.items), 'video')}, {looked} "
        f"looked into, {count(len(found.classes), 'class')}\n"
    )
    for finding in found.findings:
        _print_finding(console.print, finding)
    numbers = (count(found.number(severity), severity.value) for severity in Severity)
    console.print(", ".join(numbers))
    if report is not None:
        console.print(f"pictures and all cases: {escape(str(report))}", soft_wrap=True)


def _print_finding(show: Callable[..., None], finding: Finding) -> None:
    style = _STYLES[finding.severity]
    show(
        f"[{style}]{finding.severity}[/{style}] {escape(finding.summary)} [dim]{finding.kind}[/dim]"
    )
    for case in finding.cases[:_MAX_CASES]:
        names = ", ".join(case.videos[:_MAX_NAMES])
        more = len(case.videos) - _MAX_NAMES
        names += f" and {more} more" if more > 0 else ""
        figures = "" if names else ", ".join(f"{v:g} {k}" for k, v in case.numbers.items())
        text = ": ".join(part for part in (names, case.detail, figures) if part)
        show(f"  {escape(text)}", highlight=False)
    if (left := len(finding.cases) - _MAX_CASES) > 0:
        show(f"  and {left} more", highlight=False)
    show(f"  [dim]{escape(finding.advice)}[/dim]\n", highlight=False)
