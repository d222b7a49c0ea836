"""How long judging results of ActivityNet's size takes, and what a plain loop takes for the same.

    python -m benchmarks.detection_metrics [--detections 500000] [--seed 0]

Makes 20,000 truths of 200 classes in 5,000 videos and detections in the manner of a detector: three
in four lie around a truth of their video, with boundaries off by some share of its length, one lies
anywhere; whichever they are, one in four carries another label. Prints the seconds of CPU time that
mean average precision at ActivityNet's ten overlaps takes, and those of the loop over predictions
that the tests compare with (tests/training/metrics/reference.py), on the same data; ends with an
error if the two differ.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from tests.training.metrics.reference import average_precisions
from training.metrics.detection import ACTIVITYNET_TIOUS, evaluate_detections
from training.metrics.errors import break_down
from training.metrics.proposals import evaluate_proposals
from training.metrics.spans import Floats, Spans

Ids = NDArray[np.int64]
_Result = TypeVar("_Result")
_TRUTHS, _CLASSES, _VIDEOS = 20_000, 200, 5_000
_VIDEO_S = 180.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detections", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    truth = make_truth(rng)
    detections = make_detections(rng, truth, arguments.detections)
    ours_s, result = timed(lambda: evaluate_detections(truth, detections))
    loop_s, reference = timed(lambda: average_precisions(truth, detections, ACTIVITYNET_TIOUS))
    errors_s, _ = timed(lambda: break_down(result.matches, truth, detections))
    recall_s, _ = timed(lambda: evaluate_proposals(truth, detections))
    table = Table(
        "step", "CPU seconds", title=f"{len(truth):,} truths, {len(detections):,} detections"
    )
    table.add_row("mAP at ten overlaps", f"{ours_s:.2f}")
    table.add_row("the same, a loop over predictions", f"{loop_s:.2f}")
    table.add_row("error breakdown on top", f"{errors_s:.2f}")
    table.add_row("AR@AN and AUC", f"{recall_s:.2f}")
    Console().print(table)
    print(
        f"average mAP {result.average_map:.4f}; the loop takes {loop_s / ours_s:.0f} times as long"
    )
    difference = float(np.abs(result.ap - reference).max())
    if difference > 1e-12:
        raise SystemExit(f"average precision differs from the loop's by up to {difference:g}")


def timed(step: Callable[[], _Result]) -> tuple[float, _Result]:
    """Run a step; return its seconds of CPU time and its result."""
    started = time.process_time()
    result = step()
    return time.process_time() - started, result


def make_truth(rng: np.random.Generator) -> Spans:
    """Make truths: a video holds about four of one class, as ActivityNet's mostly do."""
    videos = np.sort(rng.integers(_VIDEOS, size=_TRUTHS))
    labels = rng.integers(_CLASSES, size=_VIDEOS)[videos]
    length = rng.gamma(2.0, 15.0, _TRUTHS)
    start = rng.uniform(0, _VIDEO_S, _TRUTHS)
    return spans_of((videos, labels), (start, start + length), np.ones(_TRUTHS))


def make_detections(rng: np.random.Generator, truth: Spans, count: int) -> Spans:
    """Make detections: three in four around a truth, one in four anywhere."""
    around = rng.integers(len(truth), size=count)
    length = (truth.end_s - truth.start_s)[around]
    off = rng.normal(0, 0.3, (2, count)) * length
    start, end = truth.start_s[around] + off[0], truth.end_s[around] + off[1]
    anywhere = rng.random(count) < 0.25
    start[anywhere] = rng.uniform(0, _VIDEO_S, int(anywhere.sum()))
    end = np.maximum(end, start + 0.5)
    other = rng.random(count) < 0.25
    labels = np.where(other, rng.permutation(truth.labels[around]), truth.labels[around])
    sureness = 1 - np.abs(off).sum(axis=0) / length - 0.5 * (other | anywhere)
    scores = sureness + rng.normal(0, 0.3, count)
    return Spans(truth.videos[around], labels, start, end, scores)


def spans_of(names: tuple[Ids, Ids], times: tuple[Floats, Floats], scores: Floats) -> Spans:
    """Give numbered videos and classes names of the usual length."""
    videos = np.array([f"v_{number:011d}" for number in names[0]])
    labels = np.array([f"class {number:03d}" for number in names[1]])
    return Spans(videos, labels, *times, scores)


if __name__ == "__main__":
    main()
