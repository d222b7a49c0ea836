"""Options that many commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import click

from contracts.errors import ConfigError
from contracts.settings import Settings, load_settings, read_value
from stack.logs import configure_logging


class Resolve(Protocol):
    """What a command calls to get its settings, with the values of its own flags."""

    def __call__(self, **flags: Any) -> Settings:
        """Resolve the settings and set up the log.

        Args:
            **flags: Values by key, with ``__`` for the dot; ``None`` changes nothing.

        Raises:
            ConfigError: A key or value is wrong.
        """


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config`` and ``--set``; the command receives a `Resolve` as its first argument."""

    @click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Settings file; default: actionstream.yaml if there is one.",
    )
    @click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a setting, as mqtt.port=1884; may be given again.",
    )
    @functools.wraps(command)
    def wrapped(config: Path | None, changes: tuple[str, ...], **arguments: Any) -> Any:
        def resolve(**flags: Any) -> Settings:
            settings = load_settings(config, _overrides(changes, flags))
            configure_logging(settings.log)
            return settings

        return command(resolve, **arguments)

    return wrapped


model_option = click.option(
    "--model", metavar="NAME", help="Bundle's name or folder; default: everyday."
)


def _overrides(changes: tuple[str, ...], flags: dict[str, Any]) -> dict[str, Any]:
    overrides = {key.replace("__", "."): value for key, value in flags.items()}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"--set takes KEY=VALUE, not `{change}`.")
        overrides[key.strip()] = read_value(key.strip().split("."), text)
    return overrides
