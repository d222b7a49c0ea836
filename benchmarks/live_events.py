"""How well and how soon live events tell what people do, in video the model did not train on.

    python -m benchmarks.live_events [--model everyday] [--part validation] [--count 6] [--curve]

Judges the events of untrimmed streams (`training.untrimmed`): people of the Weizmann actions, drawn
ones, and pairs of UT-Interaction, with the truth as far as the model has labels for it. They are
followed offline by the rules and the clock that hold live: an event is told with the newest frame
of the window that makes it known. `benchmarks.live_events_pushed` shows that a subscriber of the
running stack hears the same.

False events are counted in those streams, on people who walk past a camera (`walk` is not counted
there, and nothing else happens), on empty scenes and people who stand still, and on fights
(interactions are not counted there). `--curve` repeats all this for other settings of the events:
the trade-off between how soon, how right and how often wrong.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

from contracts.messages import EventRule
from contracts.settings import EventSettings, ModelSettings
from contracts.types import Annotation, SampledFrame, WindowScores
from inference.bundle import Bundle
from inference.engine import score_frames
from inference.runtime import ActionModel
from inference.windows import WindowSpec
from stack.models import open_model
from streaming.files import read_frames
from training.catalogue import DataOptions, load_dataset
from training.data import INTERACTIONS, find_data
from training.live_events import follow_events
from training.metrics.live import LiveEvent, LiveResult, LiveStream, evaluate_live
from training.samples import sample_frames
from training.untrimmed import StreamOptions, load_streams, resized

TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
_HALF = TIOUS.index(0.5)
_STREAMS = ("weizmann", "figures", "interactions")
_WALKING = "walking people"
# In these no action is marked, but these may occur: whoever tells of them is not counted.
_MAY_OCCUR: dict[str, Collection[str]] = {_WALKING: {"walk"}, "still": (), "fights": INTERACTIONS}


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A stream with the scores of its windows.

    Attributes:
        name: Its name.
        group: Which streams are judged together.
        duration_s: Its length.
        truth: What happens in it.
        windows: In order.
    """

    name: str
    group: str
    duration_s: float
    truth: tuple[Annotation, ...]
    windows: tuple[WindowScores, ...]

    def told(self, bundle: Bundle, settings: EventSettings) -> LiveStream:
        """Follow its events, without those that nobody can judge."""
        events = follow_events(bundle, self.windows, settings)
        unknown = _MAY_OCCUR.get(self.group, ())
        judged = tuple(event for event in events if event.label not in unknown)
        return LiveStream(self.name, self.duration_s, self.truth, judged)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.live_events", description=__doc__)
    parser.add_argument("--model", default="everyday", help="name or folder of a bundle")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds the datasets")
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--count", type=int, default=6, help="streams per person")
    parser.add_argument("--curve", action="store_true", help="other settings of the events too")
    given = parser.parse_args()
    model = open_model(ModelSettings(name=given.model))
    options = StreamOptions(root=given.data, count=given.count)
    scored = [*score_streams(model, given.part, options), *score_others(model, given)]
    console = Console(width=240 if given.curve else 140)
    settings = EventSettings()
    console.print(f"{model.bundle.model_id}, {given.part}", highlight=False)
    console.print(by_group(model.bundle, scored, settings))
    console.print(by_label(model.bundle, scored, settings))
    if given.curve:
        console.print(curve(model.bundle, scored))


def score_streams(model: ActionModel, part: str, options: StreamOptions) -> Iterator[Scored]:
    """Make the untrimmed streams and score their windows."""
    size = model.bundle.input
    for dataset in _STREAMS:
        streams = load_streams(dataset, part, options)
        for stream in track(streams, dataset, total=None, transient=True):
            small = resized(stream, size.width, size.height)
            windows = score(model, sample_frames(small, model.bundle.input.sampling))
            known = tuple(s for s in stream.segments if s.label in model.bundle.label_names)
            yield Scored(stream.key, dataset, stream.duration_s, known, windows)


def score_others(model: ActionModel, given: argparse.Namespace) -> Iterator[Scored]:
    """Score video in which none of the actions occurs."""
    walking = find_data(given.data, "clips") / "one-by-one-person-detection.mp4"
    windows = score(model, read_frames(walking, model.bundle.input.sampling))
    yield Scored(_WALKING, _WALKING, windows[-1].media.end, (), windows)
    size = model.bundle.input
    options = DataOptions(root=given.data, width=size.width, height=size.height)
    for dataset in _MAY_OCCUR:
        for clip in load_dataset(dataset, given.part, options) if dataset != _WALKING else ():
            windows = score(model, sample_frames(clip, model.bundle.input.sampling))
            yield Scored(clip.key, dataset, clip.duration_s, (), windows)


