"""RTP and RTCP headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp.rtp import (
    is_rtp,
    parse_sender_report,
    payload_offset,
    replayable_report,
    sequence,
    ssrc,
    timestamp,
)

from .support import rtp, sender_report

BYE = b"\x81\xcb\x00\x01\x00\x00\x12\x34"
DESCRIPTION = b"\x81\xca\x00\x03\x00\x00\x12\x34\x01\x03abc\x00\x00\x00"[:16]


def test_fields() -> None:
    packet = rtp(65535, 2**32 - 1, b"payload", 0xDEADBEEF)
    assert (sequence(packet), timestamp(packet), ssrc(packet)) == (65535, 2**32 - 1, 0xDEADBEEF)
    assert packet[payload_offset(packet) :] == b"payload"


def test_contributing_sources_and_extension_are_skipped() -> None:
    plain = bytearray(rtp(1, 2, b""))
    plain[0] = 0x80 | 0x10 | 2
    packet = bytes(plain) + b"c" * 8 + b"\xbe\xde\x00\x01" + b"exte" + b"payload"
    assert packet[payload_offset(packet) :] == b"payload"


@given(st.binary(max_size=60))
def test_offset_stays_inside(packet: bytes) -> None:
    if is_rtp(packet):
        assert 12 <= payload_offset(packet) <= len(packet)


def test_sender_report_gives_wall_clock() -> None:
    report = parse_sender_report(sender_report(1_763_634_000, 90_000))
    assert report is not None
    assert (report.ssrc, report.wall_clock_s, report.rtp_time) == (0x1234, 1_763_634_000.0, 90_000)


def test_replayed_report_says_no_goodbye() -> None:
    report = sender_report(1_763_634_000, 90_000)
    assert replayable_report(report + DESCRIPTION + BYE) == report + DESCRIPTION


@pytest.mark.parametrize("packet", [b"", BYE, DESCRIPTION, sender_report(1, 2)[:-1], b"\x80"])
def test_nothing_to_replay(packet: bytes) -> None:
    assert replayable_report(packet) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_judged(packet: bytes) -> None:
    replayable_report(sender_report(1, 2) + packet)
    replayable_report(packet)
