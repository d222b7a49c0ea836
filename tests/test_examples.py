"""Every example runs as its own docstring says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stack.broadcast import DEMO_CLIP
from tests.conftest import wait_for
from tests.e2e.live_stack import Ports, running

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_score_file() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "score_file.py"), str(DEMO_CLIP)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert " s to " in done.stdout
    assert "%" in done.stdout.splitlines()[0]


@pytest.mark.timeout(120)
def test_subscribe(tmp_path: Path) -> None:
    ports, heard = Ports(), tmp_path / "heard.txt"
    command = [sys.executable, str(EXAMPLES / "subscribe.py"), "127.0.0.1", str(ports.mqtt)]
    with (
        running(["demo"], tmp_path, ports),
        heard.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stdout=output) as example,
    ):
        wait_for(lambda: " took " in heard.read_text(encoding="utf-8"), "an action's end", 60)
        example.terminate()
    assert "demo: " in heard.read_text(encoding="utf-8")
