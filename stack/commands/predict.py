"""``predict``: scores and actions of video files."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import click
from rich.console import Console
from rich.table import Table

from contracts.errors import EXIT_FAILED, SourceError
from contracts.prediction import Prediction
from contracts.settings import EventSettings
from inference.prediction import ScoredVideo, score_video
from inference.prediction import predict as predict_actions
from inference.runtime import ActionModel
from inference.windows import WindowSpec
from inference.worker import window_spec
from stack.commands.options import Resolve, model_option, with_settings
from stack.models import open_model
from stack.progress import Meter, show_progress
from stack.terminal import show_error
from streaming.files import probe, read_frames


@click.command()
@with_settings
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO...")
@model_option
@click.option("--json", "form", flag_value="json", help="One JSON object a video and line.")
@click.option("--csv", "form", flag_value="csv", help="One line of CSV a window.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def predict(
    resolve: Resolve, videos: tuple[str, ...], model: str | None, form: str | None, quiet: bool
) -> None:
    """Score video files and find the actions in them, by the rules that hold live.

    A directory stands for the videos in it, one after another. A file that is no video is
    reported and passed over; the exit code is then 1.
    """
    settings = resolve(model__name=model)
    runtime = open_model(settings.model)
    scorer = _Scorer(runtime, window_spec(runtime.bundle, settings), settings.events)
    write = _WRITERS[form or "table"](runtime.bundle.label_names)
    failed = False
    for video in videos:
        try:
            with show_progress(video, quiet) as meter:
                scored = scorer.score(video, meter)
        except SourceError as error:
            show_error(error)
            failed = True
            continue
        write.add(replace(scorer.predict(scored), video=video), scored)
    if failed:
        sys.exit(EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class _Scorer:
    """What is the same for all videos of one call."""

    model: ActionModel
    spec: WindowSpec
    events: EventSettings

    def score(self, video: str, meter: Meter) -> ScoredVideo:
        """Score every window of a file."""
        meter.expect(probe(video).duration_s)
        frames = read_frames(video, self.model.bundle.input.sampling)
        return score_video(self.model, self.spec, frames, meter.reach)

    def predict(self, scored: ScoredVideo) -> Prediction:
        """Sum its windows up."""
        return predict_actions(self.model.bundle, scored, self.events)


class _Writer(Protocol):
    """Writes results in one form."""

    def add(self, prediction: Prediction, scored: ScoredVideo) -> None:
        """Write one video's result."""


class _JsonWriter:
    """One object a video and line: the REST API's answer plus ``video``."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        del labels

    def add(self, prediction: Prediction, scored: ScoredVideo) -> None:
        """Write one video's result."""
        del scored
        click.echo(prediction.to_json())


class _CsvWriter:
    """One line a window: video, span in media time, every class."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._rows = csv.writer(sys.stdout, lineterminator="\n")
        self._rows.writerow(["video", "start", "end", *labels])

    def add(self, prediction: Prediction, scored: ScoredVideo) -> None:
        """Write one video's result."""
        for window in scored.windows:
            span = (round(window.media.start, 3), round(window.media.end, 3))
            self._rows.writerow(
                [prediction.video, *span, *(f"{score:.4f}" for score in window.scores)]
            )


class _TableWriter:
    """For people."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        del labels
        self._console = Console()

    def add(self, prediction: Prediction, scored: ScoredVideo) -> None:
        """Write one video's result."""
        self._console.print(
            f"[bold]{prediction.video}[/bold]  {prediction.duration_s:.1f} s, "
            f"{len(scored.windows)} windows: [bold green]{prediction.label}[/bold green] "
            f"{prediction.probability:.0%}"
        )
        table = Table("action", "from", "to", "score")
        for segment in prediction.segments:
            row = (f"{segment.start:.2f} s", f"{segment.end:.2f} s", f"{segment.score:.0%}")
            table.add_row(segment.label, *row)
        self._console.print(table if prediction.segments else "  no action found")


_WRITERS: dict[str, Callable[[tuple[str, ...]], _Writer]] = {
    "json": _JsonWriter,
    "csv": _CsvWriter,
    "table": _TableWriter,
}