def score(model: ActionModel, frames: Iterable[SampledFrame]) -> tuple[WindowScores, ...]:
    """Score every window of a video."""
    return tuple(score_frames(model, WindowSpec.of(model.bundle.input), frames))


def judge(
    bundle: Bundle, scored: Iterable[Scored], settings: EventSettings
) -> dict[str, LiveResult]:
    """Judge the events of each group of streams."""
    groups: dict[str, list[LiveStream]] = {}
    for stream in scored:
        groups.setdefault(stream.group, []).append(stream.told(bundle, settings))
    return {group: evaluate_live(streams, TIOUS) for group, streams in groups.items()}


def by_group(bundle: Bundle, scored: Iterable[Scored], settings: EventSettings) -> Table:
    """Show the figures of each group of streams."""
    table = Table(
        *("streams", "minutes", "actions", "mAP@0.5", "mAP@0.3:0.7", "start latency: median"),
        *("p95", "missed", "repeated", "false", "false/h", "most false"),
        box=MARKDOWN,
    )
    for group, result in judge(bundle, scored, settings).items():
        table.add_row(
            group,
            f"{60 * result.hours:.1f}",
            *figures(result),
            str(result.repeated),
            str(result.false),
            f"{result.false_per_hour:.0f}",
            ", ".join(f"{label} {n}" for label, n in Counter(result.false_labels).most_common(3)),
        )
    return table


def by_label(bundle: Bundle, scored: Sequence[Scored], settings: EventSettings) -> Table:
    """Show the average precision and the start latency of each action."""
    table = Table("action", box=MARKDOWN)
    datasets = _judged(scored)
    for dataset in datasets:
        table.add_column(f"{dataset}: AP@0.5")
        table.add_column("median latency")
    told = {d: [s.told(bundle, settings) for s in scored if s.group == d] for d in datasets}
    for label in bundle.label_names:
        cells: list[str] = []
        for dataset in datasets:
            result = evaluate_live([_only(stream, label) for stream in told[dataset]], TIOUS)
            half = "" if result.detection is None else f"{result.detection.map[_HALF]:.3f}"
            cells += [half, _seconds(result.latency_s(50))]
        if any(cells):
            table.add_row(label, *cells)
    return table


def curve(bundle: Bundle, scored: Sequence[Scored]) -> Table:
    """Show latency, mean average precision and false events at other settings."""
    table = Table("smoothing", "enter", box=MARKDOWN)
    datasets = _judged(scored)
    for name in datasets:
        for column in (f"{name}: mAP@0.5", "latency", "p95", "missed", "false/h"):
            table.add_column(column)
    table.add_column("others: false/h")
    for smoothing_s, enter in itertools.product((0.0, 0.15, 0.2, 0.3, 0.5), (0.5, 0.7, 0.9)):
        settings = EventSettings(smoothing_s=smoothing_s, rule=EventRule(enter=enter))
        results = judge(bundle, scored, settings)
        cells = [f"{smoothing_s:.2f} s", f"{enter}"]
        for name in datasets:
            half, _, *rest = figures(results[name])[1:]
            cells += [half, *rest, f"{results[name].false_per_hour:.0f}"]
        others = [result for group, result in results.items() if group not in datasets]
        rate = sum(result.false for result in others) / sum(result.hours for result in others)
        table.add_row(*cells, f"{rate:.0f}")
    return table


def _judged(scored: Iterable[Scored]) -> list[str]:
    """Groups of streams in which something happens that the model has labels for."""
    return list(dict.fromkeys(stream.group for stream in scored if stream.truth))


def figures(result: LiveResult) -> tuple[str, ...]:
    """Actions, both mean average precisions, both latencies, missed: empty for no action."""
    if result.detection is None:
        return ("",) * 6
    return (
        str(result.truths),
        f"{result.detection.map[_HALF]:.3f}",
        f"{result.detection.average_map:.3f}",
        _seconds(result.latency_s(50)),
        _seconds(result.latency_s(95)),
        str(result.missed),
    )


def _only(stream: LiveStream, label: str) -> LiveStream:
    truth = tuple(span for span in stream.truth if span.label == label)
    events: tuple[LiveEvent, ...] = tuple(e for e in stream.events if e.label == label)
    return LiveStream(stream.name, stream.duration_s, truth, events)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


if __name__ == "__main__":
    main()
