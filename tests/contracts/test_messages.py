"""Messages: JSON and back, hostile payloads, and the schemas that describe them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from contracts.asyncapi import schema
from contracts.messages import (
    MAX_LABELS_IN_FULL,
    MAX_PAYLOAD_BYTES,
    MESSAGES,
    TOP_LABELS,
    BadMessageError,
    Command,
    ControlState,
    Event,
    EventRule,
    FrameCount,
    Labels,
    Message,
    Scores,
    StreamStatus,
    TopScore,
    TruthMessage,
    TruthSpan,
    score_table,
)
from contracts.topics import Kind
from contracts.types import Clock, Latency, Quality, StreamState, TimeSpan

TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SCORE = st.floats(0, 1)
COUNT = st.integers(0, 2**53)
SPAN = st.builds(TimeSpan, NUMBER, NUMBER)
RULES = st.dictionaries(
    TEXT,
    st.builds(
        EventRule,
        enter=st.floats(0, 1, exclude_min=True),
        exit=SCORE,
        min_duration_s=st.floats(0, 60),
        cooldown_s=st.floats(0, 600),
    ),
    max_size=4,
)
STATUS = st.builds(
    StreamStatus,
    stream=TEXT,
    state=st.sampled_from(StreamState),
    since=NUMBER,
    resolution=st.none() | TEXT,
    fps=st.none() | NUMBER,
    error=st.none() | TEXT,
    windows=COUNT,
)
LABELS = st.builds(Labels, model=TEXT, labels=st.lists(TEXT), titles=st.lists(TEXT))
SCORES = st.builds(
    Scores,
    stream=TEXT,
    seq=COUNT,
    window=SPAN,
    media=SPAN,
    top=st.builds(TopScore, TEXT, SCORE),
    scores=st.dictionaries(TEXT, NUMBER, max_size=5),
    model=TEXT,
    clock=st.sampled_from(Clock),
    frames=st.builds(FrameCount, COUNT, COUNT),
    latency_ms=st.builds(Latency, NUMBER, NUMBER, NUMBER, NUMBER),
    quality=st.builds(Quality, NUMBER, NUMBER),
    published_at=NUMBER,
)
EVENT = st.builds(
    Event,
    stream=TEXT,
    id=TEXT,
    type=st.sampled_from(["new", "update", "end"]),
    label=TEXT,
    start=NUMBER,
    end=st.none() | NUMBER,
    score=NUMBER,
    peak=NUMBER,
    model=TEXT,
)
TRUTH = st.builds(
    TruthMessage,
    stream=TEXT,
    started_at=NUMBER,
    duration_s=NUMBER,
    annotations=st.lists(st.builds(TruthSpan, TEXT, NUMBER, NUMBER), max_size=4),
)
COMMAND = st.builds(Command, paused=st.none() | st.booleans(), rules=st.none() | RULES)
STATE = st.builds(ControlState, stream=TEXT, paused=st.booleans(), rules=RULES, error=TEXT)
ANY_MESSAGE = STATUS | LABELS | SCORES | EVENT | TRUTH | COMMAND | STATE

VALIDATORS = {message.KIND: Draft202012Validator(schema(message)) for message in MESSAGES}


@given(message=ANY_MESSAGE)
def test_every_message_comes_back(message: Message) -> None:
    assert type(message).from_json(message.to_json()) == message


@given(message=ANY_MESSAGE)
def test_every_message_fits_its_schema(message: Message) -> None:
    VALIDATORS[message.KIND].validate(json.loads(message.to_json()))


@given(payload=st.binary(max_size=200) | st.text(max_size=200))
def test_hostile_payloads_are_refused_with_words(payload: bytes | str) -> None:
    for message in MESSAGES:
        try:
            message.from_json(payload)
        except BadMessageError as exc:
            assert str(message.KIND) in exc.message
            assert "\n" not in exc.message


JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(message=ANY_MESSAGE, data=st.data())
def test_a_wrong_field_never_passes_unseen(message: Message, data: st.DataObject) -> None:
    """What is accepted fits the schema; what does not fit is refused."""
    tree: dict[str, Any] = json.loads(message.to_json())
    tree[data.draw(st.sampled_from(sorted(tree)))] = data.draw(JSON)
    try:
        accepted = type(message).from_json(json.dumps(tree))
    except BadMessageError:
        return
    VALIDATORS[message.KIND].validate(json.loads(accepted.to_json()))


def test_unknown_fields_are_ignored() -> None:
    tree = json.loads(Command(paused=True).to_json()) | {"added_later": {"x": 1}}

    assert Command.from_json(json.dumps(tree)) == Command(paused=True)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"", "payload"),
        (b"[]", "payload"),
        (b'{"paused": "perhaps"}', "paused"),
        (b'{"schema": 2}', "schema"),
        (b'{"rules": {"walk": {"enter": 7}}}', "rules.walk.enter"),
        (b'{"rules": {"walk": {"entre": 0.5}}}', "rules.walk.entre"),
        (b'{"rules": {"walk": {"enter": NaN}}}', "rules.walk.enter"),
        (b"[" * 100_000, "payload"),
    ],
)
def test_the_wrong_field_is_named(payload: bytes, named: str) -> None:
    with pytest.raises(BadMessageError, match=f"wrong at {named}:"):
        Command.from_json(payload)


def test_too_large_a_payload_is_refused() -> None:
    with pytest.raises(BadMessageError, match="has 1000001 bytes"):
        Command.from_json(b" " * (MAX_PAYLOAD_BYTES + 1))


def test_every_kind_has_one_message() -> None:
    assert sorted(message.KIND for message in MESSAGES) == sorted(Kind)


@pytest.mark.parametrize("count", [1, MAX_LABELS_IN_FULL])
def test_few_labels_are_all_sent_in_order(count: int) -> None:
    labels = [f"l{index}" for index in range(count)]

    assert list(score_table(labels, [1 / (index + 1) for index in range(count)])) == labels


def test_of_many_labels_the_strongest_are_sent() -> None:
    count = MAX_LABELS_IN_FULL + 1
    table = score_table([f"l{index}" for index in range(count)], [i / count for i in range(count)])

    assert len(table) == TOP_LABELS
    assert list(table) == [f"l{index}" for index in range(count - 1, count - 1 - TOP_LABELS, -1)]
