"""A browser that publishes: WHIP (RFC 9725). What it sends is published like an RTSP client's.

H.264 passes as it is; VP8, which browsers without an H.264 encoder send, is coded again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from contracts.errors import NotAVideoError
from streaming.rtsp.hub import Hub
from streaming.rtsp.messages import StatusError
from streaming.rtsp.path import PublishedPath
from streaming.webrtc.options import WebrtcOptions
from streaming.webrtc.packets import RtpWriter, describe, hand_over
from streaming.webrtc.peer import Peer, h264_first, take_undecoded, want_keyframe
from streaming.webrtc.recoder import Recoder

_log = logging.getLogger(__name__)
_WATCH_S = 1.0
_KEYFRAME_S = 2.0
"""A browser sends key pictures only when asked, and whoever comes later needs one."""
_MAX_WAITING = 30
"""Pictures that wait to be coded again."""

_Coded = tuple[bytes, int]


class Intake:  # pylint: disable=too-many-instance-attributes  # one connection's state
    """One browser that publishes. Belongs to the RTSP server's event loop.

    Attributes:
        path: What it publishes, once its first key picture has come.
        reads: False: it watches nothing.
    """

    reads = False

    def __init__(
        self,
        name: str,
        hub: Hub,
        options: WebrtcOptions,
        on_closed: Callable[[Intake], None],
    ) -> None:
        """Prepare; nothing is received yet.

        Args:
            name: Path to publish.
            hub: Of the RTSP server.
            options: When the browser is taken for gone.
            on_closed: Told once, when it has ended.
        """
        self.path: PublishedPath | None = None
        self._name = name
        self._hub = hub
        self._options = options
        self._on_closed = on_closed
        self._peer = Peer(options.host)
        self._writer = RtpWriter()
        self._waiting: asyncio.Queue[_Coded] = asyncio.Queue(_MAX_WAITING)
        self._lost = False
        self._seen_s = time.monotonic()
        transceiver = self._peer.pc.addTransceiver("video", direction="recvonly")
        transceiver.setCodecPreferences(h264_first(["video/VP8"]))
        self._receiver = transceiver.receiver
        take_undecoded(self._receiver, self._take)
        self._peer.pc.add_listener("connectionstatechange", self._connection_changed)
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None

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
        if "\nm=audio" in offer:  # else aiortc would take and decode it
            self._peer.pc.addTransceiver("audio", direction="inactive")
        answer = await self._peer.answer(offer, address)
        for work, what in ((self._watch(), "watch"), (self._recode(), "recode")):
            self._tasks.append(asyncio.create_task(work, name=f"webrtc {what} {self._name}"))
        return answer

    def close(self, why: str, *, hang_up: bool = False) -> None:
        """End it; may be called again.

        Args:
            why: For the log.
            hang_up: No difference here: the browser always notices.
        """
        del hang_up
        if self._closing is not None:
            return
        _log.debug("browser stops publishing %s: %s", self._name, why)
        self._closing = asyncio.create_task(self._close(), name="webrtc close")
        if self.path is not None:
            self._hub.unpublish(self.path)
        self._on_closed(self)

    async def closed(self) -> None:
        """Wait until it has ended, after ``close``."""
        if self._closing is not None:
            await self._closing

    def _take(self, coding: str, data: bytes, rtp_time: int) -> None:
        """One picture has come."""
        self._seen_s = time.monotonic()
        if not data:
            return
        if coding == "H264":
            self._publish(data, rtp_time)
            return
        try:
            self._waiting.put_nowait((data, rtp_time))
        except asyncio.QueueFull:
            # What follows refers to what is dropped here: go on with the next key picture.
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._lost = True

    def _publish(self, data: bytes, rtp_time: int) -> None:
        """Hand a picture of H.264 to the readers."""
        if self._closing is not None:
            return
        if self.path is None and not self._begin(data):
            return
        assert self.path is not None
        report, packets = self._writer.write(data, rtp_time, time.time())
        hand_over(self.path, report, packets)

    def _begin(self, data: bytes) -> bool:
        """Publish the path with its first key picture."""
        description = describe(data)
        if description is None:
            return False
        try:
            self._hub.check_free(self._name)
        except StatusError as exc:
            self.close(exc.why)
            return False
        self.path = PublishedPath(self._name, description, "udp", self._hub.options.limits)
        self._hub.publish(self.path, self)
        return True

    async def _recode(self) -> None:
        """Code again what is no H.264, in a thread beside the event loop."""
        recoder = Recoder()
        while True:
            data, rtp_time = await self._waiting.get()
            if self._lost:
                self._lost = False
                await want_keyframe(self._receiver)
            try:
                pictures = await asyncio.to_thread(recoder.recode, data, rtp_time)
            except NotAVideoError as exc:
                _log.info("browser on %s: %s", self._name, exc)
                self.close(str(exc))
                return
            for picture, at in pictures:
                self._publish(picture, at)

    def _connection_changed(self) -> None:
        if self._peer.pc.connectionState in ("failed", "closed"):
            self.close("connection lost")

    async def _watch(self) -> None:
        """Ask for key pictures; end it when the browser never came, or went without a word."""
        began_s = asked_s = time.monotonic()
        while True:
            await asyncio.sleep(_WATCH_S)
            now_s = time.monotonic()
            if self._peer.pc.connectionState != "connected":
                if now_s - began_s > self._options.connect_s:
                    self.close("it never connected")
            elif await self._peer.silent_s() > self._options.silent_s:
                self.close("nothing was heard from it")
            elif now_s - max(self._seen_s, began_s) > self._hub.options.timeouts.publisher_s:
                self.close("it sends no pictures")
            elif self.path is None or now_s - asked_s >= _KEYFRAME_S:
                asked_s = now_s
                await want_keyframe(self._receiver)

    async def _close(self) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await self._peer.pc.close()
