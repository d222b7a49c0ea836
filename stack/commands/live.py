"""``up``, ``demo`` and the single parts: ``worker``, ``dashboard``, ``rtsp-server``, ``broker``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import click

from contracts.errors import ActionstreamError
from contracts.settings import Settings
from contracts.topics import Kind, Topics
from stack.broadcast import DEMO_CLIP, DEMO_STREAM, publish_forever
from stack.commands.options import Resolve, model_option, with_settings
from stack.live import (
    Running,
    serve_all,
    serve_broker,
    serve_dashboard,
    serve_worker,
    until_stopped,
)
from stack.rtsp import choose_server, embedded_server, paths_api, reach_rtsp, serve_rtsp
from stack.serving import serve
from stack.webrtc import serve_endpoint


@click.command()
@with_settings
@model_option
def up(resolve: Resolve, model: str | None) -> None:
    """Run the whole stack on this machine: RTSP server, MQTT broker, worker, dashboard.

    Then push video to it, and every published path is analysed as it appears.
    """
    settings = resolve(model__name=model)

    async def main() -> None:
        async with serve_all(settings) as running:
            click.echo(_welcome(running))
            await asyncio.Event().wait()

    _run(main)


@click.command()
@with_settings
@model_option
@click.option(
    "--source",
    metavar="SOURCE",
    help="Show this instead of the demo clip: a file, /dev/video0, URL or test: pattern.",
)
def demo(resolve: Resolve, model: str | None, source: str | None) -> None:
    """Run the whole stack and publish the demo clip to it in a loop."""
    settings = resolve(model__name=model)

    async def main() -> None:
        async with serve_all(settings) as running:
            click.echo(_welcome(running))
            await publish_forever(
                source or str(DEMO_CLIP),
                f"{running.rtsp.publish_url}/{DEMO_STREAM}",
                running.broker.settings,
            )

    _run(main)


@click.command()
@with_settings
@model_option
def worker(resolve: Resolve, model: str | None) -> None:
    """Run the worker and its REST API alone; the RTSP server and the broker run elsewhere."""
    settings = resolve(model__name=model)

    async def main() -> None:
        rtsp = reach_rtsp(settings.rtsp)
        async with serve_worker(settings, rtsp.discovery, rtsp.publish_url) as (running, url):
            click.echo(f"worker: {running.model.bundle.model_id}, REST API {url}/docs")
            await asyncio.Event().wait()

    _run(main)


@click.command()
@with_settings
def dashboard(resolve: Resolve) -> None:
    """Run the dashboard alone."""
    settings = resolve()

    async def main() -> None:
        async with serve_dashboard(settings) as url:
            click.echo(f"dashboard: {url}")
            await asyncio.Event().wait()

    _run(main)


@click.command("rtsp-server")
@with_settings
def rtsp_server(resolve: Resolve) -> None:
    """Run the RTSP server alone: MediaMTX where it is installed, else the embedded one."""
    settings = resolve()
    _run(lambda: _serve_rtsp_alone(settings))


@click.command()
@with_settings
def broker(resolve: Resolve) -> None:
    """Run the MQTT broker alone: mosquitto where it is installed, else the embedded one."""
    settings = resolve()

    async def main() -> None:
        async with serve_broker(settings.mqtt) as running:
            click.echo(f"MQTT broker ({running.kind}): {running.settings.address}")
            await asyncio.Event().wait()

    _run(main)


async def _serve_rtsp_alone(settings: Settings) -> None:
    rtsp = settings.rtsp
    if choose_server(rtsp) != "embedded":
        async with serve_rtsp(rtsp, settings.webrtc.port) as service:
            click.echo(f"RTSP server ({service.kind}): {service.url}")
            await asyncio.Event().wait()
    async with AsyncExitStack() as parts:
        server, _ = await parts.enter_async_context(embedded_server(rtsp))
        paths = serve(paths_api(server), "127.0.0.1", rtsp.api_port, "rtsp.api_port")
        port = await parts.enter_async_context(paths)
        video = "no WebRTC"
        if settings.webrtc.enabled:
            endpoint = serve_endpoint(settings.webrtc, server)
            video = f"WebRTC {await parts.enter_async_context(endpoint)}"
        click.echo(f"RTSP server (embedded): {server.url('')}, paths on port {port}, {video}")
        await asyncio.Event().wait()


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a part until it is stopped; of several failures at once, show the first of ours."""
    try:
        asyncio.run(until_stopped(main()))
    except* ActionstreamError as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[ActionstreamError]) -> ActionstreamError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, ActionstreamError)
    return error


def _welcome(running: Running) -> str:
    rtsp, mqtt = running.rtsp, running.broker.settings
    topic = Topics(mqtt.prefix).every(Kind.SCORES)
    return f"""
  actionstream is up — {running.model}

  dashboard    {running.dashboard}
  push video   ffmpeg -re -stream_loop -1 -i VIDEO -c copy -f rtsp {rtsp.url}/cam1
  results      {mqtt.address}   topic {topic}
  REST API     {running.api}/docs

  RTSP server: {rtsp.kind}; MQTT broker: {running.broker.kind}. Ctrl-C ends everything.
"""
