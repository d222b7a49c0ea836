"""``data``: video to train, test and show with."""

from __future__ import annotations

import click

from training.figures.__main__ import main as draw_figures


@click.group()
def data() -> None:
    """Draw training and test video."""


@data.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def figures(arguments: tuple[str, ...]) -> None:
    """Draw people in action, with exact annotations (--help says how)."""
    raise SystemExit(draw_figures(list(arguments)))
