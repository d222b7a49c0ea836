"""What `watch` shows: the board from messages alone, and the function against a real broker."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest
from rich.console import Console, ConsoleDimensions

from contracts.asyncapi import EXAMPLES
from contracts.messages import Event, Scores, StreamStatus, TopScore
from contracts.mqtt import MqttConnection, Received
from contracts.settings import MqttSettings
from contracts.topics import ONLINE, Kind, Topics
from contracts.types import StreamState
from inference.publisher import ResultPublisher
from stack.watch import BAR_WIDTH, json_line, printable, render, score_bar
from stack.watch_board import SILENT_S, Board, describe_event
from tests.brokers import Restartable, running
from tests.conftest import pick_port

TOPICS = Topics()
WIDE = ConsoleDimensions(120, 30)


def _scores(seq: int, label: str = "walk", stream: str = "cam1") -> Scores:
    known = EXAMPLES[Kind.SCORES]
    assert isinstance(known, Scores)
    return replace(known, seq=seq, stream=stream, top=TopScore(label, 0.93))


def _event(kind: str, number: int = 1) -> Event:
    known = EXAMPLES[Kind.EVENTS]
    assert isinstance(known, Event)
    tree = json.loads(known.to_json()) | {"stream": "cam1", "type": kind, "id": str(number)}
    return Event.from_json(json.dumps(tree))


def _received(message: Scores | Event | StreamStatus) -> Received:
    topic = TOPICS.stream(message.stream, message.KIND)
    return Received(topic, message.to_json(), retained=False)


def _text(board: Board, size: ConsoleDimensions = WIDE) -> str:
    drawn = io.StringIO()
    console = Console(file=drawn, width=size.width, height=size.height)
    connection = MqttConnection(MqttSettings(), "test")
    console.print(render(board, connection, size))
    return drawn.getvalue()


@pytest.fixture(name="board")
def fixture_board() -> Board:
    """A board that heard nothing yet."""
    return Board(TOPICS)


def test_holes_in_seq_are_losses(board: Board) -> None:
    changes = [board.take(_received(_scores(seq)), float(seq)) for seq in (5, 6, 9, 10)]

    assert board.streams["cam1"].lost == 2
    assert changes[2] is not None
    assert "2 windows lost before seq 9" in changes[2].text


def test_a_restarted_worker_is_no_loss(board: Board) -> None:
    for seq in (500, 501, 0, 1):
        board.take(_received(_scores(seq)), 0.0)

    assert board.streams["cam1"].lost == 0


def test_a_line_is_written_when_the_top_label_changes(board: Board) -> None:
    labels = ["walk", "walk", "run", "run", "walk"]
    changes = [board.take(_received(_scores(seq, label)), 0.0) for seq, label in enumerate(labels)]

    assert [change is not None for change in changes] == [True, False, True, False, True]


def test_rate_and_silence(board: Board) -> None:
    for seq in range(9):
        board.take(_received(_scores(seq)), seq * 0.25)
    view = board.streams["cam1"]

    assert view.windows_per_s == pytest.approx(4.0)
    assert view.latency_ms == pytest.approx(64.5)
    assert not view.is_silent(2.0 + SILENT_S)
    assert view.is_silent(2.1 + SILENT_S)


def test_an_action_is_one_row_however_many_messages(board: Board) -> None:
    for kind in ("new", "update", "end"):
        board.take(_received(_event(kind)), 0.0)
    board.take(_received(_event("new", 2)), 0.0)

    assert [event.type for event in board.events] == ["new", "end"]


def test_events_in_words() -> None:
    assert describe_event(_event("new")) == "new walk 0.88"
    assert describe_event(_event("end")) == "end walk after 6.4 s, mean 0.88, peak 0.97"


def test_a_removed_stream_disappears(board: Board) -> None:
    status = StreamStatus(stream="cam1", state=StreamState.LIVE, since=0.0)
    board.take(_received(status), 0.0)
    assert "cam1" in board.streams
    change = board.take(Received(TOPICS.stream("cam1", Kind.STATUS), b"", False), 0.0)

    assert change is not None
    assert change.text == "removed"
    assert not board.streams


def test_bad_messages_are_counted_and_named(board: Board) -> None:
    change = board.take(Received(TOPICS.stream("cam1", Kind.SCORES), b"{}", False), 0.0)

    assert board.bad_messages == 1
    assert change is not None
    assert "scores" in change.text


def test_the_table_says_what_matters(board: Board) -> None:
    error = "Nobody answers at rtsp://camera."
    board.take(Received(TOPICS.status, ONLINE.encode(), True), 0.0)
    board.take(_received(_scores(1)), time.monotonic())
    board.take(_received(_scores(4)), time.monotonic())
    board.take(_received(_event("end")), 0.0)
    off = StreamStatus(stream="yard", state=StreamState.OFFLINE, since=0.0, error=error)
    board.take(_received(off), 0.0)
    text = _text(board)

    for part in ("online", "2 streams", "cam1", "walk", "0.93", "wave2 0.04", "offline", error):
        assert part in text
    assert "█" in text
    assert "over" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_fits_the_terminal(board: Board, width: int) -> None:
    for number in range(100):
        board.take(_received(_scores(1, stream=f"camera-{number}" * 5)), 0.0)
        board.take(_received(_event("new", number)), 0.0)
    lines = _text(board, ConsoleDimensions(width, 24)).splitlines()

    assert len(lines) <= 24
    assert max(len(line) for line in lines) <= width
    assert any("more streams" in line for line in lines)


def test_an_empty_board_says_what_to_do(board: Board) -> None:
    assert "actionstream publish" in _text(board)


def test_names_cannot_steer_the_terminal(board: Board) -> None:
    board.take(_received(_scores(1, "\x1b[2J", "\x1b]0;owned\x07")), 0.0)

    assert "\x1b" not in _text(board)
    assert "\x07" not in _text(board)
    assert printable("a\x9bb\r") == "a·b·"


@pytest.mark.parametrize("score", [-1.0, 0.0, 0.001, 0.5, 0.93, 1.0, 7.0])
def test_bars_have_the_right_length(score: float) -> None:
    assert abs(len(score_bar(score)) - min(max(score, 0), 1) * BAR_WIDTH) <= 1


def test_json_lines() -> None:
    assert json.loads(json_line(Received("t", b'{"a":1}', False))) == {
        "topic": "t",
        "payload": {"a": 1},
    }
    assert json.loads(json_line(Received("t", b"online\xff", False)))["payload"] == "online\ufffd"


_PROGRAM = """
import sys
from contracts.errors import ActionstreamError
from contracts.settings import MqttSettings
from stack.watch import WatchOptions, watch
try:
    watch(MqttSettings(port=int(sys.argv[1])), WatchOptions(as_json="json" in sys.argv))
