"""The outbox: what is kept, what is dropped, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.outbox import LIVE_CAPACITY, WINDOW, Outbox, Outgoing


def _event(number: int) -> Outgoing:
    return Outgoing("events", str(number).encode(), qos=1)


def _retained(topic: str, text: str) -> Outgoing:
    return Outgoing(topic, text.encode(), qos=1, retain=True)


def _drain(outbox: Outbox, acknowledge: bool = True) -> list[str]:
    """Send what may be sent now; packet ids count from 1."""
    sent = []
    while (message := outbox.take()) is not None:
        sent.append(message.payload.decode())
        if message.qos:
            outbox.sent(len(sent), message)
            if acknowledge:
                outbox.acknowledged(len(sent))
    return sent


def test_live_messages_need_a_connection() -> None:
    outbox = Outbox()
    assert not outbox.add_live(Outgoing("scores", b"early"))
    outbox.connected()
    assert outbox.add_live(Outgoing("scores", b"now"))

    assert _drain(outbox) == ["now"]
    assert outbox.stats.dropped_live == 1


def test_live_messages_push_the_oldest_out() -> None:
    outbox = Outbox()
    outbox.connected()
    for number in range(LIVE_CAPACITY + 3):
        outbox.add_live(Outgoing("scores", str(number).encode()))

    assert _drain(outbox)[0] == "3"
    assert outbox.stats.dropped_live == 3


def test_live_messages_are_lost_with_the_connection() -> None:
    outbox = Outbox()
    outbox.connected()
    outbox.add_live(Outgoing("scores", b"late"))
    outbox.disconnected()
    outbox.connected()

    assert not _drain(outbox)
    assert outbox.stats.dropped_live == 1


def test_durable_messages_wait_in_order() -> None:
    outbox = Outbox()
    for number in range(50):
        outbox.add_durable(_event(number))
    outbox.connected()

    assert _drain(outbox) == [str(number) for number in range(50)]
    assert outbox.stats.waiting == 0


def test_durable_messages_push_the_oldest_out() -> None:
    outbox = Outbox(capacity=3)
    fits = [outbox.add_durable(_event(number)) for number in range(5)]
    outbox.connected()

    assert fits == [True, True, True, False, False]
    assert _drain(outbox) == ["2", "3", "4"]
    assert outbox.stats.dropped_durable == 2


def test_what_was_not_acknowledged_is_sent_again_first() -> None:
    outbox = Outbox()
    outbox.connected()
    for number in range(4):
        outbox.add_durable(_event(number))
    assert _drain(outbox, acknowledge=False) == ["0", "1", "2", "3"]
    outbox.acknowledged(2)
    outbox.disconnected()
    outbox.add_durable(_event(4))
    outbox.connected()

    assert _drain(outbox) == ["0", "2", "3", "4"]


def test_a_message_whose_sending_failed_is_not_lost() -> None:
    outbox = Outbox()
    outbox.connected()
    outbox.add_durable(_event(0))
    outbox.add_durable(_event(1))
    assert outbox.take() == _event(0)
    outbox.disconnected()
    outbox.connected()

    assert _drain(outbox) == ["0", "1"]


def test_no_more_than_the_window_is_on_its_way() -> None:
    outbox = Outbox()
    outbox.connected()
    for number in range(WINDOW + 5):
        outbox.add_durable(_event(number))
    assert len(_drain(outbox, acknowledge=False)) == WINDOW
    outbox.add_live(Outgoing("scores", b"live"))
    assert _drain(outbox) == ["live"]
    outbox.acknowledged(1)

    assert _drain(outbox, acknowledge=False) == [str(WINDOW)]


def test_the_newest_retained_message_is_sent_at_every_connection() -> None:
    outbox = Outbox()
    outbox.retain(_retained("status", "online"))
    outbox.retain(_retained("cam1", "connecting"))
    outbox.retain(_retained("cam1", "live"))
    for _ in range(2):
        outbox.connected()
        assert _drain(outbox) == ["online", "live"]
        outbox.disconnected()


def test_an_ended_topic_is_forgotten_once_the_broker_knows() -> None:
    outbox = Outbox()
    outbox.retain(_retained("cam1", "live"))
    outbox.retain(_retained("cam1", ""))
    outbox.connected()
    assert _drain(outbox, acknowledge=False) == [""]
    outbox.disconnected()
    outbox.connected()
    assert _drain(outbox) == [""]
    outbox.disconnected()
    outbox.connected()

    assert not _drain(outbox)


@pytest.mark.parametrize("packet_id", [0, 7])
def test_unknown_acknowledgements_are_harmless(packet_id: int) -> None:
    Outbox().acknowledged(packet_id)


STEPS = st.lists(st.sampled_from(["add", "connect", "lose", "drain", "drain unheard"]), max_size=60)


@given(steps=STEPS)
def test_no_event_is_ever_lost_or_overtaken(steps: list[str]) -> None:
    """Whatever happens to the connection, the receiver can rebuild the order of events."""
    outbox, made = Outbox(), 0
    arrived: list[int] = []
    is_connected = False
    for step in [*steps, "lose", "connect", "drain"]:
        if step == "add":
            outbox.add_durable(_event(made))
            made += 1
        elif step == "connect" and not is_connected:
            outbox.connected()
            is_connected = True
        elif step == "lose":
            outbox.disconnected()
            is_connected = False
        elif step.startswith("drain") and is_connected:
            arrived += map(int, _drain(outbox, acknowledge=step == "drain"))
            if step == "drain unheard":
                outbox.disconnected()
                is_connected = False

    first_seen = list(dict.fromkeys(arrived))
    assert first_seen == list(range(made))
