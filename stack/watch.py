"""`actionstream watch`: scores and events live in the terminal."""

from __future__ import annotations

import json
import logging
import math
import os
import queue
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.messages import Event
from contracts.mqtt import LinkState, MqttConnection, MqttHandlers, Received, check_broker
from contracts.settings import MqttSettings
from contracts.topics import OFFLINE, ONLINE, Kind, Topics
from contracts.types import StreamState
from stack.watch_board import Board, StreamView

REFRESH_HZ = 8
QUEUE_SIZE = 5_000
BAR_WIDTH = 12
EVENT_ROWS = 10
MAX_PROBLEMS = 4
WIDE = 100
_STATE_STYLES = {
    StreamState.LIVE: "green",
    StreamState.CONNECTING: "yellow",
    StreamState.STALLED: "bold yellow",
    StreamState.OFFLINE: "red",
}
_SERVICE_STYLES = {ONLINE: "green", OFFLINE: "red"}
_EVENT_STYLES = {"new": "bold green", "update": "green", "end": "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """What to show.

    Attributes:
        stream: Only this one; ``None`` for all.
        as_json: Print every message as one line of JSON instead.
        quiet: In lines, only events and states, not each change of the top label.
        console: Where to draw; default: standard output.
    """

    stream: str | None = None
    as_json: bool = False
    quiet: bool = False
    console: Console | None = None


class _Feed:
    """Messages on their way from the connection's thread to ours; the oldest are dropped."""

    def __init__(self) -> None:
        self.dropped = 0
        self._queue: queue.Queue[Received] = queue.Queue(QUEUE_SIZE)

    def put(self, received: Received) -> None:
        """Add a message; never blocks."""
        while True:
            try:
                self._queue.put_nowait(received)
                return
            except queue.Full:
                self.dropped += 1
                self._queue.get_nowait()

    def take(self, timeout_s: float) -> Iterator[Received]:
        """Everything that is there, waiting for the first for so long."""
        with suppress(queue.Empty):
            yield self._queue.get(timeout=timeout_s)
            while True:
                yield self._queue.get_nowait()


def watch(settings: MqttSettings, options: WatchOptions | None = None) -> None:
    """Show what happens until Ctrl-C.

    A terminal gets a live table; a pipe or file gets a line per event and change; ``as_json``
    prints ``{"topic", "payload"}`` per message.

    Args:
        settings: Where the broker is.
        options: What to show.

    Raises:
        BrokerError: No broker answers, or it does not let us in.
        ConfigError: ``mqtt.url`` is no broker's URL.
    """
    options = options or WatchOptions()
    console = options.console or Console()
    check_broker(settings)
    feed = _Feed()
    connection = MqttConnection(
        settings,
        "actionstream-watch",
        MqttHandlers(
            subscriptions=_subscriptions(Topics(settings.prefix), options.stream),
            on_message=feed.put,
        ),
    )
    # We say ourselves when the broker goes away; log lines would tear the table apart.
    logging.getLogger("contracts.mqtt").addFilter(_mute)
    connection.start()
    try:
        if options.as_json:
            _print_json(feed)
        elif console.is_terminal:
            _show_table(feed, connection, Board(Topics(settings.prefix)), console)
        else:
            _print_lines(feed, connection, Board(Topics(settings.prefix)), options.quiet)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # `watch | head` has seen enough; the interpreter must not flush into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        connection.stop(0.5)
        logging.getLogger("contracts.mqtt").removeFilter(_mute)


def _mute(_record: logging.LogRecord) -> bool:
    return False


def _subscriptions(topics: Topics, stream: str | None) -> list[str]:
    if stream is None:
        return [topics.status, topics.all_streams]
    return [topics.status, *(topics.stream(stream, kind) for kind in Kind)]


def _print_json(feed: _Feed) -> None:
    while True:
        for received in feed.take(1.0):
            print(json_line(received))
        sys.stdout.flush()


def json_line(received: Received) -> str:
    """One message as a line of JSON; a payload that is no JSON becomes a string."""
    text = received.payload.decode("utf-8", "replace")
    try:
        payload = json.loads(text)
    except ValueError:
        payload = text
    return json.dumps({"topic": received.topic, "payload": payload})


def _print_lines(feed: _Feed, connection: MqttConnection, board: Board, quiet: bool) -> None:
    problem = ""
    while True:
        for received in feed.take(1.0):
            change = board.take(received, time.monotonic())
            is_score = received.topic.endswith(f"/{Kind.SCORES}")
            if change is not None and not (quiet and is_score):
                _print_line(change.stream, change.text)
        if connection.error != problem:
            problem = connection.error
            _print_line("", problem or "connected again")
        sys.stdout.flush()


def _print_line(stream: str, text: str) -> None:
    moment = datetime.now().strftime("%H:%M:%S.%f")[:-3]
    print(printable(f"{moment} {stream or '-'} {text}"))


def printable(text: str) -> str:
    """Replace what could steer the terminal: names and labels come from the network."""
    return "".join(sign if sign.isprintable() else "\N{MIDDLE DOT}" for sign in text)


def _show_table(feed: _Feed, connection: MqttConnection, board: Board, console: Console) -> None:
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            until_s = time.monotonic() + 1 / REFRESH_HZ
            while (left_s := until_s - time.monotonic()) > 0:
                for received in feed.take(left_s):
                    board.take(received, time.monotonic())
            live.update(render(board, connection, console.size), refresh=True)


def render(board: Board, connection: MqttConnection, size: ConsoleDimensions) -> Group:
    """Draw the board.

    Args:
        board: What is known.
        connection: For its state and address.
        size: Of the terminal: events get the lines that streams leave; a narrow one shows the
            strongest class alone.

    Returns:
        Something that rich can print.
    """
    now_s, (width, height) = time.monotonic(), size
    streams = sorted(board.streams.values(), key=lambda view: view.name)
    room = max(3, height - 8)
    shown = streams[: max(1, room - 4)]
    parts: list[Table | Text] = [_header(board, connection, len(streams)), Text()]
    if not streams:
        parts.append(Text("No stream yet. Push one: actionstream publish VIDEO", style="dim"))
        return Group(*parts)
    parts.append(_stream_table(shown, now_s, width >= WIDE))
    if len(shown) < len(streams):
        parts.append(Text(f"… and {len(streams) - len(shown)} more streams", style="dim"))
    problems = [_problem(view) for view in shown if _has_problem(view)][:MAX_PROBLEMS]
    parts += problems
    rows = min(EVENT_ROWS, room - len(shown) - len(problems) - 2)
    if board.events and rows > 0:
        newest = sorted(board.events, key=lambda event: -event.start)[:rows]
        parts += [Text(), _event_table(newest)]
    return Group(*parts)


def _has_problem(view: StreamView) -> bool:
    return view.status is not None and view.status.error is not None


def _problem(view: StreamView) -> Text:
    error = view.status.error if view.status is not None else None
    return Text(printable(f"{view.name}: {error}"), "red")


def _header(board: Board, connection: MqttConnection, count: int) -> Text:
    line = Text.assemble(
        ("actionstream ", "bold"),
        (printable(board.service), _SERVICE_STYLES.get(board.service, "yellow")),
        f"  {count} stream{'' if count == 1 else 's'}  ",
        (connection.address, "dim"),
    )
    if connection.state is not LinkState.CONNECTED:
        line.append(f"  {connection.state}: {connection.error}", style="bold red")
    return line


def _stream_table(views: list[StreamView], now_s: float, is_wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    table.add_column("stream", no_wrap=True, max_width=28)
    table.add_column("state", no_wrap=True)
    table.add_column("action", no_wrap=True, max_width=20)
    table.add_column("", width=BAR_WIDTH, no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("then", no_wrap=True, max_width=36, style="dim")
    for name in ("ms", "win/s", "fps", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for view in views:
        table.add_row(*_stream_row(view, now_s, is_wide))
    return table


def _stream_row(view: StreamView, now_s: float, is_wide: bool) -> list[Text | str]:
    state, fps = "?", None
    if view.status is not None:
        state, fps = view.status.state, view.status.fps
    style = _STATE_STYLES.get(StreamState(state), "") if view.status is not None else "dim"
    cells: list[Text | str] = [Text(printable(view.name)), Text(state, style)]
    if view.scores is None:
        cells += [Text("-", "dim"), Text(), Text()]
    else:
        faded = "dim" if view.is_silent(now_s) else ""
        top = view.scores.top
        cells += [
            Text(printable(top.label), faded or "bold"),
            Text(score_bar(top.score), faded or "cyan"),
            Text(f"{top.score:.2f}", faded),
        ]
    if is_wide:
        top_label = view.scores.top.label if view.scores is not None else ""
        others = [pair for pair in view.strongest if pair[0] != top_label][:2]
        cells.append(printable("  ".join(f"{label} {score:.2f}" for label, score in others)))
    lost = Text(str(view.lost), "red" if view.lost else "dim")
    return [*cells, _number(view.latency_ms, 0), _number(view.windows_per_s), _number(fps), lost]


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def score_bar(score: float) -> str:
    """Draw a score from 0 to 1 in eighths of a character."""
    eighths = math.floor(min(max(score, 0.0), 1.0) * BAR_WIDTH * 8 + 0.5)
    full, rest = divmod(eighths, 8)
    return "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]


def _event_table(events: list[Event]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    table.add_column("began", no_wrap=True)
    table.add_column("stream", no_wrap=True, max_width=28)
    table.add_column("event", no_wrap=True)
    table.add_column("action", no_wrap=True, max_width=20)
    table.add_column("seconds", justify="right")
    table.add_column("score", justify="right")
    table.add_column("peak", justify="right")
    for event in events:
        style = _EVENT_STYLES[event.type]
        end = time.time() if event.end is None else event.end
        table.add_row(
            datetime.fromtimestamp(event.start).strftime("%H:%M:%S"),
            Text(printable(event.stream)),
            Text("over" if event.type == "end" else "now", style),
            Text(printable(event.label), style),
            f"{max(0.0, end - event.start):.1f}",
            f"{event.score:.2f}",
            f"{event.peak:.2f}",
        )
    return table
