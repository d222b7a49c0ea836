"""Progress of a training run: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LINE_EVERY_S = 30.0


@contextmanager
def training_progress(quiet: bool) -> Iterator[Progress]:
    """Show what is done and the time left while the context lasts.

    Args:
        quiet: Show nothing at all.

    Yields:
        For `train`: a bar on a terminal; elsewhere lines alone, which a log can hold.
    """
    console = Console(quiet=quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress


class StepMeter:
    """Tells how far the updates of a run are, how fast they go, and when they will be done."""

    def __init__(self, progress: Progress, total: int, batch: int, done: int = 0) -> None:
        """Begin at update number `done` of `total`, each of `batch` clips."""
        self._progress = progress
        self._total, self._batch, self._first = total, batch, done
        self._task = progress.add_task("train", total=total, completed=done)
        self._began_s = self._told_s = time.monotonic()
        self._paused_s = 0.0

    def step(self, number: int, loss: float) -> None:
        """Tell that update `number` is done."""
        now_s = time.monotonic()
        rate = self._rate(number, now_s)
        text = f"train, loss {loss:.3f}, {rate * self._batch:.0f} clips/s"
        self._progress.update(self._task, completed=number, description=text)
        if not self._progress.console.is_terminal and now_s - self._told_s >= _LINE_EVERY_S:
            self._told_s = now_s
            left_s = (self._total - number) / rate
            self.say(f"step {number} of {self._total}  {text[7:]}  {left_s / 60:.0f} min left")

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave out of the rate what is no update: validation."""
        began_s = time.monotonic()
        yield
        self._paused_s += time.monotonic() - began_s

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _rate(self, number: int, now_s: float) -> float:
        return (number - self._first) / max(1e-9, now_s - self._began_s - self._paused_s)
