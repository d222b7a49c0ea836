"""``publish`` and ``watch``: video in, results out, without a browser."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path
from typing import TypedDict, Unpack
from urllib.parse import unquote, urlsplit

import click

from contracts.errors import redact
from stack.broadcast import TruthAnnouncer, publish_with_truth
from stack.commands.options import Resolve, with_settings
from stack.progress import show_progress
from stack.watch import WatchOptions
from stack.watch import watch as watch_results
from streaming.publisher import PublishOptions, PublishProgress


class _PublishFlags(TypedDict):
    loop: bool
    truth: Path | None
    quiet: bool


@click.command()
@with_settings
@click.argument("source")
@click.argument("url", required=False)
@click.option("--loop", is_flag=True, help="Start again when it ends.")
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Annotation file to show under the graph.",
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def publish(resolve: Resolve, source: str, url: str | None, **flags: Unpack[_PublishFlags]) -> None:
    """Publish SOURCE over RTSP in real time, as a camera would.

    SOURCE is a file, a directory, /dev/video0, an RTSP or HTTP URL, or a pattern such as
    test:testsrc2. URL is where to: rtsp://HOST:PORT/NAME; without one, this machine's server and
    the source's name.
    """
    settings = resolve()
    url = url or f"rtsp://{settings.rtsp.host}:{settings.rtsp.port}/{_name_of(source)}"
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    click.echo(f"publishing {redact(source)} to {redact(url)}; Ctrl-C ends it", err=True)
    announcer = None
    if flags["truth"] is not None:
        stream = unquote(urlsplit(url).path.strip("/"))
        announcer = TruthAnnouncer(flags["truth"], stream, settings.mqtt)
    with show_progress(redact(source), flags["quiet"]) as meter:

        def tell(state: PublishProgress) -> None:
            meter.rename(f"loop {state.loop}" if state.connected else "waiting for the server")
            meter.expect(state.duration_s)
            meter.reach(state.position_s)

        options = PublishOptions(
            loop=flags["loop"], transport=settings.source.transport, on_progress=tell
        )
        publish_with_truth(source, url, options, announcer, stop)


def _name_of(source: str) -> str:
    """A stream's name for a source: its last part without ending and odd characters."""
    last = source.rstrip("/").rpartition("/")[2].partition("?")[0]
    stem = last.rpartition(".")[0] or last
    return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "video"


@click.command()
@with_settings
@click.argument("stream", required=False)
@click.option("--json", "as_json", is_flag=True, help="Every message as one line of JSON.")
@click.option("--quiet", is_flag=True, help="Events only.")
def watch(resolve: Resolve, stream: str | None, as_json: bool, quiet: bool) -> None:
    """Watch scores and events of STREAM, or of all streams, in the terminal."""
    settings = resolve()
    watch_results(settings.mqtt, WatchOptions(stream=stream, as_json=as_json, quiet=quiet))
