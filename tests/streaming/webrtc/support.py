"""An endpoint, publishers without a network before it, and a browser played by aiortc."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

import av
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtcpSrPacket
from av import VideoFrame

from stack.serving import serve
from streaming.rtsp import RtspLimits, RtspServer, RtspServerOptions, RtspUser
from streaming.rtsp.hub import Hub
from streaming.rtsp.path import PublishedPath
from streaming.rtsp.sdp import parse_sdp
from streaming.webrtc import Endpoint, WebrtcOptions
from streaming.webrtc.packets import RtpWriter, describe, hand_over
from training.figures.numbered import numbered_frames, read_number

SIZE = (192, 128)
FPS = 25
STEP = 90_000 // FPS
SDP = {"Content-Type": "application/sdp"}


@dataclass(frozen=True)
class Coded:
    """One coded picture: Annex B, its place in the order of showing, its number."""

    data: bytes
    time: int


def encode(
    count: int, gop: int = 250, options: Mapping[str, str] = MappingProxyType({})
) -> list[Coded]:
    """Numbered pictures in H.264, in the order of coding."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    settings = {"preset": "ultrafast", "g": str(gop), "bf": "0", "sc_threshold": "0"}
    encoder.options = settings | dict(options)
    packets = []
    for number, picture in enumerate(numbered_frames(count, SIZE)):
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [Coded(bytes(packet), (packet.pts or 0) * STEP) for packet in packets]


def decode(pictures: Sequence[Coded]) -> list[np.ndarray]:
    """What a decoder makes of them."""
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for picture in pictures for frame in decoder.decode(av.Packet(picture.data))]
    return [frame.to_ndarray() for frame in [*frames, *decoder.decode(None)]]


