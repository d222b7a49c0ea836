"""Topics: every name survives the way there and back, and stays one level."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from contracts.topics import Kind, Topics

NAMES = st.text(min_size=1, max_size=100)
PREFIXES = st.from_regex(r"[^+#/\s\x00]{1,8}(/[^+#/\s\x00]{1,8}){0,2}", fullmatch=True)
TOPICS = Topics()


@given(prefix=PREFIXES, name=NAMES, kind=st.sampled_from(Kind))
def test_every_name_comes_back(prefix: str, name: str, kind: Kind) -> None:
    topics = Topics(prefix)
    topic = topics.stream(name, kind)

    assert topics.parse(topic) == (name, kind)
    assert topic_matches_sub(topics.all_streams, topic)
    assert topic_matches_sub(topics.every(kind), topic)


@given(name=NAMES)
def test_a_name_cannot_leave_its_level(name: str) -> None:
    level = TOPICS.stream(name, Kind.SCORES).removeprefix("actionstream/streams/")

    assert level.count("/") == 1
    assert not set("+#\0") & set(level)


@given(topic=st.text())
def test_foreign_topics_are_not_ours(topic: str) -> None:
    parsed = TOPICS.parse(topic)

    assert parsed is None or topic.startswith("actionstream/streams/")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "actionstream/status",
        "actionstream/streams/cam1",
        "actionstream/streams//scores",
        "actionstream/streams/cam1/other",
        "actionstream/streams/cam1/scores/more",
        "other/streams/cam1/scores",
    ],
)
def test_what_is_not_a_streams_topic(topic: str) -> None:
    assert TOPICS.parse(topic) is None


def test_a_slash_is_encoded() -> None:
    assert TOPICS.stream("hall/cam1", Kind.SCORES) == "actionstream/streams/hall%2Fcam1/scores"
