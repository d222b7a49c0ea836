"""``models``: which bundles there are and what they say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inference.bundle import Bundle, find_bundle, list_bundles
from stack.models import SHIPPED

_directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=SHIPPED,
    help="Where the bundles lie; default: those shipped.",
)


@click.group()
def models() -> None:
    """List and show model bundles."""


@models.command("list")
@_directory_option
def list_models(directory: Path) -> None:
    """List the bundles of a directory."""
    table = Table("model", "labels", "input", "window", "parameters", "MMAC per frame")
    for bundle in list_bundles(directory):
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
def show_model(name: str, as_json: bool, directory: Path) -> None:
    """Show a bundle: labels, input, measured figures, training data and its terms."""
    bundle = find_bundle(name, directory)
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


def _metric_line(metric: Any) -> str:
    return "  ".join(f"{key}={value}" for key, value in metric.items())


def _count(bundle: Bundle, key: str, unit: int) -> str:
    value = bundle.manifest.get(key)
    return f"{value / unit:,.0f}" if isinstance(value, int | float) else "unknown"
