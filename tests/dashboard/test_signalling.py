"""Offers and answers of WebRTC through the dashboard, to a real endpoint."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from contracts.settings import DashboardSettings
from dashboard.signalling import Signalling
from streaming.rtsp import RtspUser
from tests.streaming.webrtc.support import SDP, Publisher, encode, endpoint_up, offer_to_watch

_USERS = (RtspUser("page", "secret", read=("*",)), RtspUser("eve", "own", publish=("eve/*",)))


@asynccontextmanager
async def dashboard(**settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a dashboard's signalling."""
    signalling = Signalling(DashboardSettings.model_validate(settings))
    app = FastAPI()
    app.include_router(signalling.router)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dashboard") as client:
        yield client
    await signalling.close()


def test_the_dashboard_reads_with_its_own_user_and_publishes_with_the_visitors() -> None:
    async def run() -> None:
        async with endpoint_up(users=_USERS) as service:
            Publisher(service.server.hub, "a b/cam", encode(2)).push(2)
            url = service.url.replace("://", "://page:secret@")
            async with dashboard(whep_url=url) as client:
                offer = await offer_to_watch()
                reply = await client.post("/whep/a%20b/cam", content=offer, headers=SDP)
                assert reply.status_code == 201
                place = reply.headers["Location"]
                assert place.startswith("/whep/a%20b/cam/session/")
                assert reply.text.startswith("v=0")
                assert service.endpoint.viewers == 1
                assert (await client.delete(place)).status_code == 200
                assert service.endpoint.viewers == 0
                reply = await client.get(place)  # no error to a browser: the session is over
                assert (reply.status_code, reply.json()["code"]) == (200, "no_such_session")

                reply = await client.post("/whip/eve/cam", content=offer, headers=SDP)
                assert reply.status_code == 401
                assert reply.headers["WWW-Authenticate"].startswith("Basic ")
                login = "Basic " + base64.b64encode(b"eve:own").decode()
                reply = await client.post(
                    "/whip/eve/cam", content="nonsense", headers=SDP | {"Authorization": login}
                )
                assert (reply.status_code, reply.json()["code"]) == (400, "bad_offer")

    asyncio.run(run())


def test_refusals_are_told_in_words() -> None:
    async def run() -> None:
        async with endpoint_up() as service, dashboard(whep_url=service.url) as client:
            reply = await client.post("/whep/nobody", content=await offer_to_watch(), headers=SDP)
            assert (reply.status_code, reply.json()["status"]) == (200, 404)
            assert reply.json()["code"] == "no_such_path"
            for path, content, headers, status in (
                ("/whep/x", "x", {"Content-Type": "text/plain"}, 415),
                ("/whep/x", "x" * 70_000, SDP, 413),
                ("/whep/../../x", "x", SDP, 404),
            ):
                reply = await client.post(path, content=content, headers=headers)
                assert status in (reply.status_code, reply.json().get("status")), reply.text
            evil = {"Origin": "http://elsewhere.example"}
            for kind in ("whep", "whip"):
                reply = await client.post(f"/{kind}/x", content="x", headers=SDP | evil)
                assert (reply.status_code, reply.json()["code"]) == (403, "foreign_page")

    asyncio.run(run())


def test_without_a_server_or_the_right_to_change_anything() -> None:
    async def run() -> None:
        async with dashboard(read_only=True) as client:
            reply = await client.post("/whip/x", content="x", headers=SDP)
            assert (reply.status_code, reply.json()["code"]) == (403, "read_only")
            reply = await client.post("/whep/x", content="x", headers=SDP)
            assert (reply.status_code, reply.json()["code"]) == (200, "no_webrtc")
        async with dashboard(whep_url="http://127.0.0.1:9") as client:
            reply = await client.post("/whep/x", content="x", headers=SDP)
            assert reply.json()["code"] == "webrtc_away"
            reply = await client.post("/whip/x", content="x", headers=SDP)
            assert reply.status_code == 502

    asyncio.run(run())
