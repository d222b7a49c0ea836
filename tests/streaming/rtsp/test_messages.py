"""RTSP messages and interleaved frames: round trips, pieces of any size, limits, hostile bytes."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp.messages import (
    Item,
    MessageError,
    MessageParser,
    Request,
    Response,
    frame_to_bytes,
)

names = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20).filter(
    lambda name: name.lower() != "content-length"
)
values = st.text(
    st.characters(codec="utf-8", min_codepoint=0x21, exclude_categories=["Cc", "Cs", "Zs"]),
    max_size=40,
)
headers = st.lists(st.tuples(names, values), max_size=8).map(tuple)
urls = st.text(string.ascii_letters + string.digits + "/:?=&%._~-", min_size=1, max_size=60)
methods = st.text(string.ascii_uppercase + "_", min_size=1, max_size=20)
requests = st.builds(Request, methods, urls, headers, st.binary(max_size=200))
responses = st.builds(Response, st.integers(100, 599), headers, st.binary(max_size=200))
frames = st.tuples(st.integers(0, 255), st.binary(max_size=300))


def to_bytes(item: Item) -> bytes:
    """What goes over the wire."""
    return frame_to_bytes(*item) if isinstance(item, tuple) else item.to_bytes()


def comparable(item: Item) -> object:
    """Serialising adds Content-Length, which the parsed message then has."""
    if isinstance(item, tuple):
        return item
    kept = tuple(pair for pair in item.headers if pair[0] != "Content-Length")
    start = (item.method, item.url) if isinstance(item, Request) else (item.status,)
    return (*start, kept, item.body)


@given(st.lists(requests | responses | frames, max_size=8), st.integers(1, 50))
def test_items_come_back_from_pieces_of_any_size(items: list[Item], size: int) -> None:
    data = b"".join(to_bytes(item) for item in items)
    parser = MessageParser()
    found = [item for n in range(0, len(data), size) for item in parser.items(data[n : n + size])]
    assert [comparable(item) for item in found] == [comparable(item) for item in items]
    assert not parser.pending


@given(st.lists(st.binary(max_size=400), max_size=10))
def test_arbitrary_bytes_give_items_or_a_message_error(pieces: list[bytes]) -> None:
    parser = MessageParser(max_head=200, max_body=100)
    try:
        for piece in pieces:
            for item in parser.items(piece):
                assert isinstance(item, (Request, Response, tuple))
    except MessageError as error:
        assert error.status in (400, 413, 505)


GOOD = b"OPTIONS rtsp://h/p RTSP/1.0\r\nCSeq: 1\r\n\r\n"


@given(st.data())
def test_damaged_requests_never_crash(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    try:
        list(MessageParser().items(bytes(damaged)))
    except MessageError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),  # a TLS client
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        (b"OPTIONS\r\n\r\n", 400),
        (b"OPTIONS  RTSP/1.0\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nA: \x00\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nA: \xff\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nA: b\nC: d\r\n\r\n", 400),
        (b"ANNOUNCE * RTSP/1.0\r\nContent-Length: -1\r\n\r\n", 400),
        (b"ANNOUNCE * RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"OPTIONS * RTSP/1.0\r\n" + b"A: b\r\n" * 65 + b"\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nA: " + b"b" * 20000, 400),
        (b"RTSP/1.0 2x0 OK\r\n\r\n", 400),
    ],
)
def test_malformed_messages_are_refused(data: bytes, status: int) -> None:
    with pytest.raises(MessageError) as caught:
        list(MessageParser().items(data))
    assert caught.value.status == status


def test_items_before_the_damage_are_delivered() -> None:
    items = MessageParser().items(GOOD + b"\x00")
    assert isinstance(next(items), Request)
    with pytest.raises(MessageError):
        next(items)


def test_blank_lines_between_messages_are_skipped() -> None:
    parser = MessageParser()
    assert len(list(parser.items(b"\r\n\r\n" + GOOD + b"\r\n"))) == 1
    assert not parser.pending


def test_headers_are_found_without_case() -> None:
    request = Request("OPTIONS", "*", (("cseq", "1"), ("CSeq", "2")))
    assert request.header("CSEQ") == "1"
    assert request.header("Session") is None
    assert Response(200, (("A", "b"),)).header("a") == "b"
