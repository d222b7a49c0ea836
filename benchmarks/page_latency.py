"""How long from capture to the pixels of the stream page: graph, live video, pictures.

    python -m benchmarks.page_latency [--seconds 60]

Runs `actionstream up` with its embedded RTSP server in a process of its own. Another process plays
the demo clip (640x360 at 25 fps), writes into each frame, as black and white cells, the time at
which it hands the frame to its encoder, and pushes it: that moment counts as the capture. Chromium
shows the stream page, first with WebRTC, then without, so that it takes pictures.

In the page, each picture's cells are read as it comes on the screen. A point counts as drawn once
the frame after the drawing begins in which its place lies within the graph; its capture is that of
the newest frame of its window, by the scores' message. The stack's clock (sender reports) is
compared with the cells of the same pictures and set right by their difference, which is told.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from stack.broadcast import DEMO_CLIP
from streaming.broadcast import Outlet
from streaming.tracks import EncodeWriter, Unit
from tests.conftest import find_peer, wait_for
from tests.e2e.live_stack import Listener, Ports, running

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
_STREAM = "clock"
_FPS = 25.0
_SETTLE_S = 8.0
# A row of cells at the lower edge: 32 bits of milliseconds, then 8 of their exclusive or.
_CELLS = 40
_CELL_PX = 16
_HEIGHT = 360
_MATCH_S = 0.004

_WITHOUT_WEBRTC = "delete window.RTCPeerConnection;"
_WATCH = """
([cells, cell, share]) => {
  const seen = { pictures: [], points: [], clock: [], frames: 0 };
  window.seen = seen;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [cells * cell, cell];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const read = (source, width, height) => {
    const top = height * (1 - share);
    pen.drawImage(source, 0, top, width, height - top, 0, 0, cells * cell, cell);
    const { data } = pen.getImageData(0, cell / 2, cells * cell, 1);
    const light = (n) => (data[4 * (n * cell + cell / 2)] > 128 ? 1 : 0);
    const bits = [...Array(cells).keys()].map(light);
    const bytes = [...Array(cells / 8).keys()].map((n) =>
      bits.slice(8 * n, 8 * n + 8).reduce((sum, bit) => 2 * sum + bit, 0));
    const [a, b, c, d, check] = bytes;
    return (a ^ b ^ c ^ d) === check ? ((a * 256 + b) * 256 + c) * 256 + d : null;
  };
  const WRAP = 2 ** 32;
  const since = (code, ms) => {
    const past = (((ms - code) % WRAP) + WRAP) % WRAP;
    return past > WRAP / 2 ? past - WRAP : past;
  };
  const note = (source, width, height, shown_ms, claimed_s) => {
    const code = read(source, width, height);
    if (code === null) return;
    seen.pictures.push(since(code, shown_ms));
    if (claimed_s) seen.clock.push(since(code, claimed_s * 1000));
  };
  const box = document.querySelector(".video");
  const video = box.querySelector("video");
  const follow = (now, frame) => {
    video.requestVideoFrameCallback(follow);
    if (box.dataset.mode !== "webrtc") return;
    const shown = Date.now() + Math.max(0, frame.expectedDisplayTime - performance.now());
    note(video, video.videoWidth, video.videoHeight, shown, screen.video.shownAt());
  };
  video.requestVideoFrameCallback(follow);
  const image = box.querySelector("img");
  image.addEventListener("load", () => {
    requestAnimationFrame(() => {
      if (box.dataset.mode !== "pictures") return;
      const { naturalWidth, naturalHeight } = image;
      note(image, naturalWidth, naturalHeight, Date.now(), null);
    });
  });
  const { graph, screen } = window.actionstream.streamPage;
  const count = () => { seen.frames += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
  const draw = graph.draw.bind(graph);
  let last = graph.history.live.t[graph.history.live.length - 1] ?? 0;
  graph.draw = () => {
    draw();
    const { live } = graph.history;
    const fresh = [];
    for (let row = live.length - 1; row >= 0 && live.t[row] > last; row -= 1) {
      if (live.t[row] <= graph.drawn.to) fresh.push(live.t[row]);
    }
    if (!fresh.length) return;
    last = fresh[0];
    requestAnimationFrame(() => {
      const now = Date.now() / 1000;
      for (const t of fresh) seen.points.push([t, now]);
    });
  };
}
"""


def cells_of(milliseconds: int) -> NDArray[np.uint8]:
    """Draw a time as a row of cells.

    Args:
        milliseconds: Of UTC; the lowest 32 bits are drawn.

    Returns:
        (16, 640, 3) uint8 RGB.
    """
    data = (milliseconds % (1 << 32)).to_bytes(4, "big")
    data += bytes([data[0] ^ data[1] ^ data[2] ^ data[3]])
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    row = np.repeat(np.where(bits, 224, 32).astype(np.uint8), _CELL_PX)
    return np.broadcast_to(row[None, :, None], (_CELL_PX, _CELLS * _CELL_PX, 3))


def push(url: str) -> None:
    """Publish the demo clip for ever, each frame with its time in it."""
    outlet = Outlet(url, "tcp")
    due_s = time.monotonic()
    for _ in itertools.count():
        with av.open(str(DEMO_CLIP)) as clip:
            for frame in clip.decode(video=0):
                due_s = max(due_s + 1 / _FPS, time.monotonic() - 1)
                time.sleep(max(0.0, due_s - time.monotonic()))
                picture = frame.to_ndarray(format="rgb24")
                captured_s = time.monotonic()
                picture[-_CELL_PX:, : _CELLS * _CELL_PX] = cells_of(round(time.time() * 1000))
                drawn = av.VideoFrame.from_ndarray(picture, format="rgb24")
                unit = Unit(due_s, due_s, 1 / _FPS, True, drawn)
                if not outlet.connected:
                    outlet.connect(partial(EncodeWriter, first=unit, step_s=1 / _FPS))
                outlet.write(unit, captured_s)


@contextmanager
def pushing(url: str) -> Iterator[None]:
    """Push from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.page_latency", "--push", url]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--push", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.push:
        push(arguments.push)
        return
    ports = Ports()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(["up", "--set", "rtsp.server=embedded"], Path(folder), ports) as (_, listener),
        pushing(ports.url(_STREAM)),
        sync_playwright() as playwright,
    ):
        wait_for(lambda: listener.of(_STREAM, "scores"), "scores", 60)
        browser = playwright.chromium.launch(
            executable_path=find_peer("chromium"), args=list(_FLAGS)
        )
        url = f"http://127.0.0.1:{ports.page}/stream/{_STREAM}"
        live = measure(browser, url, "webrtc", arguments.seconds)
        stills = measure(browser, url, "pictures", arguments.seconds)
        report(live, stills, listener)


