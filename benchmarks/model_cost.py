"""What the default architecture costs in each size, and the shipped bundles with it.

    python -m benchmarks.model_cost

One core, ONNX Runtime, one stream: one frame or one window at a time, as live. Weights of the sizes
are random: the cost does not depend on them. Models take turns with a plain matrix product in ONNX
Runtime, so that other work on the machine slows all alike; the least time of many is what the
machine can do, the mean what it did. The floor is the time that the multiply-accumulates alone
would take at the speed of that product. The memory is the peak of a process of its own (Linux).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from rich.console import Console
from rich.table import Table

from inference.bundle import SHIPPED, Bundle, Label, ModelInput
from inference.models.frame_encoder import SIZES, ActionNet, FrameEncoderConfig
from inference.runtime import Runtime, open_session
from training.export import BundleFacts, export_bundle

_ROUNDS = 200
_CLASSES = 17
_BAR_MS = 5.0
_PRODUCT = 384

# A program of its own: this one holds torch, which a worker does not.
_WEIGH = """
import sys
from pathlib import Path
import numpy as np
from inference.bundle import Bundle
from inference.runtime import Runtime

def peak_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

before = peak_kb()
model = Runtime(Bundle.load(Path(sys.argv[1])))
shape = model.bundle.input
frames = np.zeros((shape.frames, shape.height, shape.width, 3), np.uint8)
for frame in frames:
    model.encode(frame[None], frame[None])
model.score(np.zeros((1, shape.frames, model.bundle.features), np.float32))
print(peak_kb() - before)
"""


def main() -> int:
    """Measure and print; fails if a shipped bundle is above the bar."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bundles = [random_bundle(size, Path(folder) / size) for size in SIZES]
        shipped = [Bundle.load(file.parent) for file in sorted(SHIPPED.glob("*/bundle.json"))]
        stands = [Stand(bundle) for bundle in [*bundles, *shipped]]
        peak = measure(stands, product_session(Path(folder)))
        memory = [peak_memory_mb(stand.bundle.path) for stand in stands]
    show(stands, peak, memory)
    windows_ms = [min(stand.step_ms) for stand in stands[len(bundles) :]]
    print(f"the bar: one new window of a shipped bundle in {_BAR_MS:g} ms")
    return int(max(windows_ms) > _BAR_MS)


def random_bundle(size: str, path: Path) -> Bundle:
    """Export a network of a size with random weights.

    Args:
        size: A name of `SIZES`.
        path: Folder of its bundle.
    """
    config = FrameEncoderConfig.of(size, _CLASSES)
    facts = BundleFacts(
        name=size,
        version="0",
        summary="Random weights.",
        labels=tuple(Label(f"action{n}", f"Action {n}") for n in range(_CLASSES)),
        input=ModelInput(config.width, config.height, 12.5, config.frames, 2),
    )
    return export_bundle(ActionNet(config), facts, path)


@dataclass(slots=True, eq=False)
class Stand:
    """One model, and what each part of its work cost in each round.

    Attributes:
        bundle: The model.
        frame_ms: One frame through the encoder.
        window_ms: One window through the head.
        step_ms: One new window of one stream: its new frames, one by one, and the head.
    """

    bundle: Bundle
    frame_ms: list[float] = field(default_factory=list)
    window_ms: list[float] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    model: Runtime = field(init=False)

    def __post_init__(self) -> None:
        """Load the model, which warms it up."""
        self.model = Runtime(self.bundle)

    def round(self, rng: np.random.Generator) -> None:
        """Do each part once."""
        shape = self.bundle.input
        size = (2, 1, shape.height, shape.width, 3)
        frame, previous = rng.integers(0, 256, size, dtype=np.uint8)
        features = self.model.encode(frame, previous)
        window = np.repeat(features[:, np.newaxis], shape.frames, axis=1)

        def step() -> None:
            for _ in range(shape.stride):
                self.model.encode(frame, previous)
            self.model.score(window)

        self.frame_ms.append(timed_ms(lambda: self.model.encode(frame, previous)))
        self.window_ms.append(timed_ms(lambda: self.model.score(window)))
        self.step_ms.append(timed_ms(step))

    def step_macs(self) -> int:
        """Multiply-accumulates of one new window of one stream."""
        manifest = self.bundle.manifest
        per_frame, per_window = manifest["macs_per_frame"], manifest["macs_per_window"]
        return int(self.bundle.input.stride * per_frame + per_window)


def timed_ms(work: Callable[[], object]) -> float:
    """Milliseconds that some work took."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def product_session(folder: Path) -> ort.InferenceSession:
    """Make a graph that multiplies a square matrix by a constant one.

    Args:
        folder: Receives the graph.
    """
    helper, square = onnx.helper, (_PRODUCT, _PRODUCT)
    node = helper.make_node("MatMul", ["left", "right"], ["product"])
    left, product = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, square)
        for name in ("left", "product")
    )
    right = onnx.numpy_helper.from_array(np.ones(square, np.float32), "right")
    graph = helper.make_graph([node], "product", [left], [product], [right])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "product")
    return open_session(folder / "product", 1)


def measure(stands: list[Stand], session: ort.InferenceSession) -> float:
    """Let all models and the matrix product take turns.

    Args:
        stands: The models; their times are filled in.
        session: Of the matrix product.

    Returns:
        Multiply-accumulates per second of the fastest matrix product.
    """
    rng = np.random.default_rng(0)
    left = {"left": np.ones((_PRODUCT, _PRODUCT), np.float32)}
    product_ms = []
    for _ in range(_ROUNDS):
        product_ms.append(timed_ms(lambda: session.run(["product"], left)))
        for stand in stands:
            stand.round(rng)
    return float(_PRODUCT**3 / min(product_ms) * 1000)


def peak_memory_mb(path: Path) -> float:
    """Greatest memory of a process that scores with a model, less that of one without a model.

    Args:
        path: Folder of the bundle.
    """
    weigh = [sys.executable, "-c", _WEIGH, str(path)]
    return int(subprocess.run(weigh, check=True, capture_output=True).stdout) / 1024


def show(stands: list[Stand], peak: float, memory: list[float]) -> None:
    """Print a table.

    Args:
        stands: The measured models.
        peak: Multiply-accumulates per second of the matrix product.
        memory: Peak memory of each model in MB.
    """
    title = f"one core, one stream; least of {_ROUNDS}"
    table = Table("model", "parameters", "MMAC", "frame", "head", title=title)
    for column in ("new window (mean)", "of floor", "memory"):
        table.add_column(column)
    for stand, megabytes in zip(stands, memory, strict=True):
        manifest = stand.bundle.manifest
        floor_ms = stand.step_macs() / peak * 1000
        table.add_row(
            stand.bundle.name,
            f"{manifest['parameters'] / 1e6:.2f} M",
            f"{manifest['macs_per_frame'] / 1e6:.1f} + {manifest['macs_per_window'] / 1e6:.1f}",
            f"{min(stand.frame_ms):.2f}",
            f"{min(stand.window_ms):.2f}",
            f"{min(stand.step_ms):.2f} ms ({statistics.fmean(stand.step_ms):.2f})",
            f"{min(stand.step_ms) / floor_ms:.1f} x",
            f"{megabytes:.0f} MB",
        )
    Console(width=100).print(table)
    print("MMAC: per frame + per window; a new window is its new frames and the head")
    load = f"; load of the machine {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"matrix product of {_PRODUCT}: {2 * peak / 1e9:.0f} GFLOP/s{load}")


if __name__ == "__main__":
    sys.exit(main())
