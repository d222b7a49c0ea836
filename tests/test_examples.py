"""Every example runs as its own docstring says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stack.broadcast import DEMO_CLIP
from tests.conftest import wait_for
from tests.e2e.live_stack import Ports, running
from tests.stack.api_server import served, settings_for
from tests.videos import cut

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
def test_subscribe_and_follow_feed(tmp_path: Path) -> None:
    ports, heard, fed = Ports(), tmp_path / "heard.txt", tmp_path / "fed.txt"
    subscribe = [sys.executable, str(EXAMPLES / "subscribe.py"), "127.0.0.1", str(ports.mqtt)]
    follow = [sys.executable, str(EXAMPLES / "follow_feed.py"), f"http://127.0.0.1:{ports.api}"]
    with (
        running(["demo"], tmp_path, ports),
        heard.open("w", encoding="utf-8") as output,
        fed.open("w", encoding="utf-8") as other_output,
        subprocess.Popen(subscribe, stdout=output) as first,
        subprocess.Popen(follow, stdout=other_output) as second,
    ):
        try:
            wait_for(lambda: " took " in heard.read_text(encoding="utf-8"), "an action's end", 60)
            wait_for(lambda: " is over" in fed.read_text(encoding="utf-8"), "it on the feed", 60)
        finally:
            first.terminate()
            second.terminate()
    for file in (heard, fed):
        assert "demo: " in file.read_text(encoding="utf-8")


@pytest.mark.timeout(300)
def test_rest_client(tmp_path: Path) -> None:
    clip = cut(tmp_path, 2.0)
    with served(settings_for(tmp_path, predictions={"queue": 0})) as (url, _):
        done, refused = (
            subprocess.run(
                [sys.executable, str(EXAMPLES / "rest_client.py"), str(file), url],
                capture_output=True,
                text=True,
                check=False,
                timeout=200,
            )
            for file in (clip, EXAMPLES / "rest_client.py")
        )
    assert "%" in done.stdout.splitlines()[0]
    assert done.stderr.splitlines()[-1] == "done 100%"
    assert done.returncode == 0
    assert "not_a_video" in refused.stderr
    assert refused.returncode == 1
