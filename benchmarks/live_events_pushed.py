"""Whether a subscriber hears the events that are followed offline, as right and as soon.

    python -m benchmarks.live_events_pushed [--model everyday] [--part validation] [--count 2]

Writes untrimmed streams of the Weizmann actors as H.264 files (`training.untrimmed`), runs
`actionstream up`, pushes all of them at once with ffmpeg (`-re -c copy`) and judges what an MQTT
client hears; an event is told when its message arrives. Beside it the same files, followed offline.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.live_events import TIOUS, figures, score
from contracts.settings import EventSettings, ModelSettings
from inference.runtime import ActionModel
from stack.models import open_model
from streaming.files import read_frames
from tests.conftest import wait_for
from tests.e2e.live_stack import Listener, Ports, child, running
from training.datasets import activitynet
from training.datasets.dataset import Video
from training.live_events import follow_events
from training.metrics.live import LiveEvent, LiveStream, evaluate_live
from training.untrimmed import StreamOptions, load_streams, write_streams


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.live_events_pushed", description=__doc__)
    parser.add_argument("--model", default="everyday", help="name or folder of a bundle")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds the datasets")
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--count", type=int, default=2, help="streams per actor, pushed at once")
    given = parser.parse_args()
    model = open_model(ModelSettings(name=given.model))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        streams = load_streams("weizmann", given.part, StreamOptions(given.data, count=given.count))
        truth = write_streams(streams, given.part, folder)
        videos = activitynet.read(truth, folder).videos
        heard = push(videos, given.model, folder)
        followed = [follow(model, video) for video in videos]
    Console(width=140).print(compare(heard, followed))


def push(videos: Sequence[Video], model: str, folder: Path) -> list[LiveStream]:
    """Push all videos to a stack of their own, each once, and listen."""
    ports = Ports()
    with running(["up", "--set", f"model.name={model}"], folder, ports) as (_, listener):
        with ExitStack() as pushes:
            for video in videos:
                pushes.enter_context(child(push_once(ports, video)))
            longest_s = max(video.duration_s or 0.0 for video in videos)
            names = [video.name for video in videos]
            wait_for(lambda: all(over(listener, n) for n in names), "end", longest_s + 30)
        return [hear(listener, video) for video in videos]


def over(listener: Listener, name: str) -> bool:
    """Whether a stream was live and is no longer: its events have then ended."""
    states = listener.states(name)
    return "live" in states and states[-1] in ("stalled", "offline")


def push_once(ports: Ports, video: Video) -> list[str]:
    """Command that publishes a video once, in real time and as it is coded."""
    return [
        *("ffmpeg", "-v", "error", "-re", "-i", str(video.path), "-c", "copy"),
        *("-f", "rtsp", "-rtsp_transport", "tcp", ports.url(video.name)),
    ]


def hear(listener: Listener, video: Video) -> LiveStream:
    """Turn the messages of a stream into its events in media time."""
    scores = listener.of(video.name, "scores")
    ends = np.array([message["window"]["end"] for message in scores])
    # Over RTSP the first frame's media time is not quite 0, as it is in the file.
    first_s = scores[0]["media"]["start"]
    offsets = np.array([m["window"]["end"] - m["media"]["end"] + first_s for m in scores])

    def media(utc: float) -> float:
        # Capture times begin as arrival times and become the sender's with its first report.
        return float(utc - offsets[np.abs(ends - utc).argmin()])

    topic = f"actionstream/streams/{video.name}/events"
    messages = [message for message in listener.messages if message.topic == topic]
    told = {m.payload["id"]: m.at for m in messages if m.payload["type"] == "new"}
    events = tuple(
        LiveEvent(
            event["label"],
            media(event["start"]),
            media(event["end"]),
            event["peak"],
            media(told[event["id"]]),
        )
        for event in (m.payload for m in messages if m.payload["type"] == "end")
    )
    return LiveStream(video.name, video.duration_s or 0.0, video.annotations, events)


def follow(model: ActionModel, video: Video) -> LiveStream:
    """Follow the same file offline."""
    assert video.path is not None
    windows = score(model, read_frames(video.path, model.bundle.input.sampling))
    events = follow_events(model.bundle, windows, EventSettings())
    return LiveStream(video.name, video.duration_s or 0.0, video.annotations, events)


def compare(heard: Sequence[LiveStream], followed: Sequence[LiveStream]) -> Table:
    """Show both, and how far the events that are in both lie apart."""
    columns = ("actions", "mAP@0.5", "mAP@0.3:0.7", "start latency: median", "p95", "missed")
    table = Table("events", *columns, "false", "told", box=MARKDOWN)
    for name, streams in (("heard by a subscriber", heard), ("followed offline", followed)):
        result = evaluate_live(streams, TIOUS)
        table.add_row(name, *figures(result), str(result.false), str(result.events))
    table.caption = distance(heard, followed)
    return table


def distance(heard: Sequence[LiveStream], followed: Sequence[LiveStream]) -> str:
    """Say how far starts, ends and announcements lie apart, event by event."""
    pairs = [
        (ours, theirs)
        for one, other in zip(heard, followed, strict=True)
        for ours, theirs in zip(_ordered(one), _ordered(other), strict=False)
        if ours.label == theirs.label
    ]
    gaps = [
        np.median([abs(getattr(a, name) - getattr(b, name)) for a, b in pairs])
        for name in ("start_s", "end_s")
    ]
    later_s = np.median([a.announced_at_s - b.announced_at_s for a, b in pairs])
    return (
        f"{len(pairs)} events in both; median distance of starts {gaps[0]:.3f} s, of ends "
        f"{gaps[1]:.3f} s; told {later_s:.3f} s later"
    )


def _ordered(stream: LiveStream) -> list[LiveEvent]:
    return sorted(stream.events, key=lambda event: (event.announced_at_s, event.label))


if __name__ == "__main__":
    main()
