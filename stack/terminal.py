"""What commands say to a person."""

from __future__ import annotations

import click

from contracts.errors import ActionstreamError


def show_error(error: ActionstreamError) -> None:
    """Print an error: what is wrong, and what to do about it."""
    click.secho(f"error: {error.message}", fg="red", err=True)
    if error.hint:
        click.echo(f"       {error.hint}", err=True)
