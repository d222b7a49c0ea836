"""What a new frame costs: MoViNet-Stream A0 to A2 beside the default model, in the same run.

    python -m benchmarks.movinet_speed [SIZE ...]

One stream, one thread, ONNX Runtime, frame by frame as live. Weights are random: the cost does not
depend on them. The models take turns, so that other work on the machine slows all of them alike.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from contracts.settings import Settings
from contracts.types import Clock, SampledFrame
from inference.bundle import Label
from inference.loading import load_model
from inference.models.movinet import SIZES
from inference.models.movinet_stream import StreamMoViNet
from inference.runtime import ActionModel
from inference.worker import window_spec
from stack.models import open_model
from training.export import label_entry
from training.movinet import export_stream

_ROUNDS = 200


def main() -> None:
    """Measure and print."""
    sizes = sys.argv[1:] or list(SIZES)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        models = [open_model(Settings().model)]
        models += [random_model(size, Path(folder) / f"movinet-{size}-stream") for size in sizes]
        show([Stand(model) for model in models])


def random_model(size: str, path: Path) -> ActionModel:
    """Export a network of a size with random weights, and load it.

    Args:
        size: ``a0``, ``a1`` or ``a2``.
        path: Folder of its bundle.
    """
    facts: dict[str, Any] = {
        "name": path.name,
        "version": "0",
        "summary": "Random weights.",
        "labels": [label_entry(Label(f"action {n}", f"Action {n}")) for n in range(600)],
        "training": {},
        "metrics": [],
        "limits": [],
    }
    return load_model(export_stream(StreamMoViNet(SIZES[size]), facts, path))


class Stand:
    """One model with one stream, and what each frame cost."""

    def __init__(self, model: ActionModel) -> None:
        """Begin a stream and let the model warm up."""
        self.model = model
        shape = model.bundle.input
        self._spec = window_spec(model.bundle, Settings())
        self._stream = model.new_stream(self._spec)
        rng = np.random.default_rng(0)
        size = (4, shape.height, shape.width, 3)
        self._images = rng.integers(0, 256, size, dtype=np.uint8)
        self._index = 0
        self.costs_ms: list[float] = []
        for _ in range(self._stream.lead):
            self.step()
        self.costs_ms.clear()

    def step(self) -> None:
        """Let the next frame pass."""
        pts_s = self._index * self._spec.period_s
        image = self._images[self._index % 4]
        frame = SampledFrame(image, self._index, 0, pts_s, pts_s, Clock.ARRIVAL, 0.0, 0.0)
        self._index += 1
        started = time.perf_counter()
        self.model.advance([(self._stream, frame)])
        self.costs_ms.append((time.perf_counter() - started) * 1000)


def show(stands: list[Stand]) -> None:
    """Measure all models in turn and print a table.

    Args:
        stands: The models, the one to compare with first.
    """
    for _ in range(_ROUNDS):
        for stand in stands:
            stand.step()
    reference = stands[0].model.bundle
    title = f"one new frame, one stream, one thread; mean and least of {_ROUNDS}"
    table = Table("model", "mean", "least", "frames/s", "load of a core", "MMAC", title=title)
    for stand in stands:
        bundle = stand.model.bundle
        mean_ms = statistics.fmean(stand.costs_ms)
        table.add_row(
            bundle.name,
            f"{mean_ms:.2f} ms",
            f"{min(stand.costs_ms):.2f} ms",
            f"{bundle.input.fps:g}",
            f"{mean_ms * bundle.input.fps / 1000:.1%}",
            f"{bundle.manifest['macs_per_frame'] / 1e6:.0f}",
        )
    Console().print(table)
    print(f"{reference.name}: windows are scored too, every {reference.input.stride} frames")


if __name__ == "__main__":
    main()
