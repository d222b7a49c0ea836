"""The live stack: each part alone, and all of them in one process.

Every part is an async context manager; `up` enters them in the order in which they need each other
and leaves them in reverse, so that a signal, an error and a normal end take the same way out.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from contracts.errors import ConfigError
from contracts.settings import MqttSettings, Settings
from dashboard.app import create_app
from inference.worker import Discovery, Worker
from stack.assembly import assemble
from stack.broker import Broker, start_broker
from stack.rtsp import RtspService, serve_rtsp
from stack.serving import serve
from stack.webrtc import serve_webrtc


@dataclass(frozen=True, slots=True)
class Running:
    """What runs, for the person who started it.

    Attributes:
        rtsp: The RTSP server.
        broker: The MQTT broker.
        dashboard: URL of the page.
        api: URL of the REST API.
        model: ``name@version`` of the model.
    """

    rtsp: RtspService
    broker: Broker
    dashboard: str
    api: str
    model: str


async def until_stopped(main: Coroutine[Any, Any, None]) -> None:
    """Run something until it ends or the process is asked to stop (Ctrl-C, SIGTERM).

    Args:
        main: What to run; it is cancelled when the signal comes.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(main)

    def stop() -> None:
        # Once: a second cancellation would break into the clean-up. A terminal and a supervisor
        # often both send a signal.
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def serve_broker(settings: MqttSettings) -> AsyncIterator[Broker]:
    """Run, or reach, the MQTT broker while the context lasts.

    Args:
        settings: Which one and where.

    Yields:
        The broker; its ``settings`` are those of its clients.
    """
    broker = await asyncio.to_thread(start_broker, settings)
    try:
        yield broker
    finally:
        await asyncio.to_thread(broker.stop)


@asynccontextmanager
async def serve_worker(
    settings: Settings, discovery: Discovery | None, publish_url: str
) -> AsyncIterator[tuple[Worker, str]]:
    """Run the worker and its REST API while the context lasts.

    Args:
        settings: Of the whole product; ``mqtt`` must name a broker that is there.
        discovery: Where published paths appear.
        publish_url: Base URL of the RTSP server, where annotated video goes.

    Yields:
        The worker and the URL of its API.
    """
    if settings.streams == "auto" and discovery is None:
        raise ConfigError(
            "`streams: auto` needs a server that tells its paths.",
            "Set `rtsp.api_url`, or list the `streams`.",
        )
    async with (
        assemble(settings, publish_url) as parts,
        parts.predictions.running(),
        serve(parts.api, settings.api.host, settings.api.port, "api.port") as port,
    ):
        parts.publisher.start()
        try:
            await asyncio.to_thread(parts.worker.start)
            async with _beside(parts.worker.run(discovery)):
                yield parts.worker, f"http://{settings.api.host}:{port}"
        finally:
            parts.feeds.close()
            await asyncio.to_thread(parts.worker.stop)
            await asyncio.to_thread(parts.publisher.stop)


@asynccontextmanager
async def serve_dashboard(settings: Settings) -> AsyncIterator[str]:
    """Serve the page while the context lasts.

    Yields:
        Its URL.
    """
    page = settings.dashboard
    async with serve(create_app(settings), page.host, page.port, "dashboard.port") as port:
        yield f"http://{page.host}:{port}"


@asynccontextmanager
async def serve_all(settings: Settings) -> AsyncIterator[Running]:
    """Run the whole stack in this process while the context lasts.

    Args:
        settings: Of the whole product.

    Yields:
        What runs and where.
    """
    async with AsyncExitStack() as parts:
        broker = await parts.enter_async_context(serve_broker(settings.mqtt))
        settings = settings.model_copy(update={"mqtt": broker.settings})
        webrtc = settings.webrtc
        rtsp = await parts.enter_async_context(serve_rtsp(settings.rtsp, webrtc.port))
        video = await parts.enter_async_context(serve_webrtc(webrtc, rtsp))
        worker, api = await parts.enter_async_context(
            serve_worker(settings, rtsp.discovery, rtsp.publish_url)
        )
        addresses = {"worker_url": api, "whep_url": settings.dashboard.whep_url or video}
        page_settings = settings.dashboard.model_copy(update=addresses)
        settings = settings.model_copy(update={"dashboard": page_settings})
        page = await parts.enter_async_context(serve_dashboard(settings))
        yield Running(rtsp, broker, page, api, worker.model.bundle.model_id)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something beside the body; its failure ends the body."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        try:
            yield
        finally:
            task.cancel()
