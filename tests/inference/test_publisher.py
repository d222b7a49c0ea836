"""The worker's publisher against real brokers, through restarts and sudden death."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contracts.asyncapi import EXAMPLES
from contracts.messages import Command, ControlState, Event, EventRule, Labels, Scores, StreamStatus
from contracts.mqtt import LinkState, MqttHandlers, Outgoing
from contracts.outbox import DURABLE_CAPACITY
from contracts.settings import MqttSettings
from contracts.topics import Kind, Topics
from contracts.types import StreamState
from inference.publisher import CommandHandlers, ResultPublisher
from tests.brokers import BOTH, Recorder, Restartable, connected, running
from tests.conftest import wait_for

NAME = "hall/cam 1+#é"
TOPICS = Topics()


@pytest.fixture(name="broker", params=BOTH)
def fixture_broker(request: pytest.FixtureRequest) -> Iterator[Restartable]:
    """An open broker on loopback."""
    with running(request.param) as broker:
        yield broker


@contextmanager
def _publishing(
    settings: MqttSettings,
    commands: CommandHandlers | None = None,
    outbox: int = DURABLE_CAPACITY,
) -> Iterator[ResultPublisher]:
    publisher = ResultPublisher(settings, commands, outbox)
    publisher.start()
    try:
        wait_for(lambda: publisher.stats.broker is LinkState.CONNECTED, "connection")
        yield publisher
    finally:
        publisher.stop()


def _status(state: StreamState) -> StreamStatus:
    return StreamStatus(stream=NAME, state=state, since=1.0)


def _scores(seq: int) -> Scores:
    known = EXAMPLES[Kind.SCORES]
    assert isinstance(known, Scores)
    return Scores.from_json(known.to_json().replace(b'"seq":1201', b'"seq":%d' % seq))


def _event(number: int) -> Event:
    return Event(
        stream=NAME,
        id=f"e{number}",
        type="new",
        label="walk",
        start=float(number),
        score=0.9,
        peak=0.9,
        model="m@1",
    )


def test_each_message_comes_on_its_topic(broker: Restartable) -> None:
    labels = Labels(model="m@1", labels=["walk", "none"])
    state = ControlState(stream=NAME, paused=False, rules={"*": EventRule()})
    with Recorder(broker.settings) as recorder, _publishing(broker.settings) as publisher:
        publisher.status(_status(StreamState.LIVE))
        publisher.labels(NAME, labels)
        publisher.state(state)
        assert publisher.scores(_scores(1))
        assert publisher.event(_event(1))
        for kind, message in (
            (Kind.STATUS, _status(StreamState.LIVE)),
            (Kind.LABELS, labels),
            (Kind.STATE, state),
            (Kind.EVENTS, _event(1)),
        ):
            recorder.wait_for(TOPICS.stream(NAME, kind), message.to_json())
        recorder.wait_for(TOPICS.stream("hall/cam1", Kind.SCORES), _scores(1).to_json())
        recorder.wait_for(TOPICS.status, b"online")
        wait_for(lambda: publisher.stats.outbox == 0, "acknowledgements")
        assert publisher.stats.published == 6


def test_a_clean_end_says_offline(broker: Restartable) -> None:
    with Recorder(broker.settings) as recorder:
        with _publishing(broker.settings) as publisher:
            publisher.event(_event(1))
        recorder.wait_for(TOPICS.status, b"offline")

    # The event was made just before the end and still left before it.
    assert [message.topic for message in recorder.received][-2:] == [
        TOPICS.stream(NAME, Kind.EVENTS),
        TOPICS.status,
    ]


def test_nothing_is_lost_over_a_restart_of_the_broker(broker: Restartable) -> None:
    with _publishing(broker.settings) as publisher:
        publisher.status(_status(StreamState.LIVE))
        publisher.labels(NAME, Labels(model="m@1", labels=["walk"]))
        publisher.event(_event(0))
        wait_for(lambda: publisher.stats.outbox == 0, "acknowledgements")
        broker.stop()
        wait_for(lambda: publisher.stats.broker is LinkState.UNREACHABLE, "loss")
        assert not publisher.scores(_scores(1))
        for number in range(1, 100):
            publisher.event(_event(number))
        publisher.status(_status(StreamState.STALLED))
        assert publisher.stats.outbox >= 99
        broker.start()
        with Recorder(broker.settings) as recorder:
            recorder.wait_for(TOPICS.status, b"online")
            recorder.wait_for(
                TOPICS.stream(NAME, Kind.STATUS), _status(StreamState.STALLED).to_json()
            )
            wait_for(lambda: recorder.payloads(TOPICS.stream(NAME, Kind.LABELS)), "labels")
        wait_for(lambda: publisher.stats.outbox == 0, "acknowledgements")
        stats = publisher.stats

    assert (stats.reconnects, stats.dropped_scores, stats.dropped_events) == (1, 1, 0)


def test_events_made_meanwhile_arrive_in_order(broker: Restartable) -> None:
    """The subscriber comes back first: what it hears is all there was, in order."""
    with Recorder(broker.settings) as recorder, _publishing(broker.settings) as publisher:
        broker.stop()
        wait_for(lambda: publisher.stats.broker is LinkState.UNREACHABLE, "loss")
        broker.start()
        wait_for(lambda: recorder.connects == 2, "the subscriber's return")
        expected = [_event(number).to_json() for number in range(300)]
        for number in range(300):
            publisher.event(_event(number))
        recorder.wait_for(TOPICS.stream(NAME, Kind.EVENTS), expected[-1])

    heard = list(dict.fromkeys(recorder.payloads(TOPICS.stream(NAME, Kind.EVENTS))))
    assert heard == expected


def test_events_made_before_the_first_connection_arrive() -> None:
    with running("embedded") as broker:
        broker.stop()
        publisher = ResultPublisher(broker.settings)
        for number in range(50):
            publisher.event(_event(number))
        broker.start()
        with Recorder(broker.settings) as recorder:
            publisher.start()
            recorder.wait_for(TOPICS.stream(NAME, Kind.EVENTS), _event(49).to_json())
            publisher.stop()

    events = recorder.payloads(TOPICS.stream(NAME, Kind.EVENTS))
    assert events == [_event(number).to_json() for number in range(50)]


def test_a_full_outbox_drops_the_oldest_events() -> None:
    with running("embedded") as broker, _publishing(broker.settings, outbox=10) as publisher:
        broker.stop()
        wait_for(lambda: publisher.stats.broker is LinkState.UNREACHABLE, "loss")
        kept = [publisher.event(_event(number)) for number in range(15)]

        assert kept == [True] * 10 + [False] * 5
        assert publisher.stats.dropped_events == 5


def test_a_forgotten_stream_leaves_nothing_behind(broker: Restartable) -> None:
    with _publishing(broker.settings) as publisher:
        publisher.status(_status(StreamState.LIVE))
        publisher.labels(NAME, Labels(model="m@1", labels=["walk"]))
        publisher.forget(NAME)
        wait_for(lambda: publisher.stats.outbox == 0, "acknowledgements")
        with Recorder(broker.settings) as recorder:
            recorder.wait_for(TOPICS.status, b"online")

    assert {message.topic for message in recorder.received} == {TOPICS.status}


def test_commands_are_heard_and_bad_ones_explained(broker: Restartable) -> None:
    good: list[tuple[str, Command]] = []
    bad: list[tuple[str, str]] = []
    handlers = CommandHandlers(
        on_command=lambda stream, command: good.append((stream, command)),
        on_bad_command=lambda stream, error: bad.append((stream, error)),
    )
    topic = TOPICS.stream(NAME, Kind.SET)
    with _publishing(broker.settings, handlers), connected(broker.settings) as sender:
        sender.publish(Outgoing(topic, b"", qos=1))
        sender.publish(Outgoing(topic, b'{"paused": 5}', qos=1))
        sender.publish(Outgoing(topic, Command(paused=True).to_json(), qos=1))
        wait_for(lambda: good, "command")

    assert good == [(NAME, Command(paused=True))]
    assert len(bad) == 1
    assert bad[0][0] == NAME
    assert "wrong at paused" in bad[0][1]


def test_a_retained_command_is_not_carried_out_again(broker: Restartable) -> None:
    good: list[Command] = []
    handlers = CommandHandlers(
        on_command=lambda _, command: good.append(command),
        on_bad_command=lambda _, error: pytest.fail(error),
    )
    topic = TOPICS.stream(NAME, Kind.SET)
    with connected(broker.settings, MqttHandlers()) as sender:
        sender.retain(topic, Command(paused=True).to_json())
        wait_for(lambda: sender.stats.outbox.waiting == 0, "acknowledgement")
        with _publishing(broker.settings, handlers):
            sender.publish(Outgoing(topic, Command(paused=False).to_json(), qos=1))
            wait_for(lambda: good, "command")

    assert good == [Command(paused=False)]


_CHILD = """
import sys, time
from contracts.settings import MqttSettings
from inference.publisher import ResultPublisher
publisher = ResultPublisher(MqttSettings(port=int(sys.argv[1])))
publisher.start()
time.sleep(60)
"""


def test_the_will_speaks_when_the_worker_is_killed(broker: Restartable) -> None:
    command = [sys.executable, "-c", _CHILD, str(broker.settings.port)]
    with Recorder(broker.settings) as recorder, subprocess.Popen(command) as child:
        try:
            recorder.wait_for(TOPICS.status, b"online")
        finally:
            child.send_signal(signal.SIGKILL)
        recorder.wait_for(TOPICS.status, b"offline")
        with Recorder(broker.settings) as late:
            late.wait_for(TOPICS.status, b"offline")
