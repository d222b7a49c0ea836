"""A browser that watches a path: WHEP (draft-ietf-wish-whep).

Coded pictures are passed on as they are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from fractions import Fraction

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import Packet
from av.stream import Stream

from streaming.rtsp.options import RtspLimits
from streaming.rtsp.path import PublishedPath
from streaming.webrtc.options import VIDEO_CLOCK_HZ, CaptureTime, RefusedError, WebrtcOptions
from streaming.webrtc.peer import Peer, SenderClock, h264_first, on_keyframe_wanted
from streaming.webrtc.tap import Picture, Tap

_log = logging.getLogger(__name__)
_TICK = Fraction(1, VIDEO_CLOCK_HZ)
_REPLAY_BYTES_PER_S = 8_000_000
"""A burst beyond a browser's socket buffer would be lost."""
_AGAIN_S = 2.0
"""Pause between two replays to one browser, which asks for a key picture again and again."""
_WATCH_S = 1.0
_KNOWN_S = 3.0

_B_FRAMES = "This video has B-frames, which browsers cannot play live. Encode it without: -bf 0."


class _Pictures(MediaStreamTrack):
    """What aiortc sends from: pictures that are coded already."""

    kind = "video"

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer

    async def recv(self) -> Packet[Stream]:
        """Give the next picture; called again once all of it is sent."""
        picture = await self._viewer.next_picture()
        if picture is None:
            self.stop()
            raise MediaStreamError
        packet: Packet[Stream] = Packet(picture.data)
        packet.pts, packet.time_base = picture.time, _TICK
        return packet


class Viewer:  # pylint: disable=too-many-instance-attributes  # one connection's state
    """One browser that watches. Belongs to the RTSP server's event loop.

    Attributes:
        path: What it watches.
        reads: True: it publishes nothing.
    """

    reads = True

    def __init__(
        self,
        path: PublishedPath,
        limits: RtspLimits,
        options: WebrtcOptions,
        on_closed: Callable[[Viewer], None],
    ) -> None:
        """Look at the path; nothing is sent yet.

        Args:
            path: What to watch.
            limits: Bounds of the queue.
            options: When the browser is taken for gone.
            on_closed: Told once, when it has ended.

        Raises:
            RefusedError: Browsers cannot play this video.
        """
        self.path = path
        self._options = options
        self._on_closed = on_closed
        self._tap = Tap(path, limits)
        path.attach(self._tap)
        if self._tap.reordered:
            path.detach(self._tap)
            raise RefusedError(415, "b_frames", _B_FRAMES)
        self._peer = Peer(options.host)
        transceiver = self._peer.pc.addTransceiver(_Pictures(self), direction="sendonly")
        transceiver.setCodecPreferences(h264_first())
        self._clock = SenderClock(transceiver.sender)
        on_keyframe_wanted(transceiver.sender, self._again)
        self._peer.pc.add_listener("connectionstatechange", self._connection_changed)
        self._last: Picture | None = None
        self._live_from: int | None = None
        self._known = asyncio.Event()
        self._replayed_s = time.monotonic()
        self._closing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def open(self, offer: str, address: str) -> str:
        """Answer the browser's offer.

        Args:
            offer: SDP.
            address: Where the request came from.

        Returns:
            SDP.

        Raises:
            RefusedError: It is no usable offer.
        """
        answer = await self._peer.answer(offer, address)
        self._watching = asyncio.create_task(self._watch(), name=f"webrtc viewer {self.path.name}")
        return answer

    async def capture_time(self) -> CaptureTime | None:
        """Tie RTP times to the time of capture; waits a moment for the first live picture."""
        try:
            async with asyncio.timeout(_KNOWN_S):
                await self._known.wait()
        except TimeoutError:
            return None
        last, live_from = self._last, self._live_from
        if last is None or live_from is None or self._clock.origin is None:
            return None
        return CaptureTime(
            self._clock.wire(last.time),
            last.captured_at,
            last.clock,
            self._clock.wire(live_from),
        )

    async def next_picture(self) -> Picture | None:
        """Give what is to be sent next; None at the end."""
        self._sent()
        picture = None if self._tap.reordered else await self._tap.next()
        if self._tap.reordered:
            self.close("B-frames", hang_up=True)
            return None
        if picture is not None and picture.replayed:
            await asyncio.sleep(len(picture.data) / _REPLAY_BYTES_PER_S)
        self._last = picture
        return picture

    def close(self, why: str, *, hang_up: bool = False) -> None:
        """End it; may be called again.

        Args:
            why: For the log.
            hang_up: No difference here: the browser always notices.
        """
        del hang_up
        if self._closing is not None:
            return
        _log.debug("browser leaves %s: %s", self.path.name, why)
        self.path.detach(self._tap)
        self._closing = asyncio.create_task(self._close(), name="webrtc close")
        self._on_closed(self)

    async def closed(self) -> None:
        """Wait until it has ended, after ``close``."""
        if self._closing is not None:
            await self._closing

    def _sent(self) -> None:
        """The last picture is on its way."""
        last = self._last
        if last is None:
            return
        self._clock.sent(last.time, last.captured_at, time.time())
        if not last.replayed:
            if self._live_from is None:
                self._live_from = last.time
            self._known.set()

    def _again(self) -> None:
        """The browser lost a picture: begin again at the last key picture, but not all the time."""
        now_s = time.monotonic()
        if now_s - self._replayed_s >= _AGAIN_S and self.path.replay(self._tap):
            self._replayed_s = now_s

    def _connection_changed(self) -> None:
        if self._peer.pc.connectionState in ("failed", "closed"):
            self.close("connection lost")

    async def _watch(self) -> None:
        """End it when the browser never came, or went without a word."""
        began_s = time.monotonic()
        while True:
            await asyncio.sleep(_WATCH_S)
            if self._peer.pc.connectionState != "connected":
                if time.monotonic() - began_s > self._options.connect_s:
                    self.close("it never connected")
            elif await self._peer.silent_s() > self._options.silent_s:
                self.close("nothing was heard from it")

    async def _close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self._peer.pc.close()
