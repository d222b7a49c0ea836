"""How long from capture to publishing, with several pushes at once on this machine.

    python -m benchmarks.live_latency [--streams 4] [--seconds 60] [--by ffmpeg]

Runs `actionstream up` in a process of its own, pushes the demo clip (640x360 at 25 fps, H.264) to
as many paths, listens on MQTT, and prints per stream: time from the push to the first scores,
windows, holes in `seq`, dropped windows, and percentiles of capture-to-publish latency. Beside them
the
floor: what decoding and the model alone take for a window's newest frame.

The clock is the pusher's own, from its RTCP sender reports. That of `actionstream publish`, the
default, is right to 2 ms (tests compare it with numbers in the pictures). ffmpeg reports captures
about one frame later than it sends them, which makes latencies look a frame shorter than they are.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stack.broadcast import DEMO_CLIP
from tests.conftest import wait_for
from tests.e2e.live_stack import Listener, Ports, child, push, push_by_ffmpeg, running

Payloads = Sequence[dict[str, Any]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--by", choices=("actionstream", "ffmpeg"), default="actionstream")
    arguments = parser.parse_args()
    names = [f"cam{n}" for n in range(1, arguments.streams + 1)]
    ports = Ports()
    pusher = push if arguments.by == "actionstream" else push_by_ffmpeg
    started = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(["up"], Path(folder), ports) as (_, listener),
        ExitStack() as pushes,
    ):
        for name in names:
            started[name] = time.time()
            pushes.enter_context(child(pusher(ports, DEMO_CLIP, name)))
        wait_for(lambda: all(listener.of(n, "scores") for n in names), "scores", 30)
        time.sleep(arguments.seconds)
        report(names, listener, started)


def report(names: list[str], listener: Listener, started: dict[str, float]) -> None:
    """Print one row a stream and one for all of them."""
    table = Table(
        *("stream", "first scores", "windows", "holes", "dropped", "median", "p95", "p99", "floor")
    )
    everything: list[dict[str, Any]] = []
    for name in names:
        scores = listener.of(name, "scores")
        everything += scores
        first_at = listener.first_at(name, "scores")
        assert first_at is not None
        dropped = listener.of(name, "status")[-1]["dropped"]
        first = f"{first_at - started[name]:.2f} s"
        table.add_row(name, first, *counts(scores), str(dropped), *times(scores))
    table.add_row("all", "", *counts([]), "", *times(everything))
    Console(width=120).print(table)


def counts(scores: Payloads) -> tuple[str, str]:
    """Number of windows, and of windows that are missing between them."""
    if not scores:
        return "", ""
    numbers = [score["seq"] for score in scores]
    return str(len(numbers)), str(numbers[-1] - numbers[0] + 1 - len(numbers))


def times(scores: Payloads) -> tuple[str, str, str, str]:
    """Median, 95th and 99th percentile of the latency, and the median of decoding plus model."""
    total = [score["latency_ms"]["total"] for score in scores]
    floor = [score["latency_ms"]["decode"] + score["latency_ms"]["model"] for score in scores]
    cuts = statistics.quantiles(total, n=100)
    return (
        f"{statistics.median(total):.1f} ms",
        f"{cuts[94]:.1f} ms",
        f"{cuts[98]:.1f} ms",
        f"{statistics.median(floor):.1f} ms",
    )


if __name__ == "__main__":
    main()
