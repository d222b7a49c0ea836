"""The broker's packets: what paho writes is read, hostile bytes are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from stack.mqtt_server.matching import is_valid_filter, matches
from stack.mqtt_server.packets import (
    V5,
    V311,
    MalformedPacketError,
    Message,
    Publish,
    Reader,
    Type,
    encode_properties,
    encode_publish,
    encode_text,
    encode_varint,
    parse_ack,
    parse_connect,
    parse_publish,
    parse_subscribe,
    parse_unsubscribe,
)

TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
TOPICS = st.text(st.characters(exclude_characters="\0+#", codec="utf-8"), min_size=1, max_size=30)
PAIRS = st.builds(lambda name, value: encode_text(name) + encode_text(value), TEXTS, TEXTS)
PROPERTIES = st.lists(
    st.one_of(
        st.tuples(st.just(0x02), st.binary(min_size=4, max_size=4)),
        st.tuples(st.just(0x03), TEXTS.map(encode_text)),
        st.tuples(
            st.just(0x26), st.tuples(TEXTS, TEXTS).map(lambda p: b"".join(map(encode_text, p)))
        ),
    ),
    max_size=4,
).map(tuple)


@given(value=st.integers(0, 268_435_455))
def test_varints_come_back(value: int) -> None:
    assert Reader(encode_varint(value)).varint() == value


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (268_435_455, "ffffff7f")],
)
def test_varints_are_those_of_the_standard(value: int, data: str) -> None:
    assert encode_varint(value).hex() == data


@given(properties=PROPERTIES)
def test_properties_come_back(properties: tuple[tuple[int, bytes], ...]) -> None:
    assert Reader(encode_properties(properties)).properties() == properties


MESSAGES = st.builds(
    Message, TOPICS, st.binary(max_size=300), st.integers(0, 2), st.booleans(), PROPERTIES
)


@given(message=MESSAGES, packet_id=st.integers(1, 65_535), protocol=st.sampled_from([V311, V5]))
def test_messages_come_back(message: Message, packet_id: int, protocol: int) -> None:
    if protocol == V311:
        message = replace(message, properties=())
    publish = Publish(message, packet_id if message.qos else 0)
    reader = Reader(encode_publish(publish, protocol))
    first = reader.integer(1)
    assert reader.varint() == reader.left

    assert first >> 4 == Type.PUBLISH
    assert parse_publish(first & 0x0F, reader.rest(), protocol) == publish


@given(data=st.binary(max_size=120), flags=st.integers(0, 15))
def test_hostile_bytes_are_malformed_and_nothing_worse(data: bytes, flags: int) -> None:
    parsers: list[Callable[[], object]] = [
        lambda: parse_connect(data),
        lambda: parse_connect(b"\0\4MQTT\5" + data),
        lambda: parse_connect(b"\0\4MQTT\4" + data),
        lambda: parse_publish(flags, data, V5),
        lambda: parse_publish(flags, data, V311),
        lambda: parse_subscribe(data, V5),
        lambda: parse_subscribe(data, V311),
        lambda: parse_unsubscribe(data, V5),
        lambda: parse_ack(data),
    ]
    for parse in parsers:
        try:
            parse()
        except MalformedPacketError:
            continue


LEVEL = st.sampled_from(["a", "b", "", "+", "$x"])
FILTERS = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)


@given(
    name=st.tuples(FILTERS, st.sampled_from(["", "/#"])).map("".join) | st.just("#"),
    topic=st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=4).map("/".join),
)
def test_filters_match_what_paho_matches(name: str, topic: str) -> None:
    if not (is_valid_filter(name) and topic):
        return
    assert matches(name, topic) == topic_matches_sub(name, topic)


@pytest.mark.parametrize("name", ["", "a#", "#/a", "a+/b", "+a", "a/" * 100])
def test_filters_that_are_none(name: str) -> None:
    assert not is_valid_filter(name)
