"""WHEP: a peer sees the very pictures that are published, and knows when they were captured."""

from __future__ import annotations

import asyncio
import base64

import numpy as np
import pytest

from streaming.rtsp import RtspUser
from streaming.webrtc import WebrtcOptions
from tests.streaming.webrtc.support import (
    FPS,
    SDP,
    STEP,
    Browser,
    Publisher,
    Service,
    browser,
    decode,
    encode,
    endpoint_up,
    offer_to_watch,
    published,
    until,
)

_NTP_TO_UNIX_S = 2_208_988_800
_NO_MEDIA = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


def test_pictures_are_passed_on_bit_for_bit_from_the_last_key_picture_on() -> None:
    pictures = encode(80, gop=50)

    async def run() -> None:
        async with endpoint_up() as service, browser() as peer:
            publisher = Publisher(service.server.hub, "a/cam", pictures)
            publisher.push(60)
            assert (await peer.watch(service, "a/cam")).status_code == 201
            await peer.collect(9)  # the replay
            publisher.push(20)
            await peer.collect(29)
            assert service.endpoint.viewers == 1
            assert service.server.paths()[0].readers == 1
            reply = await service.client.delete(peer.location)
            assert reply.status_code == 200
            assert service.endpoint.viewers == 0
            assert service.server.paths()[0].readers == 0
        assert peer.numbers() == list(range(50, 79))
        for sent, came in zip(decode(pictures)[50:79], peer.frames, strict=True):
            assert np.array_equal(sent, came.to_ndarray())

    asyncio.run(run())


def test_a_peer_is_told_when_its_pictures_were_captured() -> None:
    """In the answer to GET, and in sender reports; the replay comes in no time."""
    pictures = encode(120, gop=250)

    async def run() -> None:
        async with endpoint_up() as service, browser() as peer:
            publisher = Publisher(service.server.hub, "cam", pictures)
            publisher.started_at -= 2.0
            publisher.push(50)
            await peer.watch(service, "cam")
            live = asyncio.create_task(publisher.go_on(70))
            await peer.collect(60)
            answer = await service.client.get(peer.location)
            times = answer.json()
            await peer.collect(115)
            await live
            await until(lambda: peer.reports, "sender report")
        numbers = [number or 0 for number in peer.numbers()]
        assert numbers == list(range(numbers[0], numbers[0] + 115))
        pts = [frame.pts or 0 for frame in peer.frames]
        newest = next(place for place in range(115) if pts[place + 1] - pts[place] == STEP)
        assert pts[newest] - pts[0] == newest  # replayed: one tick apart
        assert numbers[newest] >= 49
        assert all(pts[place] - pts[newest] == (place - newest) * STEP for place in range(50, 115))
        assert times["clock"] == "rtcp"

        def told(rtp_time: int) -> float:
            ticks: int = (rtp_time - times["rtp_time"] + (1 << 31)) % (1 << 32) - (1 << 31)
            return float(times["captured_at"] + ticks / 90_000)

        # ``live_from`` is the newest picture of the replay, or the one after it.
        begun = [told(times["live_from"]) - publisher.captured_at(n) for n in (49, 50, 51, 52)]
        assert min(abs(error) for error in begun) < 0.002
        for report in peer.reports:
            info = report.sender_info
            wall = info.ntp_timestamp / (1 << 32) - _NTP_TO_UNIX_S
            assert told(info.rtp_timestamp) == pytest.approx(wall, abs=0.01)

    asyncio.run(run())


def test_what_cannot_be_watched_is_refused_with_the_reason() -> None:
    async def run() -> None:
        async with endpoint_up(WebrtcOptions(max_viewers=1)) as service:
            hub = service.server.hub
            published(hub, "h265", "H265")
            published(hub, "sound", "OPUS")
            Publisher(hub, "b", encode(30, 250, {"bf": "2", "preset": "medium"})).push(1)
            Publisher(hub, "ok", encode(2)).push(2)
            offer = await offer_to_watch()
            for path, status, code, words in (
                ("h265", 415, "codec_not_playable", "H.265"),
                ("sound", 415, "no_video", "no video"),
                ("b", 415, "b_frames", "B-frames"),
                ("nobody", 404, "no_such_path", "nobody"),
            ):
                reply = await service.post(f"{path}/whep", offer)
                assert (reply.status_code, reply.json()["code"]) == (status, code)
                assert words in reply.json()["detail"]
                assert reply.headers["Content-Type"] == "application/problem+json"
            for body, headers, status in (
                (offer, {"Content-Type": "text/plain"}, 415),
                ("nonsense", SDP, 400),
                (_NO_MEDIA + "m=video 9 X 96\r\n", SDP, 400),
                ("x" * 70_000, SDP, 413),
                (offer, SDP | {"Origin": "http://elsewhere.example"}, 403),
            ):
                url = f"{service.url}/ok/whep"
                reply = await service.client.post(url, content=body, headers=headers)
                assert reply.status_code == status, reply.text
            assert (await service.client.patch(f"{service.url}/ok/whep/x")).status_code == 405
            assert (await service.client.get(f"{service.url}/ok/whep/x")).status_code == 404
            assert service.server.paths()[-1].readers == 0
            async with browser() as one:
                assert (await one.watch(service, "ok")).status_code == 201
                reply = await service.post("ok/whep", offer)
                assert (reply.status_code, reply.json()["code"]) == (503, "too_many_viewers")

    asyncio.run(run())


