"""How fast a file is scored, beside what decoding alone and the model alone cost.

    python -m benchmarks.offline_speed [VIDEO]

One thread each. The floor of scoring a file is decoding all of its frames and running the encoder
on the sampled ones; the ratio says what everything else costs.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from contracts.settings import Settings
from inference.engine import score_frames
from inference.runtime import Runtime
from inference.worker import window_spec
from stack.broadcast import DEMO_CLIP
from stack.models import open_bundle
from streaming.files import read_frames

_REPEATS = 5


def main() -> None:
    """Measure and print."""
    video = Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO_CLIP
    settings = Settings()
    model = Runtime(open_bundle(settings.model))
    sampling, spec = model.bundle.input.sampling, window_spec(model.bundle, settings)
    frames = list(read_frames(video, sampling))
    steps: dict[str, Callable[[], object]] = {
        "decode alone": lambda: decode(video),
        "decode, sample, convert": lambda: sum(1 for _ in read_frames(video, sampling)),
        "model alone": lambda: run_model(model, len(frames)),
        "score the file": lambda: sum(
            1 for _ in score_frames(model, spec, read_frames(video, sampling))
        ),
    }
    found = {name: measure(step) for name, step in steps.items()}
    floor = found["decode alone"] + found["model alone"]
    table = Table("step", "median of 5", "of real time", title=f"{video.name}, one thread each")
    duration_s = len(frames) * spec.period_s
    for name, seconds in found.items():
        table.add_row(name, f"{seconds:.2f} s", f"{duration_s / seconds:.0f} x")
    Console().print(table)
    print(f"score the file / (decode alone + model alone) = {found['score the file'] / floor:.2f}")


def measure(step: Callable[[], object]) -> float:
    """Median seconds of a step."""
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def decode(video: Path) -> int:
    """Decode every frame in one thread and look at none."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def run_model(model: Runtime, count: int) -> None:
    """Encode as many frames as the file has, one by one as live, and score their windows."""
    shape = model.bundle.input
    blank = np.zeros((1, shape.height, shape.width, 3), np.uint8)
    for index in range(count):
        features = model.encode(blank, blank)
        if index % shape.stride == 0:
            model.score(features.repeat(shape.frames, axis=0)[None])


if __name__ == "__main__":
    main()
