"""WHIP: what a peer sends is published like any other stream, as H.264."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

import pytest
from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamTrack
from av import VideoFrame

from streaming.webrtc import WebrtcOptions
from tests.streaming.webrtc.support import FPS, SIZE, browser, endpoint_up, until
from training.figures.numbered import numbered_frame


class Camera(MediaStreamTrack):
    """Numbered pictures at their pace."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.started_s = time.monotonic()

    async def recv(self) -> VideoFrame:
        """The next picture."""
        await asyncio.sleep(max(0.0, self.started_s + self.number / FPS - time.monotonic()))
        frame = VideoFrame.from_ndarray(numbered_frame(self.number, SIZE), format="rgb24")
        frame.pts, frame.time_base = self.number, Fraction(1, FPS)
        self.number += 1
        return frame


@pytest.mark.parametrize("coding", ["video/H264", "video/VP8"])
def test_a_peers_camera_is_published_as_h264_until_it_stops(coding: str) -> None:
    async def run() -> None:
        async with endpoint_up() as service, browser() as sender, browser() as viewer:
            track = Camera()
            sender.pc.addTransceiver(track, direction="sendonly").setCodecPreferences(
                [
                    codec
                    for codec in RTCRtpSender.getCapabilities("video").codecs
                    if codec.mimeType in (coding, "video/rtx")
                ]
            )
            reply = await sender._open(service, "me/cam/whip", {})  # pylint: disable=protected-access
            assert reply.status_code == 201
            await until(service.server.paths, "path")
            path = service.server.paths()[0]
            assert (path.name, path.codecs) == ("me/cam", ("H264",))
            # Who comes later gets a key picture: the browser is asked for them.
            assert (await viewer.watch(service, "me/cam")).status_code == 201
            await viewer.collect(40)
            numbers = [number or 0 for number in viewer.numbers()]
            assert numbers == list(range(numbers[0], numbers[0] + 40))
            times = (await service.client.get(viewer.location)).json()
            assert abs(times["captured_at"] - time.time()) < 1.0
            assert (await service.client.delete(sender.location)).status_code == 200
            assert not service.server.paths()
            assert service.endpoint.publishers == 0

    asyncio.run(run())


def test_a_peer_that_vanishes_takes_its_path_along() -> None:
    async def run() -> None:
        options = WebrtcOptions(silent_s=2.0, connect_s=2.0, max_publishers=1)
        async with endpoint_up(options) as service, browser() as peer:
            assert (await peer.publish(service, "cam", Camera())).status_code == 201
            await until(service.server.paths, "path")
            offer = peer.pc.localDescription.sdp
            reply = await service.post("other/whip", offer)
            assert (reply.status_code, reply.json()["code"]) == (503, "too_many_publishers")
            assert (await service.post("no such name/whip", offer)).status_code == 400
            await peer.vanish()
            await until(lambda: not service.server.paths(), "end of the path")
            assert service.endpoint.publishers == 0

    asyncio.run(run())
