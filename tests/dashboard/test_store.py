"""The store: what it understands, and its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.topics import Kind, Topics
from contracts.types import StreamState
from dashboard.store import (
    MAX_EVENTS,
    MAX_NAME,
    MAX_STREAMS,
    Store,
    describe_state,
    shown_columns,
)
from tests.dashboard.messages import (
    LABELS,
    NOW,
    WINDOW_S,
    event,
    feed,
    labels,
    scores,
    status,
    truth,
)


@pytest.fixture(name="store")
def fixture_store() -> Store:
    """An empty store."""
    return Store(Topics(), window_s=60)


def test_messages_find_their_stream(store: Store) -> None:
    store.feed("actionstream/status", b"online", NOW)
    feed(store, labels())
    feed(store, status())
    feed(store, scores(1, NOW - 0.1, {"walk": 0.9, "jump": 0.1, "none": 0.0}))
    feed(store, event(1, NOW - 3, None))
    stream = store.streams["cam"]
    assert store.worker_online
    assert stream.state is StreamState.LIVE
    assert stream.ring.labels == list(LABELS)
    assert stream.title("walk") == "To walk"
    assert stream.title("never_seen") == "Never seen"
    assert stream.last_top == ("walk", 0.9)
    assert list(stream.events) == ["e1"]


def test_the_name_in_the_topic_is_decoded(store: Store) -> None:
    feed(store, status(stream="hall/cam 1"), stream="hall/cam 1")
    assert list(store.streams) == ["hall/cam 1"]


@given(topic=st.text(max_size=60), payload=st.binary(max_size=200))
def test_hostile_messages_are_counted_and_nothing_else(topic: str, payload: bytes) -> None:
    store = Store(Topics(), window_s=60)
    store.feed(topic, payload, NOW)
    for kind in Kind:
        store.feed(Topics().stream("cam", kind), payload or b"x", NOW)
    assert not store.streams
    assert store.bad_messages == 6


def test_a_late_window_does_not_bring_a_removed_stream_back(store: Store) -> None:
    feed(store, status())
    store.feed(Topics().stream("cam", Kind.STATUS), b"", NOW)
    feed(store, scores(1, NOW, {"walk": 0.9}))
    feed(store, event(1, NOW - 3, None))
    assert not store.streams
    feed(store, status())
    assert list(store.streams) == ["cam"]


def test_streams_are_bounded_and_dead_ones_make_room(store: Store) -> None:
    for number in range(MAX_STREAMS):
        state = StreamState.OFFLINE if number in (3, 5) else StreamState.LIVE
        feed(store, status(state), NOW - number, stream=f"s{number}")
    feed(store, status(), stream="new")
    assert "s5" not in store.streams
    assert "s3" in store.streams
    feed(store, status(), stream="newer")
    feed(store, status(), stream="one too many")
    assert len(store.streams) == MAX_STREAMS
    assert store.refused_streams == 1
    feed(store, status(), stream="x" * (MAX_NAME + 1))
    assert store.refused_streams == 2


def test_events_are_bounded_and_updates_replace(store: Store) -> None:
    feed(store, status())
    for number in range(MAX_EVENTS + 10):
        feed(store, event(number, NOW, None))
    feed(store, event(MAX_EVENTS, NOW, NOW + 1))
    stream = store.streams["cam"]
    assert len(stream.events) == MAX_EVENTS
    assert stream.events[f"e{MAX_EVENTS}"].end == NOW + 1


def test_an_empty_status_removes_a_stream(store: Store) -> None:
    feed(store, status())
    store.feed(Topics().stream("cam", Kind.STATUS), b"", NOW)
    assert not store.streams


def test_truth_is_kept_once_and_begins_anew_with_an_older_one(store: Store) -> None:
    for started_at in (10.0, 10.0, 70.0):
        feed(store, truth(started_at, 60, ("walk", 0, 5)))
    assert [one.started_at for one in store.streams["cam"].truths] == [10, 70]
    feed(store, truth(40, 60))
    assert [one.started_at for one in store.streams["cam"].truths] == [40]
    store.feed(Topics().stream("cam", Kind.TRUTH), b"", NOW)
    assert not store.streams["cam"].truths


def test_a_wrong_clock_is_followed_by_a_constant_shift(store: Store) -> None:
    feed(store, status())
    offsets = []
    for seq, behind_s in enumerate((0.2, 3600.2, 3600.4, 3600.1, 0.3)):
        now_s = NOW + seq
        feed(store, scores(seq, now_s - behind_s, {"walk": 1.0}), now_s)
        offsets.append(store.streams["cam"].offset_s)
    assert offsets[0] == 0
    assert offsets[1] == pytest.approx(3599.7)
    assert offsets[1:4] == [offsets[1]] * 3
    assert offsets[4] == 0


def test_states_are_told_in_words_without_passwords(store: Store) -> None:
    feed(store, status(StreamState.STALLED, error="lost rtsp://me:secret@host/x"))
    words = describe_state(store.streams["cam"], NOW)
    assert "No picture for 10 s" in words
    assert "secret" not in words
    feed(store, status(StreamState.OFFLINE))
    assert describe_state(store.streams["cam"], NOW + 7200) == "Nobody has sent this video for 2 h."
    feed(store, status())
    assert not describe_state(store.streams["cam"], NOW)


def test_of_many_classes_those_that_stood_out_are_shown() -> None:
    table = np.full((4, 100), 0.01, dtype=np.float32)
    table[2, 40] = 0.9
    table[1, 7] = 0.5
    table[:, 8] = np.nan
    assert shown_columns(table, 2) == [7, 40]
    assert shown_columns(table[:, :3], 24) == [0, 1, 2]


def test_memory_of_a_stream_is_bounded_by_time(store: Store) -> None:
    feed(store, status())
    for seq in range(4000):
        feed(store, scores(seq, NOW + seq * 0.01, {"walk": 1.0}), NOW + seq * 0.01)
    rows = store.streams["cam"].ring.rows()
    assert len(rows) < 60 * 25 + 100
    assert store.streams["cam"].ring.overwritten > 0
    assert float(rows.end[-1] - rows.start[-1]) == pytest.approx(WINDOW_S, abs=1e-3)
