"""What is kept for late joiners."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp.gop import GopCache
from streaming.rtsp.random_access import h264_starts

from .support import rtp

SPS, IDR, INTER = b"\x67sps", b"\x65idr", b"\x41inter"


def cache(max_bytes: int = 10_000) -> GopCache:
    """A cache for H.264 on track 0."""
    return GopCache(h264_starts, max_bytes)


def feed(gop: GopCache, packets: list[tuple[int, int, bytes]]) -> list[bool]:
    """Add packets given as number, time, NAL unit; the answers of the cache."""
    return [gop.add_key(0, rtp(number, time, nal)) for number, time, nal in packets]


def kept(gop: GopCache) -> list[bytes]:
    """The NAL units in the cache."""
    return [packet[12:] for _, packet in gop.packets]


def test_group_begins_with_the_parameter_sets_of_its_picture() -> None:
    gop = cache()
    found = feed(
        gop,
        [(1, 0, INTER), (2, 10, SPS), (3, 10, IDR), (4, 10, IDR), (5, 20, INTER), (6, 30, INTER)],
    )
    assert found == [False, False, True, False, False, False]
    assert kept(gop) == [SPS, IDR, IDR, INTER, INTER]
    assert gop.complete


def test_next_group_replaces_the_last() -> None:
    gop = cache()
    feed(gop, [(1, 0, IDR), (2, 10, INTER), (3, 20, SPS), (4, 20, IDR)])
    assert kept(gop) == [SPS, IDR]


def test_other_tracks_are_kept_in_order_of_arrival() -> None:
    gop = cache()
    gop.add(1, rtp(1, 0, b"before any key picture"))
    feed(gop, [(1, 0, IDR)])
    gop.add(1, rtp(2, 5, b"audio"))
    feed(gop, [(2, 10, INTER)])
    assert [(index, packet[12:]) for index, packet in gop.packets] == [
        (0, IDR),
        (1, b"audio"),
        (0, INTER),
    ]


def test_overgrown_group_is_given_up_until_the_next() -> None:
    gop = cache(max_bytes=200)
    feed(gop, [(1, 0, IDR), *((n, n * 10, INTER * 5) for n in range(2, 8))])
    assert not gop.complete
    assert gop.seen_start
    assert len(gop.packets) <= 1
    feed(gop, [(9, 100, IDR), (10, 110, INTER)])
    assert kept(gop) == [IDR, INTER]


def test_a_late_packet_does_not_begin_a_unit() -> None:
    gop = cache()
    feed(gop, [(1, 0, IDR), (3, 10, INTER), (2, 0, IDR), (4, 10, INTER)])
    assert kept(gop) == [IDR, INTER, IDR, INTER]
    assert gop.complete


def test_numbering_may_restart() -> None:
    gop = cache()
    feed(gop, [(60_000, 0, IDR), (60_001, 10, INTER), (5, 20, IDR), (6, 30, INTER)])
    assert kept(gop) == [IDR, INTER]


def test_numbering_wraps() -> None:
    gop = cache()
    feed(gop, [(65_535, 40, IDR), (0, 50, INTER), (1, 60, IDR)])
    assert kept(gop) == [IDR]


def test_stream_without_key_pictures_keeps_only_the_unit_under_way() -> None:
    gop = cache()
    feed(gop, [(n, n * 10, INTER) for n in range(50)])
    assert not gop.seen_start
    assert len(gop.packets) == 1


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 65535),
            st.integers(0, 5),
            st.sampled_from([SPS, IDR, INTER, INTER * 20]),
        ),
        max_size=80,
    ),
    st.integers(0, 400),
)
def test_bounds_hold_for_any_packets(
    packets: list[tuple[bool, int, int, bytes]], max_bytes: int
) -> None:
    gop = cache(max_bytes)
    for is_key_track, number, time, nal in packets:
        if is_key_track:
            gop.add_key(0, rtp(number, time, nal))
        else:
            gop.add(1, rtp(number, time, nal))
        assert sum(len(packet) for _, packet in gop.packets) <= max_bytes


def test_reordered_stream_keeps_every_packet_of_the_group() -> None:
    gop = cache()
    shuffle = random.Random(1)
    packets = [(n, n // 3 * 10, IDR if n < 3 else INTER) for n in range(60)]
    for first in range(3, 57, 3):
        if shuffle.random() < 0.5:
            packets[first], packets[first + 1] = packets[first + 1], packets[first]
    feed(gop, packets)
    assert len(gop.packets) == 60
