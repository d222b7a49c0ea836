"""Key pictures and parameter sets in RTP payloads, by the tables of the payload formats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp.random_access import MAX_SETS, ParameterSets, inspector_for

from .support import rtp

ENCODINGS = ("H264", "H265", "MP4V-ES", "VP8", "JPEG")


def starts(encoding: str, payload: bytes, sets: ParameterSets | None = None) -> bool:
    """Inspect one payload."""
    inspector = inspector_for(encoding)
    assert inspector is not None
    return inspector(rtp(1, 1, payload), ParameterSets() if sets is None else sets)


def aggregate(head: bytes, *nals: bytes) -> bytes:
    """An aggregation packet."""
    return head + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x65slice", True),  # IDR
        (b"\x41slice", False),
        (b"\x67sps", False),
        (b"\x7c\x85part", True),  # FU-A, start of an IDR
        (b"\x7c\x05part", True),
        (b"\x7c\x81part", False),
        (aggregate(b"\x78", b"\x67sps", b"\x68pps"), False),
        (aggregate(b"\x78", b"\x67sps", b"\x68pps", b"\x65idr"), True),
        (b"\x06\x06\x01\xc4\x80", True),  # recovery point, 0 frames away
        (b"\x06\x06\x01\x24\x80", False),  # recovery point further on
        (b"\x06\x05\x01\xff\x80", False),  # other SEI
        (b"\x65", False),  # cut off
    ],
)
def test_h264(payload: bytes, expected: bool) -> None:
    assert starts("H264", payload) is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x26\x01slice", True),  # 19 IDR_W_RADL
        (b"\x2a\x01slice", True),  # 21 CRA
        (b"\x02\x01slice", False),
        (b"\x62\x01\x93part", True),  # FU of type 19
        (b"\x62\x01\x81part", False),
        (aggregate(b"\x60\x01", b"\x40\x01vps", b"\x26\x01idr"), True),
        (aggregate(b"\x60\x01", b"\x40\x01vps"), False),
    ],
)
def test_h265(payload: bytes, expected: bool) -> None:
    assert starts("H265", payload) is expected


@pytest.mark.parametrize(
    ("encoding", "payload", "expected"),
    [
        ("MP4V-ES", b"\x00\x00\x01\xb6\x10", True),
        ("MP4V-ES", b"\x00\x00\x01\xb0\x01\x00\x00\x01\xb6\x10", True),
        ("MP4V-ES", b"\x00\x00\x01\xb6\x56", False),
        ("MP4V-ES", b"\x00\x00\x01\xb6", False),
        ("VP8", b"\x10\x00frame", True),
        ("VP8", b"\x10\x01frame", False),
        ("VP8", b"\x00\x00frame", False),
        ("VP8", b"\x90\x80\x81\x02\x00frame", True),  # with a 15-bit picture identifier
        ("JPEG", b"scan", True),
    ],
)
def test_other_codecs(encoding: str, payload: bytes, expected: bool) -> None:
    assert starts(encoding, payload) is expected


def test_unknown_codecs_have_no_inspector() -> None:
    assert inspector_for("OPUS") is None


def test_parameter_sets_are_remembered_until_outdated() -> None:
    sets = ParameterSets()
    starts("H264", aggregate(b"\x78", b"\x67one", b"\x68a", b"\x68b"), sets)
    starts("H264", b"\x68a", sets)
    assert dict(sets) == {7: [b"\x67one"], 8: [b"\x68a", b"\x68b"]}
    starts("H264", b"\x67two", sets)
    assert dict(sets) == {7: [b"\x67two"]}


def test_a_stream_of_ever_new_sets_costs_bounded_memory() -> None:
    sets = ParameterSets()
    for number in range(100):
        starts("H264", b"\x68" + number.to_bytes(2, "big"), sets)
    assert len(sets[8]) == MAX_SETS


@given(st.sampled_from(ENCODINGS), st.binary(min_size=1, max_size=80))
def test_any_payload_is_judged(encoding: str, payload: bytes) -> None:
    starts(encoding, payload)


@given(st.sampled_from(ENCODINGS), st.binary(min_size=1, max_size=60), st.integers(0, 31))
def test_any_header_is_judged(encoding: str, payload: bytes, flags: int) -> None:
    inspector = inspector_for(encoding)
    assert inspector is not None
    packet = bytes([0x80 | flags]) + rtp(1, 1, payload)[1:]
    inspector(packet, ParameterSets())
