"""Progress of long work on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Meter:
    """Progress of one piece of work on the terminal, if there is one."""

    def __init__(self, progress: Progress | None, title: str) -> None:
        """Add a bar; without `progress` nothing is shown."""
        self._progress = progress
        self._task = progress.add_task(title, total=None) if progress else None

    def expect(self, duration_s: float | None) -> None:
        """Say how long the video is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=duration_s)

    def rename(self, title: str) -> None:
        """Say what is being done now."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=title)

    def reach(self, pts_s: float) -> None:
        """Say how far the work is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=pts_s)


@contextmanager
def show_progress(title: str, quiet: bool) -> Iterator[Meter]:
    """Show a bar with an estimate while the context lasts.

    Args:
        title: What is being done.
        quiet: Show nothing, as where there is no terminal.

    Yields:
        What to tell the progress.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Meter(None, title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Meter(progress, title)