except ActionstreamError as exc:
    sys.exit(str(exc))
"""


@pytest.fixture(name="publishing")
def fixture_publishing() -> Iterator[Restartable]:
    """A broker on which scores and events go on and on."""
    with running("embedded") as broker:
        publisher = ResultPublisher(broker.settings)
        publisher.start()
        stopping: list[bool] = []
        thread = Thread(target=_keep_publishing, args=(publisher, stopping))
        thread.start()
        yield broker
        stopping.append(True)
        thread.join()
        publisher.stop()


def _keep_publishing(publisher: ResultPublisher, stopping: list[bool]) -> None:
    seq = 0
    while not stopping:
        publisher.scores(_scores(seq, "walk" if seq // 5 % 2 else "run"))
        publisher.event(_event("new", seq))
        seq += 1
        time.sleep(0.02)


def _command(broker: Restartable, *flags: str) -> list[str]:
    return [sys.executable, "-u", "-c", _PROGRAM, str(broker.settings.port), *flags]


def test_json_mode_prints_every_message_until_interrupted(publishing: Restartable) -> None:
    with subprocess.Popen(
        _command(publishing, "json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(30)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)

    assert process.returncode == 0
    assert not errors
    assert {"topic": TOPICS.status, "payload": "online"} in lines
    assert Scores.from_json(json.dumps(next(s for s in lines if "scores" in s["topic"])["payload"]))


def test_a_closed_pipe_ends_it_quietly(publishing: Restartable) -> None:
    with subprocess.Popen(
        _command(publishing), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(3)]
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(10)

    assert process.returncode == 0
    assert not errors
    assert "service is online" in first[0]


def test_in_a_terminal_it_draws_a_table_and_ends_with_ctrl_c(publishing: Restartable) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    with subprocess.Popen(
        _command(publishing), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        seen = b""
        deadline_s = time.monotonic() + 10
        while b"\xe2\x96\x88" not in seen and time.monotonic() < deadline_s:
            seen += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        process.wait(10)
        os.close(ours)

    assert process.returncode == 0
    assert b"cam1" in seen
    assert b"Traceback" not in seen


def test_without_a_broker_it_says_so() -> None:
    command = [sys.executable, "-c", _PROGRAM, str(pick_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 1
    assert "No MQTT broker answers at mqtt://127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr
