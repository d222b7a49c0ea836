"""What sixteen streams and ten pages cost the dashboard, and whether anything grows.

    python -m benchmarks.dashboard_load [--streams 16] [--pages 10] [--minutes 1]

Runs `actionstream dashboard` in a process of its own beside a real broker. As many streams as asked
for publish scores, events and states as the worker does, at the rate of the shipped model; pictures
of the demo clip come from a stand-in for the worker. Chromium shows the overview; the other pages
are websockets that ask for increments and pictures as pages do.

Printed are the processor time of the dashboard's process in percent of one core, with one page and
with all; how smooth the page in Chromium is; and the memory of process and page at the start and at
the end, with the slope between.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import httpx
import numpy as np
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI, Response
from playwright.sync_api import CDPSession, Page, sync_playwright
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect

from contracts.messages import (
    Event,
    FrameCount,
    Labels,
    Message,
    Scores,
    StreamStatus,
    TopScore,
    score_table,
)
from contracts.mqtt import MqttConnection, Outgoing
from contracts.settings import ModelSettings, MqttSettings
from contracts.topics import ONLINE, Topics
from contracts.types import Clock, Latency, Quality, StreamState, TimeSpan
from inference.bundle import Bundle
from stack.broadcast import DEMO_CLIP
from stack.broker import start_broker
from stack.models import open_bundle
from stack.serving import serve
from tests.conftest import find_peer, pick_port, wait_for
from tests.e2e.live_stack import ACTIONSTREAM

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
_SETTLE_S = 10.0
# A page asks for at most so many pictures, whatever it shows.
_PICTURE_EVERY_S = 1 / 12
_ACTION_S = 4.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

# Long tasks and the times between frames, gathered where they happen.
_OBSERVE = """
window.load = { long: [], frames: [] };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.load.long.push(entry.duration);
}).observe({ type: "longtask" });
let before = performance.now();
const frame = (now) => {
  window.load.frames.push(now - before);
  before = now;
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""


@dataclass
class Streams:
    """Publishes what a worker would of many streams; a context manager."""

    mqtt: MqttSettings
    bundle: Bundle
    names: list[str]
    _halt: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Prepare."""
        self._topics = Topics(self.mqtt.prefix)
        self._connection = MqttConnection(self.mqtt, "load")
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Streams:
        """Connect, announce the streams and begin."""
        self._connection.start()
        self._connection.retain(self._topics.status, ONLINE.encode())
        for name in self.names:
            self._retain(name, self._labels())
            self._retain(name, self._status(name))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._halt.set()
        self._thread.join()
        self._connection.stop()

    def _run(self) -> None:
        """Each stream's window in its turn, so that they come as spread as those of cameras."""
        stride_s = self.bundle.input.stride / self.bundle.input.fps
        due_s = time.monotonic()
        for number in itertools.count():
            seq, place = divmod(number, len(self.names))
            due_s += stride_s / len(self.names)
            if self._halt.wait(max(0.0, due_s - time.monotonic())):
                return
            self._window(self.names[place], seq, place)
            if number % (len(self.names) * 16) == place:
                self._retain(self.names[place], self._status(self.names[place]))

    def _window(self, name: str, seq: int, place: int) -> None:
        now = time.time()
        names = list(self.bundle.label_names)
        turn = int(now / _ACTION_S) + place
        raw = np.random.default_rng(seq).random(len(names)) * 0.05
        raw[turn % len(names)] = 0.85
        table = score_table(names, [float(score) for score in raw])
        top = max(table, key=lambda label: table[label])
        seconds = self.bundle.input.frames / self.bundle.input.fps
        window = TimeSpan(round(now - seconds, 4), round(now, 4))
        self._send(
            name,
            Scores(
                stream=name,
                seq=seq,
                window=window,
                media=window,
                top=TopScore(top, table[top]),
                scores=table,
                model=self.bundle.model_id,
                clock=Clock.RTCP,
                frames=FrameCount(16, 0),
                latency_ms=Latency(4, 1, 20, 60),
                quality=Quality(0.5, 100),
                published_at=now,
            ),
            0,
        )
        if seq % 8 == 0:
            self._send(
                name,
                Event(
                    stream=name,
                    id=f"{name}-{turn}",
                    type="update",
                    label=names[turn % len(names)],
                    start=math.floor(now / _ACTION_S) * _ACTION_S,
                    score=0.85,
                    peak=0.9,
                    model=self.bundle.model_id,
                ),
                1,
            )

    def _labels(self) -> Labels:
        labels = self.bundle.labels
        return Labels(
            model=self.bundle.model_id,
            labels=[label.name for label in labels],
            titles=[label.title for label in labels],
            background=list(self.bundle.background_names),
            reference=self.bundle.input.reference,
        )

    def _status(self, name: str) -> StreamStatus:
        return StreamStatus(
            stream=name,
            state=StreamState.LIVE,
            since=time.time(),
            resolution="1280x720",
            fps=25.0,
            codec="h264",
            model=self.bundle.model_id,
        )

    def _retain(self, name: str, message: Message) -> None:
        self._connection.retain(self._topics.stream(name, message.KIND), message.to_json())

    def _send(self, name: str, message: Message, qos: int) -> None:
        topic = self._topics.stream(name, message.KIND)
        self._connection.publish(Outgoing(topic, message.to_json(), qos=qos))


def pictures_api() -> FastAPI:
    """Serve pictures of the demo clip where the worker has those of its streams."""
    with av.open(str(DEMO_CLIP)) as clip:
        frames = [f.to_ndarray(format="bgr24") for f in itertools.islice(clip.decode(video=0), 50)]
    jpegs = [cv2.imencode(".jpg", cv2.resize(f, (480, 270)))[1].tobytes() for f in frames]
    api = FastAPI()

    @api.get("/v1/streams/{name}/preview.jpg")
    async def picture(name: str) -> Response:
        del name
        return Response(jpegs[int(time.time() * 10) % len(jpegs)], media_type="image/jpeg")

    return api


async def act_as_page(address: str, names: list[str]) -> None:
    """Ask for increments and pictures of the overview as a page does, until cancelled."""
    async with connect(f"ws://{address}/live") as socket, httpx.AsyncClient() as http:

        async def pictures() -> None:
            for name in itertools.cycle(names):
                await http.get(f"http://{address}/preview/{name}.jpg")
                await asyncio.sleep(_PICTURE_EVERY_S)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pictures())
            ask: dict[str, Any] = {"stream": "", "since": 0, "epoch": "", "health": False}
            while True:
                await socket.send(json.dumps(ask))
                answer = json.loads(await socket.recv())
                if "rev" in answer:
                    ask |= {"since": answer["rev"], "epoch": answer["epoch"]}


@dataclass(frozen=True)
class Sample:
    """Memory at one moment, in MB, and processor seconds used so far."""

    at_s: float
    cpu_s: float
    process_mb: float
    page_mb: float


@dataclass
class Probe:
    """Measures the dashboard's process and the page."""

    pid: int
    page: Page
    session: CDPSession
    samples: list[Sample] = field(default_factory=list)

    def sample(self) -> Sample:
        """Measure now; the page's memory after it was tidied up."""
        self.session.send("HeapProfiler.collectGarbage")
        heap = self.session.send("Runtime.getHeapUsage")["usedSize"]
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        user, system = fields.split()[11:13]
        resident = Path(f"/proc/{self.pid}/statm").read_text(encoding="utf-8").split()[1]
        sample = Sample(
            time.monotonic(),
            (int(user) + int(system)) / _TICKS,
            int(resident) * _PAGE_BYTES / 1e6,
            heap / 1e6,
        )
        self.samples.append(sample)
        return sample

    def cpu_percent(self, seconds: float) -> float:
        """Processor time over so many seconds from now, in percent of one core."""
        first = self.sample()
        self.page.wait_for_timeout(1000 * seconds)
        last = self.sample()
        return 100 * (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)

    def smoothness(self) -> dict[str, float]:
        """Times between the page's frames and its long tasks since the last look, in ms."""
        found: dict[str, list[float]] = self.page.evaluate(
            "() => { const found = window.load; window.load = { long: [], frames: [] };"
            " return found; }"
        )
        cuts = statistics.quantiles(found["frames"], n=100)
        return {
            "frames": len(found["frames"]),
            "median": statistics.median(found["frames"]),
            "p95": cuts[94],
            "p99": cuts[98],
            "long": len(found["long"]),
            "longest": max(found["long"], default=0.0),
        }


