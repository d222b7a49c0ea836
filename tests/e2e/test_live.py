"""The live stack as its users meet it: real processes, real video, real MQTT."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.broadcast import DEMO_CLIP, DEMO_TRUTH
from tests.conftest import wait_for
from tests.e2e.live_stack import (
    ACTIONSTREAM,
    Listener,
    Ports,
    Stack,
    child,
    push,
    push_by_ffmpeg,
    running,
)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(name="ports", scope="module")
def fixture_ports() -> Ports:
    """Ports of the module's stack."""
    return Ports()


@pytest.fixture(name="live", scope="module")
def fixture_live(
    ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, Listener]]:
    """`actionstream up` without any configuration but ports."""
    folder = tmp_path_factory.mktemp("up")
    arguments = ["up", "--set", "source.offline_s=3", "--set", "source.stall_s=1"]
    with running([*arguments, "--set", "mqtt.broker=embedded"], folder, ports) as pair:
        yield pair


def test_scores_come_within_three_seconds_without_holes(
    live: tuple[Stack, Listener], ports: Ports
) -> None:
    _, listener = live
    with child(push(ports, DEMO_CLIP, "own")):
        wait_for(lambda: listener.first_at("own", "scores"), "first scores")
        published_at = listener.first_at("own", "status")
        first_at = listener.first_at("own", "scores")
        assert published_at is not None
        assert first_at is not None
        assert first_at - published_at < 3.0
        wait_for(lambda: len(listener.of("own", "scores")) > 60, "60 windows", 20)
    sequence = [scores["seq"] for scores in listener.of("own", "scores")]
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
    assert listener.of("own", "labels")[0]["labels"]
    assert listener.states("own")[:2] == ["connecting", "live"]


def test_live_scores_equal_offline_scores(live: tuple[Stack, Listener], ports: Ports) -> None:
    _, listener = live
    with child(push(ports, DEMO_CLIP, "same")):
        wait_for(lambda: len(listener.of("same", "scores")) > 30, "30 windows", 20)
    rows = csv_of(["predict", "--csv", str(DEMO_CLIP)])
    for row, message in zip(rows, listener.of("same", "scores"), strict=False):
        # Over RTSP media time 0 is not exactly the first frame's.
        assert message["media"]["start"] == pytest.approx(float(row["start"]), abs=0.04)
        for label, score in message["scores"].items():
            assert score == pytest.approx(float(row[label]), abs=2e-4)


def test_predict_tells_the_whole_clip() -> None:
    offline = json_of(["predict", "--json", str(DEMO_CLIP)])
    truth = json.loads(DEMO_TRUTH.read_text(encoding="utf-8"))
    assert offline["duration_s"] == pytest.approx(truth["duration"], abs=0.2)
    assert offline["video"] == str(DEMO_CLIP)


@pytest.mark.peer("ffmpeg")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_ffmpeg_pushes_as_the_readme_says(
    live: tuple[Stack, Listener], ports: Ports, transport: str
) -> None:
    _, listener = live
    name, started = f"ff{transport}", time.time()
    with child(push_by_ffmpeg(ports, DEMO_CLIP, name, transport)):
        wait_for(lambda: listener.first_at(name, "scores"), "first scores")
        first_at = listener.first_at(name, "scores")
        assert first_at is not None
        assert first_at - started < 3.0
        wait_for(lambda: len(listener.of(name, "scores")) > 20, "20 windows", 20)
    scores = listener.of(name, "scores")
    assert [s["seq"] for s in scores] == list(range(len(scores)))
    assert scores[-1]["clock"] == "rtcp"
    assert 0 < scores[-1]["latency_ms"]["total"] < 1000


def test_a_push_that_ends_is_stalled_then_offline_and_may_come_back(
    live: tuple[Stack, Listener], ports: Ports
) -> None:
    _, listener = live
    with child(push(ports, DEMO_CLIP, "back")):
        wait_for(lambda: listener.of("back", "scores"), "first scores")
    wait_for(lambda: listener.states("back")[-1] == "offline", "offline", 10)
    assert listener.states("back") == ["connecting", "live", "stalled", "offline"]
    again = time.time()
    with child(push(ports, DEMO_CLIP, "back")):
        wait_for(lambda: listener.first_at("back", "scores", after=again), "scores again")
        first_at = listener.first_at("back", "scores", after=again)
        assert first_at is not None
        assert first_at - again < 4.0
    sequence = [scores["seq"] for scores in listener.of("back", "scores")]
    assert sequence == list(range(len(sequence)))


def test_a_name_with_slashes_and_odd_letters(live: tuple[Stack, Listener], ports: Ports) -> None:
    _, listener = live
    with child(push(ports, DEMO_CLIP, "hall/cam-1")):
        wait_for(lambda: listener.of("hall%2Fcam-1", "scores"), "first scores")
    assert listener.of("hall%2Fcam-1", "scores")[0]["stream"] == "hall/cam-1"
    answer = httpx.get(f"http://127.0.0.1:{ports.api}/v1/streams/hall%2Fcam-1")
    assert answer.json()["stream"] == "hall/cam-1"