class Publisher:
    """Publishes coded pictures without a network, at the times it is told."""

    reads = False

    def __init__(self, hub: Hub, name: str, pictures: Sequence[Coded]) -> None:
        description = describe(pictures[0].data)
        assert description is not None
        self.path: PublishedPath | None = PublishedPath(name, description, "tcp", RtspLimits())
        self.pictures = list(pictures)
        self.started_at = time.time()
        self._hub = hub
        self._writer = RtpWriter()
        self._next = 0
        hub.publish(self.path, self)

    def captured_at(self, number: int) -> float:
        """When a picture was captured."""
        return self.started_at + number / FPS

    def push(self, count: int) -> None:
        """Send the next pictures at once; those of the past arrived when they were captured."""
        assert self.path is not None
        for picture in self.pictures[self._next : self._next + count]:
            arrival = self.captured_at(picture.time // STEP)
            report, packets = self._writer.write(picture.data, picture.time, arrival)
            hand_over(self.path, report, packets)
        self._next += count

    async def go_on(self, count: int) -> None:
        """Send the next pictures at their pace."""
        for _ in range(count):
            due = self.captured_at(self.pictures[self._next].time // STEP)
            await asyncio.sleep(max(0.0, due - time.time()))
            self.push(1)

    def close(self, why: str = "", *, hang_up: bool = False) -> None:
        """Stop."""
        del why, hang_up
        assert self.path is not None
        self._hub.unpublish(self.path)


@dataclass
class Service:
    """A running endpoint."""

    server: RtspServer
    endpoint: Endpoint
    url: str
    client: httpx.AsyncClient

    async def post(self, path: str, offer: str, **more: str) -> httpx.Response:
        """Send an offer."""
        return await self.client.post(f"{self.url}/{path}", content=offer, headers=SDP | more)


@asynccontextmanager
async def endpoint_up(
    options: WebrtcOptions | None = None, users: tuple[RtspUser, ...] = ()
) -> AsyncIterator[Service]:
    """Serve until the context ends; by then nothing may be left."""
    async with RtspServer(RtspServerOptions(port=0, users=users)) as server:
        endpoint = Endpoint(server.hub, options or WebrtcOptions())
        async with (
            serve(endpoint.app(), "127.0.0.1", 0, "webrtc.port") as port,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            yield Service(server, endpoint, f"http://127.0.0.1:{port}", client)
        assert endpoint.viewers == endpoint.publishers == 0
        assert not server.hub.guests


@dataclass
class Browser:
    """A peer that watches, or publishes a track."""

    pc: RTCPeerConnection = field(
        default_factory=lambda: RTCPeerConnection(RTCConfiguration(iceServers=[]))
    )
    frames: list[VideoFrame] = field(default_factory=list)
    reports: list[RtcpSrPacket] = field(default_factory=list)
    location: str = ""

    async def watch(self, service: Service, path: str, **more: str) -> httpx.Response:
        """Offer to receive, and take what comes."""
        transceiver = self.pc.addTransceiver("video", direction="recvonly")
        receiver = transceiver.receiver
        handle = receiver._handle_rtcp_packet  # pylint: disable=protected-access

        async def note(packet: object) -> None:
            if isinstance(packet, RtcpSrPacket):
                self.reports.append(packet)
            await handle(packet)  # type: ignore[arg-type]

        receiver._handle_rtcp_packet = note  # type: ignore[method-assign] # pylint: disable=protected-access
        return await self._open(service, f"{path}/whep", more)

    async def publish(self, service: Service, path: str, track: MediaStreamTrack) -> httpx.Response:
        """Offer to send a track."""
        self.pc.addTransceiver(track, direction="sendonly")
        return await self._open(service, f"{path}/whip", {})

    async def collect(self, count: int, timeout_s: float = 40.0) -> None:
        """Wait for so many pictures; the newest one that was sent waits for the one after it."""
        track = self.pc.getReceivers()[0].track
        async with asyncio.timeout(timeout_s):
            while len(self.frames) < count:
                frame = await track.recv()
                assert isinstance(frame, VideoFrame)
                self.frames.append(frame)

    async def until_end(self) -> None:
        """Take pictures until there are no more."""
        with suppress(MediaStreamError):
            await self.collect(1 << 30)

    def numbers(self) -> list[int | None]:
        """Numbers of the pictures that came."""
        return [
            read_number(frame.to_ndarray(format="rgb24").astype(np.uint8)) for frame in self.frames
        ]

    async def vanish(self) -> None:
        """Be gone without a word, as after a power cut."""
        for transceiver in self.pc.getTransceivers():
            # pylint: disable-next=protected-access
            await transceiver.receiver.transport.transport._connection.close()

    async def _open(self, service: Service, path: str, more: dict[str, str]) -> httpx.Response:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        reply = await service.post(path, self.pc.localDescription.sdp, **more)
        if reply.status_code == 201:
            self.location = service.url + reply.headers["Location"]
            await self.pc.setRemoteDescription(RTCSessionDescription(reply.text, "answer"))
        return reply


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A peer that is closed afterwards."""
    peer = Browser()
    try:
        yield peer
    finally:
        await peer.pc.close()


async def until(condition: object, what: str, timeout_s: float = 40.0) -> None:
    """Wait until a function gives something true."""
    assert callable(condition)
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110  # what is waited for knows no events
                await asyncio.sleep(0.02)
    except TimeoutError as exc:
        raise AssertionError(f"no {what} within {timeout_s:g} s") from exc


def published(hub: Hub, name: str, coding: str) -> None:
    """Publish a path of a coding that nothing is sent of."""
    kind = "audio" if coding == "OPUS" else "video"
    sdp = f"v=0\r\nm={kind} 0 RTP/AVP 96\r\na=rtpmap:96 {coding}/90000\r\n"
    path = PublishedPath(name, parse_sdp(sdp.encode()), "tcp", RtspLimits())
    hub.paths[name] = (path, _Nobody(path))


class _Nobody:
    """Publishes nothing."""

    reads = False

    def __init__(self, path: PublishedPath) -> None:
        self.path: PublishedPath | None = path

    def close(self, why: str, *, hang_up: bool = False) -> None:
        """Nothing to end."""


async def offer_to_watch() -> str:
    """What a browser sends to see a path."""
    pc = RTCPeerConnection()
    pc.addTransceiver("video", direction="recvonly")
    offer = await pc.createOffer()
    await pc.close()
    return offer.sdp
