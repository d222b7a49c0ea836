"""``models``: which bundles there are, what they say of themselves, and published ones to fetch."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from contracts.errors import ConfigError, MissingDependencyError
from inference.bundle import MANIFEST, SHIPPED, Bundle, find_bundle, list_bundles
from stack.models import pulled_dir
from stack.progress import show_progress
from training.download import user_cache
from training.published import GITHUB, PublishedModel, fetch_model, published_models

_directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the bundles lie; default: those shipped and those pulled.",
)


@click.group()
def models() -> None:
    """List, show and fetch model bundles."""


@models.command("list")
@_directory_option
def list_models(directory: Path | None) -> None:
    """List the bundles there are."""
    name = Column("model", no_wrap=True)
    table = Table(name, "labels", "input", "window", "parameters", "MMAC per frame")
    for bundle in [bundle for folder in _folders(directory) for bundle in list_bundles(folder)]:
        shape = bundle.input
        table.add_row(
            bundle.model_id,
            str(len(bundle.labels)),
            f"{shape.width}x{shape.height} at {shape.fps:g} fps",
            f"{shape.window_s:g} s, every {shape.stride_s:g} s",
            _count(bundle, "parameters", 1),
            _count(bundle, "macs_per_frame", 1_000_000),
        )
    Console().print(table)


@models.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print bundle.json as it is.")
@_directory_option
def show_model(name: str, as_json: bool, directory: Path | None) -> None:
    """Show a bundle: labels, input, measured figures, training data and its terms."""
    bundle = find_bundle(name, *_folders(directory))
    if as_json:
        click.echo(json.dumps(dict(bundle.manifest), indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(f"[bold]{bundle.model_id}[/bold]  {bundle.path}")
    console.print(f"labels: {', '.join(bundle.label_names)}")
    for metric in bundle.metrics:
        console.print(_metric_line(metric))
    card = bundle.path / "MODEL_CARD.md"
    if card.is_file():
        console.print(f"\n{card.read_text(encoding='utf-8')}", markup=False)


@models.command("pull")
@click.argument("name", type=click.Choice(list(published_models())), metavar="NAME")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the bundle goes; default: among the user's, where every command finds it.",
)
@click.option(
    "--mirror",
    metavar="URL",
    default=GITHUB,
    show_default=True,
    help="Fetch from below this address instead.",
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def pull_model(name: str, directory: Path | None, mirror: str, quiet: bool) -> None:
    """Fetch published weights and make a bundle of them that runs here.

    NAME is movinet-SIZE-KIND-k600: SIZE a0, a1 or a2; KIND stream (frame by frame) or base (whole
    clips). All know the 600 actions of Kinetics-600.

    What broke off is taken up again by the next call. A file fetched by other means is used if it
    is the right one; the message says where it is looked for.
    """
    if not mirror.startswith(("http://", "https://")):
        raise ConfigError(f"--mirror takes an http:// or https:// address, not `{mirror}`.")
    path = (directory or pulled_dir()) / name
    if (path / MANIFEST).is_file():
        click.echo(f"{Bundle.load(path).model_id} is there already: {path}")
        return
    make_bundle = _bundle_maker()
    model = published_models(mirror)[name]
    _say(f"fetching {name} from {mirror}", quiet)
    with show_progress("fetching", quiet) as meter:

        def tell(done: int, total: int | None) -> None:
            meter.expect(total)
            meter.reach(done)

        weights, labels = fetch_model(model, user_cache() / "downloads", tell)
    _say("making the bundle", quiet)
    with show_progress("making the bundle", quiet):
        bundle = make_bundle(model, weights, labels, path)
    click.echo(f"pulled {bundle.model_id}: {path}")
    click.echo(f"run it:  actionstream demo --model {name if directory is None else path}")


def _say(line: str, quiet: bool) -> None:
    if not quiet:
        click.echo(line, err=True)


def _bundle_maker() -> Callable[[PublishedModel, Path, Path, Path], Bundle]:
    """Load what makes bundles only when one is to be made: it needs torch."""
    try:
        module = importlib.import_module("training.pull")
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            f"`actionstream models pull` needs {exc.name}, which is not installed.",
            "pip install 'actionstream[train]'",
        ) from exc
    maker: Callable[[PublishedModel, Path, Path, Path], Bundle] = module.make_bundle
    return maker


def _folders(directory: Path | None) -> list[Path]:
    return [SHIPPED, pulled_dir()] if directory is None else [directory]


def _metric_line(metric: Any) -> str:
    return "  ".join(f"{key}={value}" for key, value in metric.items())


def _count(bundle: Bundle, key: str, unit: int) -> str:
    value = bundle.manifest.get(key)
    return f"{value / unit:,.0f}" if isinstance(value, int | float) else "unknown"
