"""Transport headers of real clients, and of hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp.transport import Transport, parse_transport

pairs = st.integers(0, 254).map(lambda n: (n, n + 1))
ports = st.integers(1, 65534).map(lambda n: (n, n + 1))


@given(
    st.builds(
        Transport,
        protocol=st.sampled_from(["udp", "tcp"]),
        interleaved=st.none() | pairs,
        client_port=st.none() | ports,
        server_port=st.none() | ports,
        record=st.booleans(),
        ssrc=st.none() | st.integers(0, 2**32 - 1),
    )
)
def test_round_trip(transport: Transport) -> None:
    assert parse_transport(transport.to_header()) == (transport,)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (  # FFmpeg
            "RTP/AVP/UDP;unicast;client_port=6970-6971",
            (Transport("udp", client_port=(6970, 6971)),),
        ),
        (
            "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record",
            (Transport("tcp", interleaved=(0, 1), record=True),),
        ),
        (  # GStreamer offers several
            'RTP/AVP;multicast;mode="PLAY",RTP/AVP/TCP;unicast;interleaved=2-3;mode="PLAY"',
            (Transport("udp", multicast=True), Transport("tcp", interleaved=(2, 3))),
        ),
        ("RTP/AVP;unicast;client_port=5000", (Transport("udp", client_port=(5000, 5001)),)),
        ("RTP/SAVP;unicast;client_port=1-2,RAW/RAW/UDP", ()),
        ("RTP/AVP;client_port=1-99999, RTP/AVP/TCP;interleaved=a-b", ()),
        ("", ()),
    ],
)
def test_headers_of_clients(header: str, expected: tuple[Transport, ...]) -> None:
    assert parse_transport(header) == expected


@given(st.text(max_size=200) | st.text("RTP/AVPCU;,=-0123456789interleaved", max_size=200))
def test_any_text_gives_offers_in_range(text: str) -> None:
    for offer in parse_transport(text):
        assert offer.interleaved is None or max(offer.interleaved) <= 255
        assert offer.client_port is None or max(offer.client_port) <= 65535
