"""Progress on a terminal, in a log, and not at all."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.progress import Progress

from training.progress import StepMeter, training_progress


def test_a_log_gets_lines_with_speed_and_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each half minute, and no bar."""
    now_s = 100.0
    monkeypatch.setattr("training.progress.time.monotonic", lambda: now_s)
    with training_progress(quiet=False) as progress:
        meter = StepMeter(progress, total=100, batch=8, done=20)
        for number in range(21, 71):
            now_s += 1.0
            meter.step(number, 0.5)
            if number == 30:
                with meter.pause():
                    now_s += 60.0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "step 61 of 100  loss 0.500, 8 clips/s  1 min left"
    assert len(lines) == 2


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with training_progress(quiet=True) as progress:
        meter = StepMeter(progress, total=1, batch=8)
        meter.say("hello")
        meter.step(1, 0.5)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar() -> None:
    console = Console(force_terminal=True, width=100, record=True)
    with Progress(console=console) as progress:
        StepMeter(progress, total=4, batch=8).step(1, 0.25)
        task = progress.tasks[0]
        assert task.description.startswith("train, loss 0.250, ")
        assert task.completed == 1