def test_streams_come_and_go_over_rest(live: tuple[Stack, Listener], ports: Ports) -> None:
    _, listener = live
    api = f"http://127.0.0.1:{ports.api}/v1/streams"
    added = httpx.post(api, json={"name": "file", "url": str(DEMO_CLIP), "loop": True})
    assert added.status_code == 201
    assert httpx.post(api, json={"name": "file", "url": "x"}).json()["code"] == "duplicate_stream"
    assert httpx.post(api, json={"name": "file"}).status_code == 422
    wait_for(lambda: listener.of("file", "scores"), "scores of a file")
    picture = httpx.get(f"{api}/file/preview.jpg")
    assert picture.content.startswith(b"\xff\xd8")
    assert httpx.delete(f"{api}/file").status_code == 204
    assert httpx.get(f"{api}/file").json()["code"] == "unknown_stream"
    wait_for(lambda: listener.of("file", "status")[-1] == "", "retained status taken back")


def test_a_paused_stream_says_nothing(live: tuple[Stack, Listener], ports: Ports) -> None:
    _, listener = live
    with child(push(ports, DEMO_CLIP, "pause")):
        wait_for(lambda: listener.of("pause", "scores"), "first scores")
        listener.publish("actionstream/streams/pause/set", b'{"paused": true}')
        wait_for(lambda: listener.of("pause", "state")[-1]["paused"], "paused")
        count = len(listener.of("pause", "scores"))
        listener.publish("actionstream/streams/pause/set", b'{"paused": 7}')
        wait_for(lambda: listener.of("pause", "state")[-1]["error"], "refusal")
        assert len(listener.of("pause", "scores")) <= count + 2
        listener.publish("actionstream/streams/pause/set", b'{"paused": false}')
        wait_for(lambda: len(listener.of("pause", "scores")) > count + 2, "scores again")


def test_the_demo_shows_what_its_truth_says(tmp_path: Path) -> None:
    ports = Ports()
    with running(["demo"], tmp_path, ports) as (stack, listener):
        wait_for(lambda: listener.of("demo", "truth"), "truth")
        wait_for(lambda: len(listener.of("demo", "scores")) > 150, "150 windows", 60)
        scores, truth = listener.of("demo", "scores"), listener.of("demo", "truth")[-1]
        took = stack.stop()
    assert took < 3.0
    assert stack.process.returncode == 0
    assert "Traceback" not in stack.text()
    verdicts = [label_at(truth, s) == s["top"]["label"] for s in scores if label_at(truth, s)]
    assert len(verdicts) > 50
    assert sum(verdicts) / len(verdicts) >= 0.8


def label_at(truth: dict[str, Any], scores: dict[str, Any]) -> str | None:
    """What the video shows during all of a window; `None` across a boundary."""
    start = scores["window"]["start"] - truth["started_at"]
    end = scores["window"]["end"] - truth["started_at"]
    if start < 0 or end > truth["duration_s"]:
        return None
    for span in truth["annotations"]:
        if span["start"] <= start and end <= span["end"]:
            return str(span["label"])
        if span["start"] < end and start < span["end"]:
            return None
    return "none"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_three_seconds_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    ports = Ports()
    # With mosquitto as a child where it is installed, and the publisher's child beside.
    with running(["demo"], tmp_path, ports) as (stack, listener):
        with child(push(ports, DEMO_CLIP, "cam")):
            wait_for(lambda: listener.of("cam", "scores"), "first scores")
            children = children_of(stack.process.pid)
            took = stack.stop(number)
        assert took < 3.0
    assert stack.process.returncode == 0
    assert "Traceback" not in stack.text()
    wait_for(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()], "no orphans")


def children_of(pid: int) -> list[int]:
    """Processes that a process has started; Linux only, elsewhere none are found."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(status.parent.name))
    return found


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["up", "--set", "mqtt.prot=1"], 2, "Did you mean `mqtt.port`?"),
        (["up", "--set", "rtsp.server=foo"], 2, "'embedded'"),
        (["up", "--config", "missing.yaml"], 2, "missing.yaml"),
        (["up", "--model", "nonsense"], 1, "everyday"),
        (["up", "--set", "api.host=0.0.0.0"], 2, "token"),
        (["predict", "missing.mp4"], 1, "missing.mp4"),
        (["predict", __file__], 1, "not a video"),
        (["predict"], 2, "VIDEO"),
        (["nonsense"], 2, "nonsense"),
        (["publish", "missing.mp4", "rtsp://127.0.0.1:1/x"], 1, "missing.mp4"),
        (["publish", str(DEMO_CLIP), "rtsp://127.0.0.1:1/x"], 1, "127.0.0.1:1"),
        (["watch", "--set", "mqtt.port=1"], 1, "127.0.0.1:1"),
    ],
)
def test_a_mistake_gives_one_clear_message(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [ACTIONSTREAM, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 5


@pytest.mark.parametrize(
    "key", ["rtsp.port", "mqtt.port", "api.port", "webrtc.port", "dashboard.port"]
)
def test_an_occupied_port_is_named(live: tuple[Stack, Listener], ports: Ports, key: str) -> None:
    del live
    taken = {"rtsp": ports.rtsp, "mqtt": ports.mqtt, "api": ports.api}
    taken |= {"webrtc": ports.webrtc, "dashboard": ports.page}
    port = taken[key.partition(".")[0]]
    done = subprocess.run(
        [ACTIONSTREAM, "up", *Ports().flags(), "--set", f"{key}={port}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert key in done.stderr


def json_of(arguments: list[str]) -> Any:
    """What a command prints, as JSON."""
    done = subprocess.run([ACTIONSTREAM, *arguments], capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def csv_of(arguments: list[str]) -> list[dict[str, str]]:
    """What a command prints, as rows of CSV."""
    done = subprocess.run(
        [ACTIONSTREAM, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    head, *lines = done.stdout.splitlines()
    return [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]
