"""Whether the head's boundary outputs make live events better.

    python -m benchmarks.boundaries [--model everyday] [--part validation] [--count 6] [--data DIR]

Beside the scores the head tells how much an action starts, ends and goes on at the reference of a
window. Here the scores of actions are weighed by these outputs before they become events, as
boundary-aware detectors weigh their proposals (BSN, Lin et al. 2018, section 3.3), and the events
are judged as `benchmarks.live_events` judges them. The event logic uses none of it as long as this
table gives no reason to.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.live_events import Scored, figures, judge, score_others, score_streams
from contracts.settings import EventSettings, ModelSettings
from inference.bundle import Bundle
from inference.runtime import Runtime
from stack.models import open_bundle
from training.untrimmed import StreamOptions

Floats = NDArray[np.float32]
Weigh = Callable[[Floats], Floats]
"""Marks (W, 3), which are starts, ends and actionness, to a weight (W,) of the actions' scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A scored stream with the marks (W, 3) of its windows."""

    scored: Scored
    marks: Floats


WAYS: dict[str, Weigh] = {
    "scores alone": lambda marks: np.ones_like(marks[:, 2]),
    "times actionness": lambda marks: marks[:, 2],
    "times its root": lambda marks: np.sqrt(marks[:, 2]),
    "times what starts or goes on": lambda marks: np.maximum(marks[:, 0], marks[:, 2]),
    "less what ends": lambda marks: 1 - marks[:, 1],
}


class MarkingRuntime(Runtime):
    """A runtime that keeps the boundary outputs of every window it scores.

    Attributes:
        marks: (3,) float32 each, in the order of the windows.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Load the head once more, for all of its outputs."""
        self.marks: list[Floats] = []
        self._all = ort.InferenceSession(str(bundle.head), providers=["CPUExecutionProvider"])
        super().__init__(bundle)

    def score(self, windows: Floats) -> Floats:
        """Turn windows of features (B, T, D) into scores (B, C) that sum to one."""
        scores, marks = self._all.run(["scores", "marks"], {"features": windows})
        self.marks += list(marks)
        found: Floats = scores
        return found


def weighed(bundle: Bundle, stream: Marked, weigh: Weigh) -> Scored:
    """Weigh the scores of actions; what they lose, the background wins."""
    scores = np.stack([window.scores for window in stream.scored.windows])  # (W, C)
    idle = np.array([label.background for label in bundle.labels])
    actions = scores * weigh(stream.marks)[:, np.newaxis] * ~idle
    rest = (1 - actions.sum(axis=1, keepdims=True)) * idle / idle.sum()
    rows = (actions + rest).astype(np.float32)
    pairs = zip(stream.scored.windows, rows, strict=True)
    windows = tuple(replace(window, scores=row) for window, row in pairs)
    return replace(stream.scored, windows=windows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--data", type=Path, help="folder that holds the datasets")
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--count", type=int, default=6, help="streams per person or place")
    given = parser.parse_args()
    model = MarkingRuntime(open_bundle(ModelSettings(name=given.model)))
    options = StreamOptions(root=given.data, count=given.count)
    everything = chain(score_streams(model, given.part, options), score_others(model, given))
    # Each stream is scored before the next one begins: the newest marks are its own.
    marked = [
        Marked(scored, np.stack(model.marks[-len(scored.windows) :]))
        for scored in everything
        if scored.windows
    ]
    table = Table(
        *("scores", "streams", "actions", "mAP@0.5", "mAP@0.3:0.7", "latency: median", "p95"),
        *("missed", "false/h"),
        box=MARKDOWN,
    )
    for way, weigh in WAYS.items():
        streams = [weighed(model.bundle, stream, weigh) for stream in marked]
        for group, result in judge(model.bundle, streams, EventSettings()).items():
            table.add_row(way, group, *figures(result), f"{result.false_per_hour:.0f}")
    console = Console(width=140)
    console.print(f"{model.bundle.model_id}, {given.part}", highlight=False)
    console.print(table)


if __name__ == "__main__":
    main()
