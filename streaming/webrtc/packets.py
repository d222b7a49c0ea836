"""From coded pictures to the RTP packets and reports of a publisher (RFC 3550, RFC 6184)."""

from __future__ import annotations

import base64
import random
import struct
from fractions import Fraction

from aiortc.codecs.h264 import H264Encoder
from av import Packet

from streaming.clock import CaptureClock
from streaming.h264 import units
from streaming.rtsp.path import PublishedPath
from streaming.rtsp.rtp import RTP_HEADER, SEQUENCE_SPACE
from streaming.rtsp.sdp import SessionDescription, parse_sdp
from streaming.webrtc.options import VIDEO_CLOCK_HZ

PAYLOAD_TYPE = 96
_HEADER = struct.Struct(">BBHII")
_REPORT = struct.Struct(">BBHIQIII")
_REPORT_EVERY_S = 1.0
_TICK = Fraction(1, VIDEO_CLOCK_HZ)
_NTP_TO_UNIX_S = 2_208_988_800
_IDR, _SPS, _PPS = 5, 7, 8
_RTP_TIMES = 1 << 32


def describe(picture: bytes) -> SessionDescription | None:
    """Describe a track that begins with a picture.

    Args:
        picture: Annex B.

    Returns:
        None unless it is a key picture with its parameter sets.
    """
    nals = {nal[0] & 0x1F: nal for nal in units(picture)}
    if not {_IDR, _SPS, _PPS} <= nals.keys():
        return None
    sets = ",".join(base64.b64encode(nals[kind].rstrip(b"\0")).decode() for kind in (_SPS, _PPS))
    lines = (
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=actionstream",
        "t=0 0",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{VIDEO_CLOCK_HZ}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1; sprop-parameter-sets={sets}",
    )
    return parse_sdp("\r\n".join([*lines, ""]).encode())


class RtpWriter:
    """Numbers the packets of one track, and reports when its pictures were captured.

    A browser's clock may be any; the capture clock is ours, by arrival.
    """

    def __init__(self) -> None:
        """Begin with random numbers (RFC 3550 section 5.1)."""
        self._packer = H264Encoder()
        self._ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(15)
        self._clock = CaptureClock()
        self._packets = self._octets = 0
        self._reported_s = float("-inf")

    def write(self, picture: bytes, rtp_time: int, now_s: float) -> tuple[bytes, list[bytes]]:
        """Put a picture into packets.

        Args:
            picture: Annex B.
            rtp_time: In units of 1/90000 s, unwrapped.
            now_s: UTC epoch seconds of its arrival.

        Returns:
            A sender report, empty when none is due, and the RTP packets.
        """
        media_s = rtp_time / VIDEO_CLOCK_HZ
        self._clock.packet(media_s, None, now_s)
        report = b""
        if now_s - self._reported_s >= _REPORT_EVERY_S or now_s < self._reported_s:
            self._reported_s = now_s
            report = self._report(rtp_time, self._clock.capture(media_s)[0])
        packet = Packet(picture)
        packet.pts, packet.time_base = rtp_time, _TICK
        payloads, _ = self._packer.pack(packet)
        last = len(payloads) - 1
        return report, [
            self._packet(payload, rtp_time, place == last) for place, payload in enumerate(payloads)
        ]

    def _packet(self, payload: bytes, rtp_time: int, marker: bool) -> bytes:
        self._sequence = (self._sequence + 1) % SEQUENCE_SPACE
        self._packets += 1
        self._octets += len(payload)
        kind = PAYLOAD_TYPE | (0x80 if marker else 0)
        time = rtp_time % _RTP_TIMES
        return _HEADER.pack(0x80, kind, self._sequence, time, self._ssrc) + payload

    def _report(self, rtp_time: int, captured_at: float) -> bytes:
        """Section 6.4.1."""
        ntp = round((captured_at + _NTP_TO_UNIX_S) * (1 << 32))
        counts = (self._packets % _RTP_TIMES, self._octets % _RTP_TIMES)
        words = _REPORT.size // 4 - 1
        return _REPORT.pack(0x80, 200, words, self._ssrc, ntp, rtp_time % _RTP_TIMES, *counts)


def hand_over(path: PublishedPath, report: bytes, packets: list[bytes]) -> None:
    """Give a path what :meth:`RtpWriter.write` made.

    Args:
        path: Its only track is the video.
        report: Sender report, or nothing.
        packets: Of one picture.
    """
    if report:
        path.rtcp(0, report)
    for packet in packets:
        path.rtp(0, packet)
    path.flush()


assert _HEADER.size == RTP_HEADER