@contextmanager
def dashboard(mqtt: MqttSettings, worker: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the dashboard in a process of its own; gives it and its address."""
    port = pick_port()
    settings = {
        "mqtt.url": mqtt.address,
        "dashboard.port": port,
        "dashboard.worker_url": f"http://127.0.0.1:{worker}",
    }
    flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen([ACTIONSTREAM, "dashboard", *flags], stdout=log, stderr=log) as process,
    ):
        try:
            wait_for(lambda: _answers(port), "dashboard", 180)
            yield process, f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1).is_success
    return False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=1.0)
    arguments = parser.parse_args()
    broker = start_broker(MqttSettings(port=pick_port()))
    try:
        run(broker.settings, arguments)
    finally:
        broker.stop()


def run(mqtt: MqttSettings, arguments: argparse.Namespace) -> None:
    """Measure with a broker that runs."""
    names = [f"cam{number}" for number in range(1, arguments.streams + 1)]
    pictures = serve(pictures_api(), "127.0.0.1", 0, "api.port")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(pictures) as worker,
        Streams(mqtt, open_bundle(ModelSettings()), names),
        dashboard(mqtt, worker) as (process, address),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=find_peer("chromium"), args=list(_FLAGS)
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.add_init_script(_OBSERVE)
        page.goto(f"http://{address}/")
        probe = Probe(process.pid, page, page.context.new_cdp_session(page))
        page.wait_for_timeout(1000 * _SETTLE_S)
        cpu = {"one page": probe.cpu_percent(20)}
        with portal.wrap_async_context_manager(pages(arguments.pages - 1, address, names)):
            page.wait_for_timeout(1000 * _SETTLE_S)
            cpu[f"{arguments.pages} pages"] = probe.cpu_percent(20)
            probe.samples.clear()
            probe.smoothness()
            watch(probe, 60 * arguments.minutes)
            smooth = probe.smoothness()
        report(probe, cpu, smooth)


@asynccontextmanager
async def pages(count: int, address: str, names: list[str]) -> AsyncIterator[None]:
    """Keep further pages open while the context lasts."""
    tasks = [asyncio.create_task(act_as_page(address, names)) for _ in range(count)]
    try:
        yield
    finally:
        failed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if failed:
            raise RuntimeError(f"{len(failed)} of {count} pages failed: {failed[0]!r}")


def watch(probe: Probe, seconds: float) -> None:
    """Take samples for so long."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        probe.page.wait_for_timeout(1000 * min(10.0, seconds))
        probe.sample()


def report(probe: Probe, cpu: dict[str, float], smooth: dict[str, float]) -> None:
    """Print what was measured."""
    console = Console(width=110)
    table = Table("dashboard's process", "percent of one core", title="Processor")
    for what, percent in cpu.items():
        table.add_row(what, f"{percent:.1f}")
    console.print(table, f"load of the machine meanwhile: {os.getloadavg()[1]:.1f}", sep="\n")
    table = Table("frames", "median", "p95", "p99", "long tasks", "longest", title="Page, ms")
    table.add_row(
        *(f"{smooth[key]:.0f}" for key in ("frames", "median", "p95", "p99")),
        f"{smooth['long']:.0f}",
        f"{smooth['longest']:.0f}",
    )
    console.print(table)
    table = Table("", "start, MB", "end, MB", "slope, MB per hour", title="Memory")
    hours = [sample.at_s / 3600 for sample in probe.samples]
    for what, values in (
        ("dashboard's process", [sample.process_mb for sample in probe.samples]),
        ("page (JavaScript)", [sample.page_mb for sample in probe.samples]),
    ):
        slope = np.polyfit(np.array(hours) - hours[0], values, 1)[0]
        table.add_row(what, f"{values[0]:.1f}", f"{values[-1]:.1f}", f"{slope:+.1f}")
    console.print(table, f"over {60 * (hours[-1] - hours[0]):.1f} minutes", sep="\n")


if __name__ == "__main__":
    main()
