"""The ``actionstream`` command. Each subcommand's module is loaded only when it is called."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version

import click

from contracts.errors import EXIT_FAILED, ActionstreamError, MissingDependencyError
from stack.terminal import show_error

_EXTRAS = {"torch": "train", "onnxscript": "train", "safetensors": "train"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a subcommand lives, and its line in the help."""

    target: str
    summary: str


_COMMANDS = {
    "up": _Entry("live:up", "Run everything: RTSP server, broker, worker, dashboard."),
    "demo": _Entry("live:demo", "Run everything and publish the demo clip in a loop."),
    "worker": _Entry("live:worker", "Run the worker and its REST API alone."),
    "dashboard": _Entry("live:dashboard", "Run the dashboard alone."),
    "rtsp-server": _Entry("live:rtsp_server", "Run the RTSP server alone."),
    "broker": _Entry("live:broker", "Run the MQTT broker alone."),
    "publish": _Entry("media:publish", "Publish a file, device, URL or pattern over RTSP."),
    "watch": _Entry("media:watch", "Watch scores and events in the terminal."),
    "predict": _Entry("predict:predict", "Scores and segments of video files."),
    "doctor": _Entry("doctor:doctor", "Check this machine and say what to do."),
    "models": _Entry("models:models", "List, show and fetch model bundles."),
    "train": _Entry("training:train", "Train a model and export its bundle."),
    "evaluate": _Entry("evaluate:evaluate", "Measure a bundle, or judge a file of results."),
    "export": _Entry("training:export", "Export a training run as a bundle."),
    "data": _Entry("data:data", "Draw, convert, cut down and check video with annotations."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        try:
            command = getattr(importlib.import_module(f"stack.commands.{module}"), name)
        except ModuleNotFoundError as exc:
            extra = _EXTRAS.get(exc.name or "")
            if extra is None:
                raise
            raise MissingDependencyError(
                f"`actionstream {cmd_name}` needs {exc.name}, which is not installed.",
                f"pip install 'actionstream[{extra}]'",
            ) from exc
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help's list without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version("actionstream"), prog_name="actionstream")
def app() -> None:
    """Real-time human-action analytics on live video.

    Push a video over RTSP, subscribe to scores and events over MQTT, watch the graph in a browser.
    """


def main() -> None:
    """Run the command line and leave with the right exit code."""
    try:
        app.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output left, as `| head` does; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except ActionstreamError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except Exception as error:  # pylint: disable=broad-exception-caught # edge of the process
        logging.getLogger(__name__).debug("unexpected error", exc_info=error)
        click.secho(f"error: unexpected {type(error).__name__}: {error}", fg="red", err=True)
        click.echo(
            "This is a defect: please report it with the output of --set log.level=debug", err=True
        )
        sys.exit(EXIT_FAILED)
