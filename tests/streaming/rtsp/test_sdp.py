"""Session descriptions: what is understood, what readers are told, hostile text."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp.sdp import SdpError, parse_sdp

FFMPEG = b"""v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=No Name\r
c=IN IP4 127.0.0.1\r
t=0 0\r
a=tool:libavformat 59.27.100\r
m=video 0 RTP/AVP 96\r
b=AS:800\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LA,aM4=; profile-level-id=42C01E\r
a=control:streamid=0\r
m=audio 0 RTP/AVP 97\r
a=rtpmap:97 MPEG4-GENERIC/48000/2\r
a=recvonly\r
a=control:streamid=1\r
"""


def test_ffmpeg_description() -> None:
    video, audio = parse_sdp(FFMPEG).media
    assert (video.kind, video.payload_type, video.encoding) == ("video", 96, "H264")
    assert (video.clock_rate, video.control) == (90000, "streamid=0")
    assert (audio.kind, audio.encoding, audio.clock_rate) == ("audio", "MPEG4-GENERIC", 48000)


def test_readers_get_our_controls_and_the_publishers_coding() -> None:
    text = parse_sdp(FFMPEG).for_readers({}).decode()
    lines = text.split("\r\n")
    assert lines[0] == "v=0"
    assert "a=control:*" in lines
    assert lines.index("a=control:trackID=0") < lines.index("m=audio 0 RTP/AVP 97")
    assert "sprop-parameter-sets=Z0LA,aM4=" in text
    assert "streamid" not in text
    assert "recvonly" not in text
    assert "127.0.0.1" not in text.replace("o=- 0 0 IN IP4 127.0.0.1", "")


def test_description_for_readers_can_be_parsed_again() -> None:
    again = parse_sdp(parse_sdp(FFMPEG).for_readers({}))
    assert [media.encoding for media in again.media] == ["H264", "MPEG4-GENERIC"]
    assert [media.control for media in again.media] == ["trackID=0", "trackID=1"]


def test_parameter_sets_from_the_stream_replace_outdated_ones() -> None:
    sets = {0: {7: [b"\x67new"], 8: [b"\x68a", b"\x68b"]}}
    text = parse_sdp(FFMPEG).for_readers(sets).decode()
    values = ",".join(base64.b64encode(nal).decode() for nal in (b"\x67new", b"\x68a", b"\x68b"))
    assert f"sprop-parameter-sets={values}" in text
    assert "packetization-mode=1" in text
    assert "Z0LA" not in text


def test_parameter_sets_of_h265_without_fmtp_line() -> None:
    sdp = b"v=0\nm=video 0 RTP/AVP 98\na=rtpmap:98 H265/90000\n"
    sets = {0: {32: [b"@v"], 33: [b"Bs"], 34: [b"Dp"]}}
    text = parse_sdp(sdp).for_readers(sets).decode()
    assert "a=fmtp:98 sprop-vps=QHY=; sprop-sps=QnM=; sprop-pps=RHA=" in text


def test_incomplete_parameter_sets_change_nothing() -> None:
    text = parse_sdp(FFMPEG).for_readers({0: {7: [b"\x67new"]}}).decode()
    assert "sprop-parameter-sets=Z0LA,aM4=" in text


def test_static_payload_types_need_no_rtpmap() -> None:
    media = parse_sdp(b"v=0\nm=video 0 RTP/AVP 26\nm=audio 0 RTP/AVP 0\n").media
    assert [(m.encoding, m.clock_rate) for m in media] == [("JPEG", 90000), ("PCMU", 8000)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"hello",
        b"v=0\r\n",
        b"v=0\nm=video\n",
        b"v=0\nm=video 0 RTP/AVP 200\n",
        b"v=0\nm=video 0 RTP/AVP x\n",
        b"v=0\nm=video 0 RTP/SAVP 96\n",
        b"v=0\n" + b"m=video 0 RTP/AVP 96\n" * 9,
    ],
)
def test_unusable_descriptions_are_refused(body: bytes) -> None:
    with pytest.raises(SdpError):
        parse_sdp(body)


@given(st.binary(max_size=300) | st.lists(st.sampled_from(FFMPEG.split(b"\r\n"))).map(b"\n".join))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        description = parse_sdp(body)
    except SdpError:
        return
    assert len(parse_sdp(description.for_readers({})).media) == len(description.media)
