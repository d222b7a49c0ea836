"""Queues of slow readers: bounded, counted, dropped as a whole."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp import RtspLimits
from streaming.rtsp.messages import MessageParser
from streaming.rtsp.path import PublishedPath
from streaming.rtsp.reader import SendQueue, TcpReader
from streaming.rtsp.sdp import parse_sdp

from .support import h264_sdp, rtp

LIMITS = RtspLimits(reader_queue_bytes=1000)
IDR, INTER = b"\x65" + b"i" * 99, b"\x41" + b"p" * 99


class Pipe:
    """Collects what is written; congestion is told to the reader by the test."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        """Take bytes as a connection does."""
        self.written += data

    def times(self) -> list[int]:
        """RTP times of the frames written; fails on a torn frame."""
        parser = MessageParser()
        frames = [item for item in parser.items(self.written) if isinstance(item, tuple)]
        assert not parser.pending
        return [int.from_bytes(payload[4:8], "big") for _, payload in frames]


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=60))
def test_queue_never_exceeds_its_bytes(steps: list[tuple[int, bool]]) -> None:
    waiting: SendQueue[int] = SendQueue(1000, 10.0)
    sizes: list[int] = []
    for size, take in steps:
        if take and sizes:
            assert waiting.pop() == sizes.pop(0)
        elif waiting.put(size, size, 1, 0.0):
            sizes.append(size)
        else:
            assert sum(sizes) + size > 1000
    assert len(waiting) == len(sizes)
    assert waiting.clear() == len(sizes)


def test_queue_refuses_when_its_oldest_part_is_stale() -> None:
    waiting: SendQueue[str] = SendQueue(1000, 5.0)
    assert waiting.put("a", 1, 1, 100.0)
    assert waiting.put("b", 1, 1, 105.0)
    assert not waiting.put("c", 1, 1, 105.1)


def test_congested_reader_comes_back_at_a_key_picture() -> None:
    async def scenario() -> None:
        pipe = Pipe()
        path = PublishedPath("cam", parse_sdp(h264_sdp()), "tcp", LIMITS)
        reader = TcpReader(pipe.write, {0: (0, 1)}, LIMITS)
        path.attach(reader)

        def send(number: int, nal: bytes) -> None:
            path.rtp(0, rtp(number, number, nal))
            path.flush()

        send(0, IDR)
        reader.pause()
        for number in range(1, 20):  # overflows at 1000 bytes
            send(number, INTER)
        assert reader.starved
        reader.resume()
        send(20, INTER)
        assert pipe.times() == [0]
        send(21, IDR)
        send(22, INTER)
        assert pipe.times() == [0, 21, 22]
        assert path.info().packets_dropped == 20
        path.detach(reader)
        assert path.info().packets_dropped == 20

    asyncio.run(scenario())


def test_short_congestion_loses_nothing() -> None:
    async def scenario() -> None:
        pipe = Pipe()
        path = PublishedPath("cam", parse_sdp(h264_sdp()), "tcp", LIMITS)
        reader = TcpReader(pipe.write, {0: (0, 1)}, LIMITS)
        path.attach(reader)
        for number in range(30):
            if number % 10 == 3:
                reader.pause()
            if number % 10 == 8:
                reader.resume()
            path.rtp(0, rtp(number, number, IDR if number == 0 else INTER))
            path.flush()
        assert pipe.times() == list(range(30))
        assert reader.dropped == 0

    asyncio.run(scenario())


def test_stream_without_key_pictures_goes_on_when_the_reader_does() -> None:
    async def scenario() -> None:
        pipe = Pipe()
        path = PublishedPath("cam", parse_sdp(h264_sdp()), "tcp", LIMITS)
        reader = TcpReader(pipe.write, {0: (0, 1)}, LIMITS)
        path.attach(reader)
        reader.pause()
        for number in range(20):
            path.rtp(0, rtp(number, number, INTER))
            path.flush()
        reader.resume()
        path.rtp(0, rtp(20, 20, INTER))
        path.flush()
        assert pipe.times()[-1] == 20
        assert reader.dropped > 0

    asyncio.run(scenario())


@pytest.mark.parametrize("gop_bytes", [0, 10_000])
def test_replay_for_late_joiners_can_be_switched_off(gop_bytes: int) -> None:
    async def scenario() -> None:
        pipe = Pipe()
        limits = RtspLimits(gop_bytes=gop_bytes)
        path = PublishedPath("cam", parse_sdp(h264_sdp()), "tcp", limits)
        path.rtp(0, rtp(0, 0, IDR))
        path.rtp(0, rtp(1, 1, INTER))
        path.attach(TcpReader(pipe.write, {0: (0, 1)}, limits))
        path.rtp(0, rtp(2, 2, INTER))
        path.rtp(0, rtp(3, 3, b"\x67sps"))
        path.rtp(0, rtp(4, 3, IDR))
        path.flush()
        assert pipe.times() == ([0, 1, 2, 3, 3] if gop_bytes else [3, 3])

    asyncio.run(scenario())
