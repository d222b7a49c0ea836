"""What the live stack says about real video that its model did not train on.

    python -m benchmarks.live_accuracy [--data ../shared/data] [--seconds 60]

Runs `actionstream up`, pushes with ffmpeg (`-re -stream_loop -1 -c copy`) over TCP and over UDP:
Weizmann actions of the held-out actors joined to about a minute, a fight clip, the walking-people
clip, and an empty scene made of that clip's temporal median with camera noise. Prints for each push
the time to the first scores, windows, holes in `seq`, and what share of the windows says the right
thing: the action, for windows that lie inside one; `none`, for the empty scene.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from tests.conftest import wait_for
from tests.e2e.live_stack import Listener, Ports, child, push_by_ffmpeg, running
from training.data import WEIZMANN_SPLIT, find_data

Picture = NDArray[np.uint8]
Span = tuple[float, float, str]
# Frames on the wire are stamped anew; a window this close to a boundary might hold another action.
_MARGIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Trial:
    """One video to push.

    Attributes:
        name: Name of the stream.
        video: The file.
        duration_s: Length of one loop.
        truth: Spans of media time with their labels; empty where nobody knows.
    """

    name: str
    video: Path
    duration_s: float
    truth: tuple[Span, ...] = ()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    table = Table("push", "by", "first scores", "windows", "holes", "judged", "right", "top labels")
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), Ports()
        trials = list(make_trials(find_data(arguments.data, ""), folder))
        with running(["up"], folder, ports) as (_, listener):
            for trial in trials:
                for transport in ("tcp", "udp"):
                    table.add_row(*measure(trial, transport, (ports, listener), arguments.seconds))
    Console(width=140).print(table)


def measure(
    trial: Trial, transport: str, stack: tuple[Ports, Listener], seconds: float
) -> list[str]:
    """Push one video for a while and judge what comes back."""
    ports, listener = stack
    name, started = f"{trial.name}-{transport}", time.time()
    with child(push_by_ffmpeg(ports, trial.video, name, transport)):
        wait_for(lambda: listener.of(name, "scores"), f"scores of {name}", 20)
        time.sleep(seconds)
    first_at = listener.first_at(name, "scores")
    assert first_at is not None
    scores = listener.of(name, "scores")
    numbers = [score["seq"] for score in scores]
    verdicts = [right for score in scores if (right := judge(trial, score)) is not None]
    top = Counter(score["top"]["label"] for score in scores).most_common(3)
    return [
        trial.name,
        transport,
        f"{first_at - started:.2f} s",
        str(len(scores)),
        str(numbers[-1] - numbers[0] + 1 - len(scores)),
        str(len(verdicts)),
        f"{sum(verdicts) / len(verdicts):.1%}" if verdicts else "",
        ", ".join(f"{label} {count / len(scores):.0%}" for label, count in top),
    ]


def judge(trial: Trial, score: dict[str, Any]) -> bool | None:
    """Whether a window is right; `None` if it lies inside no single span."""
    start = score["media"]["start"] % trial.duration_s
    end = start + score["media"]["end"] - score["media"]["start"]
    for first, last, label in trial.truth:
        if first - _MARGIN_S <= start and end <= last + _MARGIN_S:
            return bool(score["top"]["label"] == label)
    return None


def make_trials(data: Path, folder: Path) -> Iterator[Trial]:
    """Make the videos that are pushed."""
    clips = sorted(
        clip
        for actor in WEIZMANN_SPLIT.test
        for clip in (data / "weizmann").glob(f"*/{actor}_*.avi")
    )
    yield join_clips(clips, folder / "weizmann.mp4")
    fight = min((data / "fight" / "fight").glob("*.mp4"), key=lambda clip: -height_of(clip))
    yield Trial("fight", fight, 1.0)
    walking = data / "clips" / "one-by-one-person-detection.mp4"
    yield Trial("walking-people", walking, 1.0)
    empty = folder / "empty.mp4"
    write(empty, empty_scene(walking, seconds=20), fps=25)
    yield Trial("empty-scene", empty, 20.0, ((0.0, 20.0, "none"),))


def join_clips(clips: list[Path], video: Path) -> Trial:
    """Join clips, one after another; the folder of each is its label."""
    spans: list[Span] = []
    frames: list[Picture] = []
    for clip in clips:
        start_s = len(frames) / 25
        frames += pictures(clip)
        spans.append((start_s, len(frames) / 25, clip.parent.name))
    write(video, iter(frames), fps=25)
    return Trial("weizmann", video, len(frames) / 25, tuple(spans))


def empty_scene(video: Path, seconds: int) -> Iterator[Picture]:
    """A scene without its people, as a noisy camera would show it."""
    sample = pictures(video)[::40]
    median = np.median(np.stack(sample), axis=0)
    rng = np.random.default_rng(0)
    for _ in range(25 * seconds):
        yield np.clip(median + rng.normal(0, 3, median.shape), 0, 255).astype(np.uint8)


def pictures(video: Path) -> list[Picture]:
    """Every frame of a video, ``(H, W, 3)`` uint8 RGB."""
    with av.open(str(video)) as container:
        frames = container.decode(video=0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]


def height_of(video: Path) -> int:
    """Height of a video in pixels."""
    with av.open(str(video)) as container:
        return container.streams.video[0].height


def write(video: Path, frames: Iterator[Picture], fps: int) -> None:
    """Write H.264 as a camera would: a keyframe a second, no B-frames."""
    first = next(frames)
    options = {"crf": "20", "bf": "0", "g": str(fps), "preset": "veryfast"}
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
        stream.pix_fmt = "yuv420p"
        for picture in (first, *frames):
            cut = np.ascontiguousarray(picture[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