def test_b_frames_that_no_parameter_set_announces_end_the_session() -> None:
    """Pictures whose times step back are B-frames, whatever was said."""
    pictures = encode(40)
    swapped = [*pictures[:20], pictures[21], pictures[20], *pictures[22:]]

    async def run() -> None:
        async with endpoint_up() as service, browser() as peer:
            publisher = Publisher(service.server.hub, "cam", swapped)
            publisher.push(10)
            await peer.watch(service, "cam")
            await peer.collect(9)
            publisher.push(30)
            await until(lambda: service.endpoint.viewers == 0, "end")
            reply = await service.post("cam/whep", await offer_to_watch())
            assert reply.json()["code"] == "b_frames"

    asyncio.run(run())


def test_users_of_the_rtsp_server_are_those_of_webrtc() -> None:
    users = (
        RtspUser("eve", "secret", publish=("eve/*",), read=("cam",)),
        RtspUser("bob", "other", publish=("*",)),
    )

    def login(text: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    async def run() -> None:
        async with endpoint_up(users=users) as service:
            Publisher(service.server.hub, "cam", encode(2)).push(2)
            offer = await offer_to_watch()
            reply = await service.post("cam/whep", offer)
            assert reply.status_code == 401
            assert reply.headers["WWW-Authenticate"].startswith("Basic ")
            assert (await service.post("cam/whep", offer, **login("eve:no"))).status_code == 401
            assert (await service.post("cam/whep", offer, **login("bob:other"))).status_code == 403
            assert (await service.post("cam/whip", offer, **login("eve:secret"))).status_code == 403
            async with browser() as peer:
                assert (await peer.watch(service, "cam", **login("eve:secret"))).status_code == 201

    asyncio.run(run())


def test_who_vanishes_or_never_comes_is_freed() -> None:
    async def run() -> None:
        async with endpoint_up(WebrtcOptions(connect_s=1.0, silent_s=2.0)) as service:
            publisher = Publisher(service.server.hub, "cam", encode(100))
            publisher.push(10)
            assert (await service.post("cam/whep", await offer_to_watch())).status_code == 201
            await until(lambda: service.endpoint.viewers == 0, "end of who never connected")
            async with browser() as peer:
                await peer.watch(service, "cam")
                await peer.collect(9)
                await peer.vanish()
                await until(lambda: service.endpoint.viewers == 0, "end of who vanished")
            assert service.server.paths()[0].readers == 0

    asyncio.run(run())


def test_the_end_of_the_publisher_ends_its_viewers() -> None:
    async def run() -> None:
        async with endpoint_up() as service, browser() as peer:
            publisher = Publisher(service.server.hub, "cam", encode(20))
            publisher.push(20)
            await peer.watch(service, "cam")
            await peer.collect(19)
            publisher.close()
            await peer.until_end()
            assert service.endpoint.viewers == 0
            assert (await service.client.get(peer.location)).status_code == 404

    asyncio.run(run())


def test_a_lost_picture_is_asked_for_and_comes_from_the_last_key_picture_again() -> None:
    """A group of ten seconds must not freeze a browser for ten seconds."""

    async def run() -> None:
        async with endpoint_up() as service, browser() as peer:
            publisher = Publisher(service.server.hub, "cam", encode(60))
            publisher.push(30)
            await peer.watch(service, "cam")
            await peer.collect(29)
            viewer = next(iter(service.server.hub.guests))
            viewer._replayed_s = -10.0  # type: ignore[attr-defined] # pylint: disable=protected-access
            await _ask_for_key_picture(peer, service)
            await peer.collect(59)
            publisher.push(2)
            await peer.collect(61)
        assert peer.numbers() == [*range(30), *range(30), 30]
        pts = [frame.pts or 0 for frame in peer.frames]
        assert pts == sorted(set(pts))

    asyncio.run(run())


async def _ask_for_key_picture(peer: Browser, _service: Service) -> None:
    """As a browser does that has lost a packet for good."""
    receiver = peer.pc.getReceivers()[0]
    source = receiver.getSynchronizationSources()[0].source
    await receiver._send_rtcp_pli(source)  # pylint: disable=protected-access


assert FPS * STEP == 90_000
