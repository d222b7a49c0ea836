"""``doctor``: what this machine can do, what is missing, and what to do about it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import click
import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from contracts.errors import EXIT_FAILED, ActionstreamError, redact
from contracts.mqtt import check_broker
from contracts.settings import Settings
from contracts.types import Clock, SampledFrame
from inference.bundle import Bundle
from inference.worker import window_spec
from stack.broker import find_mosquitto
from stack.commands.options import Resolve, with_settings
from stack.models import open_model
from stack.rtsp import choose_server
from stack.serving import bind
from streaming.mediamtx import MediaMtxApi, find_binary

_MARKS = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "bad": "[red]bad[/red]"}
_GPU_PROVIDERS = frozenset(
    f"{name}ExecutionProvider" for name in ("CUDA", "Tensorrt", "ROCM", "Dml", "CoreML", "OpenVINO")
)
_TRIED_FRAMES = 20
_CODECS = ("h264", "hevc", "mpeg4", "mjpeg", "vp8", "vp9", "av1")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: What.
        verdict: ``ok``, ``note`` (works, but worth knowing) or ``bad`` (`up` will not work).
        text: What was found, and what to do.
    """

    topic: str
    verdict: str
    text: str


@click.command()
@with_settings
def doctor(resolve: Resolve) -> None:
    """Check ports, codecs, broker, RTSP server, model and GPU, and say what to do.

    The exit code is 1 if `actionstream up` would not work here.
    """
    settings = resolve()
    table = Table("checked", "", "found", title="actionstream doctor", title_justify="left")
    bad = 0
    for finding in examine(settings):
        table.add_row(finding.topic, _MARKS[finding.verdict], finding.text)
        bad += finding.verdict == "bad"
    Console().print(table)
    if bad:
        click.echo(f"{bad} thing(s) to mend before `actionstream up` works.")
        sys.exit(EXIT_FAILED)
    click.echo("`actionstream up` will work here.")


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything that `up` needs.

    Args:
        settings: With which `up` would be called.

    Yields:
        What was found, in the order of a person's interest.
    """
    yield _try("model", lambda: _model(settings))
    yield _codecs()
    yield _try("RTSP server", lambda: _rtsp(settings))
    yield _try("MQTT broker", lambda: _broker(settings))
    yield _try("REST API", lambda: _port(settings.api.host, settings.api.port, "api.port"))
    yield _try("WebRTC", lambda: _webrtc(settings))
    page = settings.dashboard
    yield _try("dashboard", lambda: _port(page.host, page.port, "dashboard.port"))
    yield _tools()
    yield _gpu()


def _try(topic: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(topic, "ok", look())
    except ActionstreamError as error:
        return Finding(topic, "bad", str(error))


def _model(settings: Settings) -> str:
    model = open_model(settings.model)
    spec = window_spec(model.bundle, settings)
    stream = model.new_stream(spec)
    frames = list(_blank_frames(model.bundle, stream.lead + _TRIED_FRAMES))
    for frame in frames[: stream.lead]:
        model.advance([(stream, frame)])
    started = time.perf_counter()
    for frame in frames[stream.lead :]:
        model.advance([(stream, frame)])
    cost_ms = (time.perf_counter() - started) * 1000 / _TRIED_FRAMES
    streams = 1000 / (cost_ms * model.bundle.input.fps)
    return (
        f"{model.bundle.model_id}, {len(model.bundle.labels)} labels, "
        f"{cost_ms:.1f} ms a frame: by itself good for {streams:.0f} streams a core"
    )


def _blank_frames(bundle: Bundle, count: int) -> Iterator[SampledFrame]:
    shape = bundle.input
    image = np.zeros((shape.height, shape.width, 3), np.uint8)
    for index in range(count):
        pts_s = index / shape.fps
        yield SampledFrame(image, index, 0, pts_s, pts_s, Clock.ARRIVAL, 0.0, 0.0)


def _codecs() -> Finding:
    missing = [name for name in _CODECS if name not in av.codecs_available]
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    if missing:
        return Finding("codecs", "note", f"libavcodec {version} lacks {', '.join(missing)}")
    return Finding("codecs", "ok", f"{', '.join(_CODECS)} (libavcodec {version})")


def _rtsp(settings: Settings) -> str:
    rtsp = settings.rtsp
    kind = choose_server(rtsp)
    if kind == "external":
        return f"external at {rtsp.url}" + _paths(rtsp.api_url)
    _port(rtsp.host, rtsp.port, "rtsp.port")
    program = f" {find_binary()}" if kind == "mediamtx" else ""
    return f"{kind}{program}, port {rtsp.port} is free"


def _paths(api_url: str | None) -> str:
    if api_url is None:
        return "; without `rtsp.api_url` its paths are not discovered: list the `streams`"

    async def ask() -> int:
        async with MediaMtxApi(api_url) as api:
            return len(await api.paths())

    return f", which tells {asyncio.run(ask())} path(s)"


def _webrtc(settings: Settings) -> str:
    webrtc = settings.webrtc
    if not webrtc.enabled:
        return "switched off (webrtc.enabled); the page shows pictures"
    if webrtc.url is not None:
        return f"elsewhere, at {redact(webrtc.url)}"
    kind = choose_server(settings.rtsp)
    if kind == "external":
        return "the RTSP server runs elsewhere: set webrtc.url if it serves WHEP, too"
    host = settings.rtsp.host if kind == "mediamtx" else webrtc.host
    return f"served by the {kind} server, {_port(host, webrtc.port, 'webrtc.port')}"


def _broker(settings: Settings) -> str:
    mqtt = settings.mqtt
    if mqtt.url:
        info = check_broker(mqtt, timeout_s=3.0)
        return f"external at {info.address} speaks {info.protocol}"
    program = find_mosquitto() if mqtt.broker in ("auto", "mosquitto") else None
    _port(mqtt.host, mqtt.port, "mqtt.port")
    return f"{program or 'embedded'}, port {mqtt.port} is free"


def _port(host: str, port: int, setting: str) -> str:
    listener: socket.socket = bind(host, port, setting)
    listener.close()
    return f"port {port} on {host} is free"


def _tools() -> Finding:
    if path := shutil.which("ffmpeg"):
        return Finding("ffmpeg", "ok", path)
    return Finding(
        "ffmpeg", "note", "not installed; `actionstream publish` pushes video without it"
    )


def _gpu() -> Finding:
    found = sorted(_GPU_PROVIDERS & set(onnxruntime.get_available_providers()))
    if found:
        return Finding("GPU", "ok", f"ONNX Runtime offers {', '.join(found)}; the model needs none")
    return Finding("GPU", "ok", "none that ONNX Runtime can use, and none is needed")
