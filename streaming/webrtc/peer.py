"""Our end of one WebRTC connection, and all that is asked of aiortc beyond its documented use.

aiortc 1.16 offers no way to choose the addresses media come from, to say in sender reports when a
picture was captured, to hear that a browser wants a key picture, or to get received pictures
undecoded. The four places where its inner parts are touched for that are here, each with a test
that breaks when they change.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from aioice.ice import get_host_addresses
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.clock import current_ntp_time
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecCapability, RTCRtpCodecParameters
from aiortc.stats import RTCTransportStats

from streaming.webrtc.options import VIDEO_CLOCK_HZ, RefusedError

MAX_OFFER_BYTES = 64 * 1024
_EVERYWHERE = ("", "0.0.0.0", "::")
_RTP_TIMES = 1 << 32
_BAD_OFFER = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    LookupError,
    TypeError,
    ValueError,
)
_CANDIDATE = re.compile(r"(a=candidate:\S+ \d+ \S+ \d+ )(\S+)( .*)")


class Peer:
    """A connection to one browser. Belongs to one event loop."""

    def __init__(self, host: str) -> None:
        """Prepare a connection.

        Args:
            host: Address that media come from, see ``WebrtcOptions``.
        """
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._addresses = addresses_of(host)
        self._received = 0
        self._heard_s = time.monotonic()

    async def answer(self, offer: str, address: str) -> str:
        """Answer a browser's offer; the transceivers it asks for are there already.

        Args:
            offer: SDP.
            address: Where the request came from. Stands in for host names of multicast DNS, under
                which browsers hide their addresses; the browser's own probes then tell the truth.

        Returns:
            SDP with all candidates.

        Raises:
            RefusedError: It is no usable offer.
        """
        try:
            remote = RTCSessionDescription(_with_addresses(offer, address), "offer")
            await self.pc.setRemoteDescription(remote)
            self._choose_addresses()
            await self.pc.setLocalDescription(await self.pc.createAnswer())
        except OperationError as exc:
            why = "The browser offers no coding of video in common: H.264 is needed."
            raise RefusedError(406, "no_common_codec", why) from exc
        except _BAD_OFFER as exc:
            raise RefusedError(400, "bad_offer", "The body is no SDP offer of WebRTC.") from exc
        return self.pc.localDescription.sdp

    async def silent_s(self) -> float:
        """Seconds since something was heard from the other side."""
        now_s = time.monotonic()
        for transceiver in self.pc.getTransceivers():
            for report in (await transceiver.sender.getStats()).values():
                if not isinstance(report, RTCTransportStats):
                    continue
                if report.bytesReceived != self._received:
                    self._received, self._heard_s = report.bytesReceived, now_s
        return now_s - self._heard_s

    def _choose_addresses(self) -> None:
        """Listen for media on our addresses only; aioice takes all but the loopback ones."""
        for transceiver in self.pc.getTransceivers():
            # pylint: disable-next=protected-access  # no public way, see the module's text
            ice = transceiver.receiver.transport.transport.iceGatherer._connection
            gather = partial(_gather, ice.get_component_candidates, self._addresses)
            ice.get_component_candidates = gather  # type: ignore[method-assign]


async def _gather(
    gather: Callable[..., Awaitable[Any]], ours: list[str], component: int, addresses: list[str]
) -> Any:
    """Listen on our addresses in the place of those aioice found."""
    del addresses
    return await gather(component=component, addresses=ours)


def addresses_of(host: str) -> list[str]:
    """Addresses that media may come from.

    Args:
        host: As in ``WebrtcOptions``.
    """
    if host in _EVERYWHERE:
        return [*get_host_addresses(use_ipv4=True, use_ipv6=True), "127.0.0.1"]
    if host == "localhost":
        return ["127.0.0.1"]
    return [host]


def _with_addresses(offer: str, address: str) -> str:
    """Put an address in the place of multicast host names; finding those takes seconds."""
    lines = offer.splitlines()
    for place, line in enumerate(lines):
        match = _CANDIDATE.fullmatch(line)
        if match is not None and match[2].endswith(".local"):
            lines[place] = f"{match[1]}{address}{match[3]}"
    return "\r\n".join([*lines, ""])


def h264_first(also: Sequence[str] = ()) -> list[RTCRtpCodecCapability]:
    """Codings for ``setCodecPreferences``.

    Args:
        also: Further types behind H.264, as ``video/VP8``.
    """
    known = RTCRtpSender.getCapabilities("video").codecs
    wanted = ["video/h264", *(name.lower() for name in also), "video/rtx"]
    return [codec for name in wanted for codec in known if codec.mimeType.lower() == name]


class SenderClock:
    """The RTP times of a sender on the wire, and the capture clock in its reports."""

    def __init__(self, sender: RTCRtpSender) -> None:
        """Watch a sender that was not started yet."""
        self._sender: Any = sender
        self.origin: int | None = None

    def sent(self, rtp_time: int, captured_at: float, now_s: float) -> None:
        """Note that a picture has been sent, before the next one is.

        The next sender report then says which RTP time this moment has on the capture clock
        (RFC 3550 section 6.4.1); aiortc on its own would take the time of sending for it.

        Args:
            rtp_time: The time it was handed over with.
            captured_at: UTC epoch seconds.
            now_s: UTC epoch seconds of this moment.
        """
        # pylint: disable=protected-access  # no public way, see the module's text
        if self.origin is None:
            wire: int = self._sender._RTCRtpSender__rtp_timestamp
            self.origin = (wire - rtp_time) % _RTP_TIMES
        ticks = round((now_s - captured_at) * VIDEO_CLOCK_HZ)
        self._sender._RTCRtpSender__ntp_timestamp = current_ntp_time()
        self._sender._RTCRtpSender__rtp_timestamp = self.wire(rtp_time + ticks)

    def wire(self, rtp_time: int) -> int:
        """The time on the wire of one that was handed over; something must have been sent."""
        assert self.origin is not None
        return (rtp_time + self.origin) % _RTP_TIMES


def on_keyframe_wanted(sender: RTCRtpSender, wanted: Callable[[], None]) -> None:
    """Call something when the browser says that it lost a picture (RFC 4585 section 6.3.1)."""
    # aiortc only remembers it for an encoder, and here is none.
    sender._send_keyframe = wanted  # type: ignore[method-assign]  # pylint: disable=protected-access


async def want_keyframe(receiver: RTCRtpReceiver) -> None:
    """Ask the browser for a key picture."""
    for source in receiver.getSynchronizationSources():
        # pylint: disable-next=protected-access  # no public way, see the module's text
        await receiver._send_rtcp_pli(source.source)


class _Undecoded(queue.Queue[Any]):
    """Stands where aiortc's decoder takes its work from: gives the pictures away instead.

    The decoder's thread sleeps in ``get`` until the connection ends.
    """

    def __init__(self, take: Callable[[str, bytes, int], None]) -> None:
        super().__init__()
        self._take = take
        self._ended = threading.Event()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Take one picture, on the event loop; None is the end."""
        del block, timeout
        if item is None:
            self._ended.set()
            return
        codec: RTCRtpCodecParameters = item[0]
        frame: JitterFrame = item[1]
        self._take(codec.name.upper(), frame.data, frame.timestamp)

    def get(self, block: bool = True, timeout: float | None = None) -> None:
        """Wait for the end."""
        del block, timeout
        self._ended.wait()


def take_undecoded(receiver: RTCRtpReceiver, take: Callable[[str, bytes, int], None]) -> None:
    """Get received pictures as they were coded, in order and whole; before the connection starts.

    Args:
        receiver: Of video.
        take: Called on the event loop with the coding (``H264``, ``VP8``), the picture and its RTP
            time, unwrapped.
    """
    inner: Any = receiver
    inner._RTCRtpReceiver__decoder_queue = _Undecoded(take)  # pylint: disable=protected-access