def measure(browser: Browser, url: str, mode: str, seconds: float) -> dict[str, Any]:
    """Watch the page for so long; gives what it saw."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    if mode == "pictures":
        page.add_init_script(_WITHOUT_WEBRTC)
    page.goto(url)
    page.wait_for_function(
        "(mode) => document.querySelector('.video')?.dataset.mode === mode"
        " && window.actionstream?.page?.graph?.history?.live?.length > 20",
        arg=mode,
        timeout=180_000,
    )
    page.wait_for_timeout(1000 * _SETTLE_S)
    page.evaluate(_WATCH, [_CELLS, _CELL_PX, _CELL_PX / _HEIGHT])
    page.wait_for_timeout(1000 * seconds)
    seen: dict[str, Any] = page.evaluate(
        "() => ({ ...window.seen, draw_ms: window.actionstream.streamPage.graph.drawMs })"
    )
    seen["fps"] = seen["frames"] / seconds
    page.close()
    return seen


def report(live: dict[str, Any], stills: dict[str, Any], listener: Listener) -> None:
    """Print one row for each thing on the page."""
    scores = listener.of(_STREAM, "scores")
    labels = listener.of(_STREAM, "labels")[-1]
    captures = {_moment(score, labels["reference"]): _capture(score) for score in scores}
    bias_ms = statistics.median(live["clock"]) if live["clock"] else 0.0
    drawn = [*_drawn(live["points"], captures), *_drawn(stills["points"], captures)]
    published = [score["latency_ms"]["total"] for score in scores]
    table = Table("capture to", "samples", "median", "p95", title="Capture to pixel")
    for what, times in (
        ("publishing of the scores", [late + bias_ms for late in published]),
        ("point on the graph", [late + bias_ms for late in drawn]),
        ("live video (WebRTC)", live["pictures"]),
        ("pictures (JPEG)", stills["pictures"]),
    ):
        table.add_row(what, str(len(times)), *_figures(times))
    console = Console(width=100)
    console.print(table)
    console.print(f"clock of the sender reports, set right: {bias_ms:+.1f} ms")
    for what, seen in (("WebRTC", live), ("pictures", stills)):
        console.print(
            f"page with {what}: {seen['fps']:.0f} frames a second, "
            f"{seen['draw_ms']:.0f} ms to draw the graph"
        )
    console.print(f"load of the machine meanwhile: {os.getloadavg()[1]:.1f}")


def _moment(score: dict[str, Any], reference: float) -> float:
    """The time that a window's scores speak of, where its point stands."""
    start, end = score["window"]["start"], score["window"]["end"]
    return float(start + reference * (end - start))


def _capture(score: dict[str, Any]) -> float:
    """UTC seconds of the capture of a window's newest frame."""
    return float(score["published_at"] - score["latency_ms"]["total"] / 1000)


def _drawn(points: Sequence[Sequence[float]], captures: dict[float, float]) -> list[float]:
    """Milliseconds from the newest frame's capture to the drawing of each point."""
    times = np.array(sorted(captures))
    late = []
    for moment, drawn_at in points:
        nearest = float(times[np.argmin(np.abs(times - moment))])
        if abs(nearest - moment) < _MATCH_S:
            late.append(1000 * (drawn_at - captures[nearest]))
    return late


def _figures(times: Sequence[float]) -> tuple[str, str]:
    if len(times) < 2:
        return "-", "-"
    return (
        f"{statistics.median(times):.0f} ms",
        f"{statistics.quantiles(times, n=20)[-1]:.0f} ms",
    )


if __name__ == "__main__":
    main()
